//! `concert quarantine`: the records that broke a rule, with where they stand and what to mend.

use super::open_lake;
use crate::output::Output;
use anyhow::Result;
use clap::Subcommand;
use std::path::Path;

/// As much of a record as a line of a terminal shows.
const SHOWN_CHARS: usize = 100;

#[derive(Subcommand)]
pub enum Options {
    /// Show them, the newest first
    List {
        /// At most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let Options::List { limit } = options;
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
                "{}, line {}{column}, for {}: {} ({})\n    {original}\n",
                record.source, record.line, record.table, record.message, record.rule
            ));
        }
        text.push_str("Mend the file or the mapping and ingest it again; what is mended becomes clean.");
        text
    })
}
