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
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let warehouse = Warehouse::new(open_lake(home)?);
    let table = warehouse
        .execute(&options.statement, &[])
        .await?
        .to_table(&[], MAX_ROWS)?;
    output.print(&table, text_table)
}
