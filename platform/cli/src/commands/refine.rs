//! `concert refine`: makes the published tables out of what was loaded. Every load ends with it; alone it is for after
//! a load that was stopped before its publication, or after an update of this command.

use super::{built_in_catalogue, ingest::WRITER_WAIT, open_lake};
use crate::{home, output::Output};
use anyhow::{Context as _, Result};
use clap::Args;
use concert_refine::{PublishOptions, publish};
use jiff::civil::Date;
use serde::Serialize;
use std::path::Path;

#[derive(Args)]
pub struct Options {
    /// The day after which no day is complete [default: today]
    #[arg(long, env = "CONCERT_TODAY", hide_env = true, value_name = "DATE")]
    today: Option<Date>,
}

#[derive(Serialize)]
struct Published {
    snapshot_id: String,
    published_at: String,
    /// Whether there was anything to publish.
    changed: bool,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let lake = open_lake(home)?;
    let before = lake.snapshot()?.unwrap_or_default();
    let options = PublishOptions {
        today: home::today(options.today),
        wait: WRITER_WAIT,
    };
    let after = publish(&lake, &built_in_catalogue()?, &options)
        .await
        .context("cannot publish")?;
    let published = Published {
        changed: after.id != before.id,
        snapshot_id: after.id,
        published_at: after.published_at,
    };
    output.print(&published, |published| {
        let id = &published.snapshot_id;
        if published.changed {
            format!("Published snapshot {id}. Next: concert status, or concert ask \"attendance by year\"")
        } else {
            format!("Nothing changed since snapshot {id} of {}.", published.published_at)
        }
    })
}
