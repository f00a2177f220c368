mod cases;
mod plans;
mod support;

mod eval;
#[path = "../../eval/score.rs"]
mod score;
