//! `cargo xtask bench planner`: how many of the questions in `shared/planner/eval` the planner answers right, by tag, the
//! wrong answers that it was sure of beside them, and how long a question takes, optimised.

use anyhow::Result;
use serde_json::json;

use super::Measured;
use crate::{
    context::Context,
    process::{cargo, output},
};

/// Runs the example that scores. What it prints is the table, and each of its lines a figure.
///
/// # Errors
/// The example does not build or run.
pub fn measure(context: &Context) -> Result<Measured> {
    let text = output(cargo(context).args([
        "run",
        "--quiet",
        "--release",
        "--package",
        "concert-planner",
        "--example",
        "score",
    ]))?;
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    Ok(Measured {
        figures: json!({ "lines": lines }),
        table: format!("```text\n{}\n```", text.trim_end()),
    })
}
