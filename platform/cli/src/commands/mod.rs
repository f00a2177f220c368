//! One module for each subcommand, and what several of them do alike.

pub mod ask;
pub mod aws;
pub mod catalogue;
pub mod doctor;
pub mod generate;
pub mod ingest;
pub mod lake;
pub mod lineage;
pub mod quarantine;
pub mod refine;
pub mod runs;
pub mod sql;
pub mod status;
pub mod up;
pub mod validate;

use anyhow::{Context, Result};
use concert_contract::catalogue::Catalogue;
use concert_ingest::{
    IngestOptions, IngestReport,
    rules::{RuleCount, Rules},
};
use concert_lake::Lake;
use concert_refine::PublishOptions;
use jiff::civil::Date;
use std::{path::Path, time::Duration};

/// The catalogue that this build carries.
///
/// # Errors
/// The built-in file is wrong, which a test of the contract would have seen.
pub fn built_in_catalogue() -> Result<Catalogue> {
    Catalogue::from_toml(concert_contract::catalogue::CONCERT_DW).context("the built-in catalogue cannot be read")
}

/// Names another place for the lake's tables than the home: a folder, or `s3://bucket/prefix`.
const LAKE: &str = "CONCERT_LAKE";

/// Opens the lake that `CONCERT_LAKE` names, else the one in `home`.
///
/// # Errors
/// It cannot be opened: the text says which, and why.
pub fn open_lake(home: &Path) -> Result<Lake> {
    match std::env::var(LAKE).ok().filter(|location| !location.is_empty()) {
        Some(location) => Lake::at(&location).with_context(|| format!("cannot open the lake that {LAKE} names")),
        None => Lake::open(home).with_context(|| format!("cannot open the lake in {}", home.display())),
    }
}

/// Takes files in and publishes what came of them, which always go together.
///
/// # Errors
/// A file or its mapping cannot be read, or the tables cannot be written; the last publication stays as it was.
pub async fn take_in(lake: &Lake, options: IngestOptions, rules: &Rules) -> Result<IngestReport> {
    let (today, wait) = (options.today, options.wait);
    let report = concert_ingest::ingest_by(lake, &options, rules).await?;
    publish_lake(lake, today, wait).await?;
    Ok(report)
}

/// Publishes what is clean.
///
/// # Errors
/// The tables cannot be written; the last publication stays as it was.
pub async fn publish_lake(lake: &Lake, today: Date, wait: Duration) -> Result<()> {
    concert_refine::publish(lake, &built_in_catalogue()?, &PublishOptions { today, wait })
        .await
        .context("cannot publish")?;
    Ok(())
}

/// The model's own rules, extended by those of a file.
///
/// # Errors
/// The file cannot be read, or a rule of it makes no sense: the text says where.
pub fn rules(file: Option<&Path>) -> Result<Rules> {
    Ok(match file {
        Some(file) => Rules::read(file)?,
        None => Rules::built_in()?,
    })
}

/// A line for each rule that records broke, the errors first and of them the most broken.
pub fn broken_rules(counts: &[RuleCount]) -> String {
    let mut broken: Vec<&RuleCount> = counts.iter().filter(|count| count.records > 0).collect();
    broken.sort_by_key(|count| (count.severity, std::cmp::Reverse(count.records)));
    broken
        .iter()
        .map(|count| {
            // Rules of types and of records are the same for every table.
            let of = if count.rule.starts_with(&format!("{}.", count.table)) {
                String::new()
            } else {
                format!(" of {}", count.table)
            };
            format!(
                "{:<8} {:>9}  {}{of}\n",
                count.severity.name(),
                count.records,
                count.rule
            )
        })
        .collect()
}

/// Where a record stands, for people: `a.csv, line 3`, or `page.json:events[], record 3` where records have no lines.
pub fn place(source: &str, line: u64) -> String {
    let unit = if source.ends_with("[]") { "record" } else { "line" };
    format!("{}, {unit} {line}", crate::output::plain_text(source))
}
