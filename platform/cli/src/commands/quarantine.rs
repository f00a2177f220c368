//! `concert quarantine`: the records that broke a rule, with where they stand and what to mend; their export for mending
//! by hand; and judging them again.

use super::{ingest::WRITER_WAIT, ingest::currency, ingest::progress, open_lake, place, publish_lake, rules};
use crate::{
    home,
    output::{Output, plain_text, write_line},
};
use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use concert_contract::money::Currency;
use concert_ingest::quarantine::{self, ExportFormat, Filter, ReplayOptions, ReplayReport};
use jiff::civil::Date;
use serde::Serialize;
use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// As much of a record as a line of a terminal shows.
const SHOWN_CHARS: usize = 100;

#[derive(Subcommand)]
pub enum Options {
    /// Show them, the newest run first
    List {
        #[command(flatten)]
        which: Which,
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Write them to a file that can be mended by hand: each with its reason, its original text and its fields
    Export {
        #[command(flatten)]
        which: Which,
        /// The file to write; it is replaced [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// How it is written [default: by the file's name, else jsonl]
        #[arg(long)]
        format: Option<Format>,
        /// At most this many
        #[arg(long)]
        limit: Option<usize>,
    },
    /// Judge them again, by a changed mapping, by changed rules, or as they were mended; what passes becomes clean
    Replay(Replay),
}

/// Which of the records are meant
#[derive(Args)]
pub struct Which {
    /// Those of this rule; * stands for any characters
    #[arg(long)]
    rule: Option<String>,
    /// Those of this table
    #[arg(long)]
    table: Option<String>,
    /// Those of this file
    #[arg(long)]
    source: Option<String>,
}

impl Which {
    fn filter(self, limit: Option<usize>) -> Filter {
        Filter {
            rule: self.rule,
            table: self.table,
            source: self.source,
            limit,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    /// For spreadsheets: what is wrong, the original text, and the fields under the source's own header
    Csv,
    /// One JSON object on each line
    Jsonl,
}

#[derive(Args)]
pub struct Replay {
    #[command(flatten)]
    which: Which,
    /// Read the records by this mapping [default: the one that they were read by]
    #[arg(long, value_name = "M.toml")]
    mapping: Option<PathBuf>,
    /// Rules of your own, which extend and change the built-in ones
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// An export that was mended; only its records are judged
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The currency of money that does not say its own
    #[arg(long, env = "CONCERT_CURRENCY", hide_env = true, default_value = "USD", value_parser = currency)]
    currency: Currency,
    /// The day that separates completed concerts from scheduled ones [default: today]
    #[arg(long, env = "CONCERT_TODAY", hide_env = true, value_name = "DATE")]
    today: Option<Date>,
}

#[derive(Serialize)]
struct Exported {
    records: u64,
    file: String,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    match options {
        Options::List { which, limit } => list(home, output, which.filter(Some(limit))).await,
        Options::Export {
            which,
            out,
            format,
            limit,
        } => export(home, output, which.filter(limit), out, format).await,
        Options::Replay(replay) => replay_all(home, output, replay).await,
    }
}

async fn list(home: &Path, output: &Output, filter: Filter) -> Result<()> {
    let records = quarantine::list(&open_lake(home)?, &filter).await?;
    output.print(&records, |records| {
        if records.is_empty() {
            return "Nothing of this is in quarantine.".to_owned();
        }
        let mut text = String::new();
        for record in records {
            let column = record
                .column
                .as_ref()
                .map(|column| format!(", column {column}"))
                .unwrap_or_default();
            let original: String = record
                .original
                .chars()
                .filter(|c| !c.is_control())
                .take(SHOWN_CHARS)
                .collect();
            text.push_str(&format!(
                "{}{}, for {}: {} ({})\n    {original}\n",
                place(&record.source, record.line),
                plain_text(&column),
                record.table,
                plain_text(&record.message),
                record.rule
            ));
        }
        text.push_str(
            "Mend the file and ingest it again; or concert quarantine export --out FILE.csv, mend that, and concert \
             quarantine replay --from FILE.csv; or replay with --mapping or --rules.",
        );
        text
    })
}

async fn export(
    home: &Path,
    output: &Output,
    filter: Filter,
    out: Option<PathBuf>,
    format: Option<Format>,
) -> Result<()> {
    let is_csv = out
        .as_ref()
        .and_then(|path| path.extension())
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let format = match format {
        Some(Format::Csv) => ExportFormat::Csv,
        Some(Format::Jsonl) => ExportFormat::JsonLines,
        None if is_csv => ExportFormat::Csv,
        None => ExportFormat::JsonLines,
    };
    let lake = open_lake(home)?;
    let Some(path) = out else {
        // Standard output is locked by line, and a reader that stops early is no failure.
        let mut lines = Lines::default();
        quarantine::export(&lake, &filter, format, &mut lines).await?;
        return lines.finish();
    };
    // An old export is replaced when the new one is whole.
    let part = path.with_extension("part");
    let failed = || format!("cannot write {}", path.display());
    let mut file = BufWriter::new(File::create(&part).with_context(failed)?);
    let written = quarantine::export(&lake, &filter, format, &mut file).await;
    let exported = match written {
        Ok(exported) => exported,
        Err(error) => {
            // What is half written is of no use; that it cannot be removed changes nothing.
            let _ = std::fs::remove_file(&part);
            return Err(error).with_context(failed);
        }
    };
    file.flush().with_context(failed)?;
    drop(file);
    std::fs::rename(&part, &path).with_context(failed)?;
    let exported = Exported {
        records: exported.records,
        file: path.display().to_string(),
    };
    output.print(&exported, |exported| {
        format!(
            "{} records are in {1}. Mend their fields or their _original, then: concert quarantine replay --from {1}",
            exported.records, exported.file
        )
    })
}

/// Gives what is written to standard output line by line.
#[derive(Default)]
struct Lines {
    waiting: Vec<u8>,
}

impl Lines {
    fn finish(self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        write_line(&String::from_utf8_lossy(&self.waiting))
    }
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if let Some(end) = self.waiting.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.waiting.split_off(end + 1);
            let whole = std::mem::replace(&mut self.waiting, rest);
            let text = String::from_utf8_lossy(&whole[..whole.len() - 1]).into_owned();
            write_line(&text).map_err(std::io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn replay_all(home: &Path, output: &Output, options: Replay) -> Result<()> {
    let lake = open_lake(home)?;
    let today = home::today(options.today);
    let report = quarantine::replay(
        &lake,
        &ReplayOptions {
            filter: options.which.filter(None),
            mapping: options.mapping,
            rules: Arc::new(rules(options.rules.as_deref())?),
            from: options.from,
            today,
            currency: options.currency,
            wait: WRITER_WAIT,
            progress: Some(progress()),
        },
    )
    .await?;
    publish_lake(&lake, today, WRITER_WAIT).await?;
    output.print(&report, summary)
}

fn summary(report: &ReplayReport) -> String {
    if report.tables.is_empty() && report.closed == 0 {
        return "Nothing of this is in quarantine.".to_owned();
    }
    let mut text = format!(
        "{:<16} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
        "", "judged", "clean", "merged", "unchanged", "stay"
    );
    for (table, counts) in &report.tables {
        text.push_str(&format!(
            "{table:<16} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
            counts.records_in, counts.clean, counts.merged, counts.unchanged, counts.quarantined
        ));
    }
    text.push_str(&super::broken_rules(&report.rules));
    text.push_str(&format!(
        "{} records have left the quarantine, {} stay.",
        report.closed, report.remaining
    ));
    text
}
