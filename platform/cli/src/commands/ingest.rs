//! `concert ingest`: files to clean tables to one publication.

use super::{open_lake, take_in};
use crate::{home, output::Output};
use anyhow::Result;
use clap::Args;
use concert_contract::money::Currency;
use concert_ingest::{IngestOptions, IngestReport, OnProgress, Progress};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How long a load waits for another one to end before it says so.
pub const WRITER_WAIT: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct Options {
    /// Files, folders whose files are named after the tables, or - for standard input
    #[arg(required_unless_present = "infer", value_name = "FILES")]
    files: Vec<PathBuf>,
    /// Propose a mapping for this file, with its doubts as comments, and load nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "mapping"])]
    infer: Option<PathBuf>,
    /// How the files' columns become the tables' columns
    #[arg(long, value_name = "M.toml")]
    mapping: Option<PathBuf>,
    /// The currency of money that does not say its own
    #[arg(long, env = "CONCERT_CURRENCY", hide_env = true, default_value = "USD", value_parser = currency)]
    currency: Currency,
    /// The day that separates completed concerts from scheduled ones [default: today]
    #[arg(long, env = "CONCERT_TODAY", hide_env = true, value_name = "DATE")]
    today: Option<Date>,
}

pub fn currency(code: &str) -> Result<Currency, String> {
    Currency::try_from(code.to_owned())
}

/// A bar on standard error while a file is read; nothing where that is no terminal.
pub fn progress() -> OnProgress {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{msg:<28} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
    {
        bar.set_style(style);
    }
    Arc::new(move |progress| match progress {
        Progress::Reading {
            file,
            bytes_read,
            bytes,
        } => {
            bar.set_message(file);
            bar.set_length(bytes);
            bar.set_position(bytes_read);
        }
        Progress::Writing { table } => bar.set_message(format!("writing {table}")),
        Progress::Note(text) => {
            bar.suspend(|| eprintln!("{text}"));
        }
    })
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    if let Some(file) = options.infer {
        let mapping = concert_ingest::infer(&file)?;
        return output.print(&serde_json::json!({ "mapping": mapping }), |_| mapping.clone());
    }
    let lake = open_lake(home)?;
    let report = take_in(
        &lake,
        IngestOptions {
            files: options.files,
            mapping: options.mapping,
            today: home::today(options.today),
            currency: options.currency,
            wait: WRITER_WAIT,
            progress: Some(progress()),
        },
    )
    .await?;
    output.print(&report, summary)
}

pub fn summary(report: &IngestReport) -> String {
    let mut text = format!(
        "{:<16} {:>9} {:>9} {:>9} {:>11} {:>9}\n",
        "", "in", "clean", "merged", "quarantined", "unchanged"
    );
    let mut quarantined = 0;
    for (table, counts) in &report.tables {
        quarantined += counts.quarantined;
        text.push_str(&format!(
            "{table:<16} {:>9} {:>9} {:>9} {:>11} {:>9}\n",
            counts.records_in, counts.clean, counts.merged, counts.quarantined, counts.unchanged
        ));
    }
    if quarantined > 0 {
        text.push_str(
            "Quarantined records keep their source, line, column, rule and text: concert quarantine list
",
        );
    }
    text.push_str("Next: concert ask \"attendance by year\", or concert up");
    text
}
