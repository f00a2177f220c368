mod cases;
mod plans;
mod support;

#[path = "../../eval/score.rs"]
mod score;
mod eval;
