//! `concert doctor`: looks at everything, says what is wrong, what that means and what to do. Status 1 if there is an
//! error, so that a script or a supervisor can ask it.

use crate::{
    checks::{self, Check, State},
    home,
    output::{AlreadySaid, Output, plain_text},
};
use anyhow::Result;
use clap::Args;
use jiff::civil::Date;
use serde::Serialize;
use std::path::Path;

#[derive(Args)]
pub struct Options {
    /// The day that freshness is measured against [default: $CONCERT_TODAY, else today]
    #[arg(long, value_name = "DATE")]
    today: Option<Date>,
}

#[derive(Serialize)]
struct Report {
    home: String,
    /// The worst of all.
    state: State,
    errors: usize,
    warnings: usize,
    checks: Vec<Check>,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    // A setting that is no date is told with the others, and stops nothing here.
    let set: Option<Date> = std::env::var("CONCERT_TODAY").ok().and_then(|day| day.parse().ok());
    let mut checks = checks::data::all(home, home::today(options.today.or(set))).await;
    checks.push(checks::settings::all(std::env::vars()));
    checks.extend(checks::services::all(|name| std::env::var(name).ok()).await);
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    let report = Report {
        home: home.display().to_string(),
        state: checks.iter().map(|check| check.state).max().unwrap_or(State::Ok),
        errors: count(State::Error),
        warnings: count(State::Warning),
        checks,
    };
    output.print(&report, describe)?;
    if report.errors > 0 {
        return Err(AlreadySaid.into());
    }
    Ok(())
}

fn describe(report: &Report) -> String {
    let mut text = String::new();
    for check in &report.checks {
        text.push_str(&format!(
            "{:<8} {:<11} {}\n",
            check.state.word(),
            check.name,
            plain_text(&check.found)
        ));
        let indent = " ".repeat(21);
        if let Some(means) = &check.means {
            text.push_str(&format!("{indent}{means}\n"));
        }
        if let Some(mend) = &check.mend {
            text.push_str(&format!("{indent}To mend: {}\n", plain_text(mend)));
        }
    }
    text.push_str(&match (report.errors, report.warnings) {
        (0, 0) => "Everything is well. Next: concert ask \"attendance by year\", or concert up".to_owned(),
        (errors, warnings) => format!("{errors} errors, {warnings} warnings"),
    });
    text
}
