//! `concert quarantine`: the records that broke a rule, with where they stand and what to mend.

use super::{open_lake, place};
use crate::output::{Output, plain_text, write_line};
use anyhow::{Context as _, Result};
use clap::Subcommand;
use concert_lake::Quarantined;
use serde::Serialize;
use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

/// As much of a record as a line of a terminal shows.
const SHOWN_CHARS: usize = 100;

/// More than any quarantine that is exported in one piece; SQL wants a number.
const ALL: usize = i32::MAX as usize;

#[derive(Subcommand)]
pub enum Options {
    /// Show them, the newest first
    List {
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Write all of them as JSON Lines, each with its original text
    Export {
        /// The file to write; it is replaced [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Serialize)]
struct Exported {
    records: usize,
    file: String,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    match options {
        Options::List { limit } => list(home, output, limit).await,
        Options::Export { out } => export(home, output, out).await,
    }
}

async fn list(home: &Path, output: &Output, limit: usize) -> Result<()> {
    let records = open_lake(home)?.quarantined(limit).await?;
    output.print(&records, |records| {
        if records.is_empty() {
            return "Nothing is in quarantine.".to_owned();
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
        text.push_str("Mend the file or the mapping and ingest it again; what is mended becomes clean.");
        text
    })
}

async fn export(home: &Path, output: &Output, out: Option<PathBuf>) -> Result<()> {
    let records = open_lake(home)?.quarantined(ALL).await?;
    let Some(path) = out else {
        return records
            .iter()
            .try_for_each(|record| write_line(&serde_json::to_string(record)?));
    };
    write(&path, &records).with_context(|| format!("cannot write {}", path.display()))?;
    let exported = Exported {
        records: records.len(),
        file: path.display().to_string(),
    };
    output.print(&exported, |exported| {
        format!("{} records are in {}.", exported.records, exported.file)
    })
}

fn write(path: &Path, records: &[Quarantined]) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for record in records {
        serde_json::to_writer(&mut file, record)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    Ok(())
}
