//! `concert sql`: one read-only statement on the published tables.

use super::open_lake;
use crate::output::{Output, text_table};
use anyhow::Result;
use clap::Args;
use concert_redshift::Warehouse;
use std::path::Path;

/// More rows than a terminal is read for; the answer says when there are more.
const MAX_ROWS: usize = 10_000;

#[derive(Args)]
pub struct Options {
    /// One SELECT in Redshift's dialect, over the schema concert_dw
    #[arg(value_name = "SQL")]
    statement: String,
    /// Read the snapshot that was current then: a time (RFC 3339), a date (its end, UTC), or a snapshot's id
    #[arg(long, value_name = "TIME|SNAPSHOT")]
    as_of: Option<String>,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let lake = open_lake(home)?;
    let warehouse = match &options.as_of {
        Some(asked) => {
            let snapshot = lake.snapshot_at(asked)?;
            Warehouse::new(lake).at(snapshot)
        }
        None => Warehouse::new(lake),
    };
    let table = warehouse
        .execute(&options.statement, &[])
        .await?
        .to_table(&[], MAX_ROWS)?;
    output.print(&table, text_table)
}
