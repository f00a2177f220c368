//! `concert validate`: what a load of these files would put aside, and why, without loading anything.

use super::{ingest::WRITER_WAIT, ingest::currency, ingest::progress, open_lake, place, rules};
use crate::{
    home,
    output::{AlreadySaid, Output, plain_text},
};
use anyhow::Result;
use clap::Args;
use concert_contract::money::Currency;
use concert_ingest::{IngestOptions, ValidateReport};
use jiff::civil::Date;
use std::path::{Path, PathBuf};

/// How many records are described on a terminal; `--json` has a hundred of each table.
const SHOWN: usize = 20;

#[derive(Args)]
pub struct Options {
    /// Files, folders, s3://bucket/prefix, or - for standard input; without a mapping, files are named after tables
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
    /// How the files' columns become the tables' columns
    #[arg(long, value_name = "M.toml")]
    mapping: Option<PathBuf>,
    /// Rules of your own, which extend and change the built-in ones
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// The currency of money that does not say its own
    #[arg(long, env = "CONCERT_CURRENCY", hide_env = true, default_value = "USD", value_parser = currency)]
    currency: Currency,
    /// The day that rules call today [default: today]
    #[arg(long, env = "CONCERT_TODAY", hide_env = true, value_name = "DATE")]
    today: Option<Date>,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let rules = rules(options.rules.as_deref())?;
    let report = concert_ingest::validate(
        &open_lake(home)?,
        &IngestOptions {
            files: options.files,
            mapping: options.mapping,
            today: home::today(options.today),
            currency: options.currency,
            wait: WRITER_WAIT,
            progress: Some(progress()),
        },
        &rules,
    )
    .await?;
    output.print(&report, describe)?;
    if report.valid { Ok(()) } else { Err(AlreadySaid.into()) }
}

fn describe(report: &ValidateReport) -> String {
    let mut text = format!("{:<16} {:>9} {:>9} {:>9}\n", "", "in", "pass", "refused");
    for (table, counts) in &report.tables {
        text.push_str(&format!(
            "{table:<16} {:>9} {:>9} {:>9}\n",
            counts.records_in, counts.passed, counts.refused
        ));
    }
    text.push_str(&super::broken_rules(&report.rules));
    for failure in report.failures.iter().take(SHOWN) {
        text.push_str(&format!(
            "{}, for {}: {} ({})\n",
            place(&failure.source, failure.line),
            failure.table,
            plain_text(&failure.message),
            failure.rule
        ));
    }
    if report.failures.len() > SHOWN {
        text.push_str("… and more; --json names a hundred of each table\n");
    }
    text.push_str(if report.valid {
        "Every record keeps the rules. Next: concert ingest the same files"
    } else {
        "concert ingest would take the rest in and put these aside"
    });
    text
}
