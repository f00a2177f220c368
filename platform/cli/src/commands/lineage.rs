//! `concert lineage`: from a row back to the file, the line and the record that it was made from.

use super::{open_lake, place};
use crate::output::{Output, plain_text};
use anyhow::{Result, bail};
use clap::Args;
use concert_lake::{Traced, schema::MODEL};
use std::path::Path;

/// As much of a record as a terminal shows; `--json` gives all of it.
const SHOWN_CHARS: usize = 400;

#[derive(Args)]
pub struct Options {
    /// One of the tables that sources fill, such as concerts
    table: String,
    /// The row's id; where several columns make it, their values in the order of the table's key
    #[arg(required = true)]
    id: Vec<String>,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let Some(table) = MODEL.iter().find(|table| table.name == options.table) else {
        let names: Vec<&str> = MODEL.iter().map(|table| table.name).collect();
        bail!(
            "there is no table {} that a source fills. The tables are {}",
            options.table,
            names.join(", ")
        );
    };
    if options.id.len() > table.key.len() {
        bail!("a row of {} is known by {}", table.name, table.key.join(", "));
    }
    let rows = open_lake(home)?.lineage(table.name, &options.id).await?;
    if rows.is_empty() {
        bail!(
            "{} has no row with {} {}. See what there is: concert sql \"SELECT {} FROM {} LIMIT 10\"",
            table.name,
            table.key[..options.id.len()].join(", "),
            options.id.join(", "),
            table.key.join(", "),
            table.name
        );
    }
    output.print(&rows, |rows| rows.iter().map(describe).collect())
}

fn describe(traced: &Traced) -> String {
    let mut text = String::new();
    for (column, value) in &traced.row {
        let value = value.as_str().map_or_else(|| value.to_string(), plain_text);
        text.push_str(&format!("{column:<20} {value}\n"));
    }
    text.push_str(&format!(
        "from                 {}\n",
        place(&traced.source, traced.line)
    ));
    text.push_str(&format!(
        "run                  {} at {}\n",
        traced.run_id, traced.arrived_at
    ));
    match (&traced.file_sha256, &traced.original) {
        (Some(sha256), Some(original)) => {
            let shown: String = original.chars().take(SHOWN_CHARS).collect();
            let more = if shown.len() < original.len() { "…" } else { "" };
            text.push_str(&format!(
                "file                 sha256 {sha256}\nrecord               {}{more}\n",
                plain_text(&shown)
            ));
        }
        _ => text.push_str("record               not kept\n"),
    }
    text.push('\n');
    text
}
