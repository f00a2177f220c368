//! The planner as its callers use it.

mod cases;
mod eval;
mod plans;
#[path = "../../eval/score.rs"]
mod score;
mod support;
