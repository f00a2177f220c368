//! `concert ingest`: files to clean tables to one publication.

use super::{broken_rules, open_lake, rules, take_in};
use crate::{
    home,
    output::{Output, plain_text},
};
use anyhow::Result;
use clap::Args;
use concert_contract::money::Currency;
use concert_ingest::{IngestOptions, IngestReport, OnProgress, Progress};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use jiff::civil::Date;
use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Once, PoisonError},
    time::{Duration, Instant},
};

/// How long a load waits for another one to end before it says so.
pub const WRITER_WAIT: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct Options {
    /// Files, folders, s3://bucket/prefix, or - for standard input; without a mapping, files are named after tables
    #[arg(required_unless_present = "infer", value_name = "FILES")]
    files: Vec<PathBuf>,
    /// Propose a mapping for this file, with its doubts as comments, and load nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "mapping", "rules"])]
    infer: Option<PathBuf>,
    /// How the files' columns become the tables' columns
    #[arg(long, value_name = "M.toml")]
    mapping: Option<PathBuf>,
    /// Rules of your own, which extend and change the built-in ones
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
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

/// Says on standard error how far a load is: a bar on a terminal, a line now and then elsewhere.
pub fn progress() -> OnProgress {
    if !std::io::stderr().is_terminal() {
        return lines();
    }
    let bar = ProgressBar::no_length();
    let template = "{msg:<44} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let begun = Once::new();
    Arc::new(move |progress| match progress {
        Progress::Reading {
            file,
            records,
            bytes_read,
            bytes,
        } => {
            bar.set_length(bytes);
            bar.set_position(bytes_read);
            // What an earlier attempt has staged says nothing about the speed of this one.
            begun.call_once(|| bar.reset_eta());
            bar.set_message(format!("{}  {records} records", plain_text(&file)));
        }
        Progress::Writing { table } => bar.set_message(format!("writing {table}")),
        Progress::Note(text) => {
            bar.suspend(|| eprintln!("{}", plain_text(&text)));
        }
    })
}

fn lines() -> OnProgress {
    /// How often a line is written.
    const PAUSE: Duration = Duration::from_secs(5);
    /// When the last line was written, and when and with how many bytes reading began.
    struct Said {
        last: Instant,
        begun: Option<(Instant, u64)>,
    }
    let said = Mutex::new(Said {
        last: Instant::now(),
        begun: None,
    });
    Arc::new(move |progress| {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        match progress {
            Progress::Note(text) => eprintln!("{}", plain_text(&text)),
            Progress::Reading {
                records,
                bytes_read,
                bytes,
                ..
            } => {
                let now = Instant::now();
                let (begun, first) = *said.begun.get_or_insert((now, bytes_read));
                if now - said.last >= PAUSE {
                    said.last = now;
                    let a_second = (bytes_read - first) as f64 / (now - begun).as_secs_f64().max(0.001);
                    let left = bytes.saturating_sub(bytes_read) as f64 / a_second.max(1.0);
                    eprintln!(
                        "{records} records, {} of {}, {} a second, {left:.0} s left",
                        HumanBytes(bytes_read),
                        HumanBytes(bytes),
                        HumanBytes(a_second as u64)
                    );
                }
            }
            Progress::Writing { table } => {
                if said.last.elapsed() >= PAUSE {
                    said.last = Instant::now();
                    eprintln!("writing {table}");
                }
            }
        }
    })
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    if let Some(file) = options.infer {
        let proposal = concert_ingest::infer(&file)?;
        return output.print(&proposal, |proposal| proposal.mapping.clone());
    }
    let rules = rules(options.rules.as_deref())?;
    let lake = open_lake(home)?;
    let load = take_in(
        &lake,
        IngestOptions {
            files: options.files,
            mapping: options.mapping,
            today: home::today(options.today),
            currency: options.currency,
            wait: WRITER_WAIT,
            progress: Some(progress()),
        },
        &rules,
    );
    let report = tokio::select! {
        report = load => report?,
        // The load ends with its future. What it has staged is found by the next one.
        _ = tokio::signal::ctrl_c() => return Err(concert_ingest::Error::Stopped.into()),
    };
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
    text.push_str(&broken_rules(&report.rules));
    if quarantined > 0 {
        text.push_str(
            "Quarantined records keep their source, line, column, rule and text: concert quarantine list
",
        );
    }
    text.push_str("Next: concert ask \"attendance by year\", or concert up");
    text
}
