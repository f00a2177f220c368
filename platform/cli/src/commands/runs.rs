//! `concert runs`: what was loaded, when, and what became of its records.

use super::open_lake;
use crate::output::{Output, plain_text};
use anyhow::Result;
use clap::Args;
use concert_lake::Run;
use std::path::Path;

#[derive(Args)]
pub struct Options {
    /// At most this many, the newest first
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let runs = open_lake(home)?.runs(options.limit).await?;
    output.print(&runs, |runs| {
        if runs.is_empty() {
            return "Nothing was loaded yet. Next: concert ingest FILES".to_owned();
        }
        let text: String = runs.iter().map(describe).collect();
        text + "A load that brings nothing new is not listed."
    })
}

fn describe(run: &Run) -> String {
    let mut text = format!("{}  {}\n", run.run_id, run.arrived_at);
    for file in &run.files {
        text.push_str(&format!(
            "    {}: {} records, {} bytes\n",
            plain_text(&file.source),
            file.records,
            file.bytes
        ));
    }
    for (table, counts) in &run.tables {
        text.push_str(&format!(
            "    {table}: {} in = {} clean + {} merged + {} quarantined + {} unchanged\n",
            counts.records_in, counts.clean, counts.merged, counts.quarantined, counts.unchanged
        ));
    }
    text
}
