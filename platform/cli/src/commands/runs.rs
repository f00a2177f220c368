//! `concert runs`: what was loaded, when, and what became of its records.

use super::open_lake;
use crate::output::{Output, plain_text};
use anyhow::Result;
use clap::Args;
use concert_ingest::Unfinished;
use concert_lake::Run;
use indicatif::HumanBytes;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

#[derive(Args)]
pub struct Options {
    /// At most this many, the newest first
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Remove what loads that were stopped have staged, instead of going on with them
    #[arg(long)]
    discard_unfinished: bool,
}

/// A load, with what is known of it if it was not brought to its end.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    run: Run,
    #[serde(skip_serializing_if = "Option::is_none")]
    unfinished: Option<Unfinished>,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let lake = open_lake(home)?;
    if options.discard_unfinished {
        let removed = concert_ingest::discard_unfinished(&lake)?;
        return output.print(&serde_json::json!({ "discarded": removed }), |_| {
            format!("{removed} unfinished loads were removed.")
        });
    }
    let unfinished = concert_ingest::unfinished(&lake)?.into_iter().map(|unfinished| Listed {
        run: Run {
            run_id: unfinished.run_id.clone(),
            arrived_at: unfinished.started_at.clone(),
            files: Vec::new(),
            tables: BTreeMap::new(),
            rules: Vec::new(),
        },
        unfinished: Some(unfinished),
    });
    let finished = lake
        .runs(options.limit)
        .await?
        .into_iter()
        .map(|run| Listed { run, unfinished: None });
    let runs: Vec<Listed> = unfinished.chain(finished).collect();
    output.print(&runs, |runs| {
        if runs.is_empty() {
            return "Nothing was loaded yet. Next: concert ingest FILES".to_owned();
        }
        let describe = |listed: &Listed| match &listed.unfinished {
            Some(unfinished) => describe_unfinished(unfinished),
            None => describe(&listed.run),
        };
        let text: String = runs.iter().map(describe).collect();
        text + "A load that brings nothing new is not listed."
    })
}

fn describe_unfinished(run: &Unfinished) -> String {
    let state = if run.running {
        "is running"
    } else {
        "was stopped; the same command goes on with it, concert runs --discard-unfinished removes it"
    };
    format!(
        "{}  {}\n    {state}\n    {} of {} files are staged, {}\n",
        run.run_id,
        run.started_at,
        run.staged,
        run.files,
        HumanBytes(run.bytes)
    )
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
    for rule in &run.rules {
        text.push_str(&format!(
            "    {}: {} records of {} broke {}\n",
            rule.severity,
            rule.records,
            rule.table,
            plain_text(&rule.rule)
        ));
    }
    text
}
