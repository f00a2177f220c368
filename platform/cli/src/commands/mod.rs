//! One module for each subcommand, and what several of them do alike.

pub mod ask;
pub mod aws;
pub mod catalogue;
pub mod generate;
pub mod ingest;
pub mod lineage;
pub mod quarantine;
pub mod runs;
pub mod sql;
pub mod status;
pub mod up;

use anyhow::{Context, Result};
use concert_contract::catalogue::Catalogue;
use concert_ingest::{IngestOptions, IngestReport};
use concert_lake::Lake;
use concert_refine::PublishOptions;
use std::path::Path;

/// The catalogue that this build carries.
///
/// # Errors
/// The built-in file is wrong, which a test of the contract would have seen.
pub fn built_in_catalogue() -> Result<Catalogue> {
    Catalogue::from_toml(concert_contract::catalogue::CONCERT_DW).context("the built-in catalogue cannot be read")
}

/// Opens the lake in `home`.
pub fn open_lake(home: &Path) -> Result<Lake> {
    Lake::open(home).with_context(|| format!("cannot open the lake in {}", home.display()))
}

/// Takes files in and publishes what came of them, which always go together.
///
/// # Errors
/// A file or its mapping cannot be read, or the tables cannot be written; the last publication stays as it was.
pub async fn take_in(lake: &Lake, options: IngestOptions) -> Result<IngestReport> {
    let (today, wait) = (options.today, options.wait);
    let report = concert_ingest::ingest(lake, &options).await?;
    concert_refine::publish(lake, &built_in_catalogue()?, &PublishOptions { today, wait })
        .await
        .context("cannot publish")?;
    Ok(report)
}

/// Where a record stands, for people: `a.csv, line 3`, or `page.json:events[], record 3` where records have no lines.
pub fn place(source: &str, line: u64) -> String {
    let unit = if source.ends_with("[]") { "record" } else { "line" };
    format!("{}, {unit} {line}", crate::output::plain_text(source))
}
