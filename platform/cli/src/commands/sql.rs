//! `concert sql`: one read-only statement on the published tables.

use super::{built_in_catalogue, open_lake};
use crate::output::{AlreadySaid, Output, text_table};
use anyhow::{Context, Result, anyhow};
use clap::Args;
use concert_contract::catalogue::Catalogue;
use concert_guard::{Policy, Refusal, check};
use concert_redshift::Warehouse;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

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
    /// Only say whether the guard lets the statement through, and if not, why and where
    #[arg(long)]
    check: bool,
    /// The catalogue whose tables may be asked, instead of the built-in one
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
    /// Ask as this role of the catalogue: with its rows and columns, and through the guard
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

/// What `--check` says.
#[derive(Serialize)]
struct Checked {
    ok: bool,
    #[serde(flatten)]
    refusal: Option<Refusal>,
    #[serde(flatten)]
    accepted: Option<Accepted>,
}

#[derive(Serialize)]
struct Accepted {
    /// What would run.
    sql: String,
    row_limit: u64,
    tables: BTreeMap<String, BTreeSet<String>>,
}

pub async fn run(home: &Path, output: &Output, options: Options) -> Result<()> {
    let Some(statement) = guarded(output, &options)? else {
        return Ok(());
    };
    let lake = open_lake(home)?;
    let warehouse = match &options.as_of {
        Some(asked) => {
            let snapshot = lake.snapshot_at(asked)?;
            Warehouse::new(lake).at(snapshot)
        }
        None => Warehouse::new(lake),
    };
    let table = warehouse.execute(&statement, &[]).await?.to_table(&[], MAX_ROWS)?;
    output.print(&table, text_table)
}

/// The statement to run. None if it was only to be checked, and has been.
///
/// Whoever owns this machine may read all of it, so a statement goes through the guard only where a check, a role or a
/// catalogue is asked for.
fn guarded(output: &Output, options: &Options) -> Result<Option<String>> {
    if !options.check && options.role.is_none() && options.catalogue.is_none() {
        return Ok(Some(options.statement.clone()));
    }
    let catalogue = match &options.catalogue {
        None => built_in_catalogue()?,
        Some(path) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            Catalogue::from_toml(&text).with_context(|| format!("{} is no catalogue", path.display()))?
        }
    };
    // One more than is shown, by which it is known that there are more.
    let policy = Policy::of(&catalogue, options.role.as_deref())?.with_max_rows(MAX_ROWS as u64 + 1);
    let result = check(&options.statement, &policy);
    if !options.check {
        return match result {
            Ok(guarded) => Ok(Some(guarded.sql)),
            Err(refusal) => Err(anyhow!("{}: {refusal}", refusal.code)),
        };
    }
    match result {
        Ok(guarded) => {
            let accepted = Accepted {
                sql: guarded.sql,
                row_limit: guarded.row_limit,
                tables: guarded.tables,
            };
            let checked = Checked {
                ok: true,
                refusal: None,
                accepted: Some(accepted),
            };
            output.print(&checked, |_| "The statement is let through.".to_owned())?;
            Ok(None)
        }
        Err(refusal) => {
            let text = shown(&options.statement, &refusal);
            let checked = Checked {
                ok: false,
                refusal: Some(refusal),
                accepted: None,
            };
            output.print(&checked, |_| text)?;
            Err(AlreadySaid.into())
        }
    }
}

/// The refusal with the line that it is about.
fn shown(statement: &str, refusal: &Refusal) -> String {
    const SHOWN_MAX_CHARS: usize = 60;
    let column = refusal.column.saturating_sub(1) as usize;
    let line = statement
        .lines()
        .nth(refusal.line.saturating_sub(1) as usize)
        .unwrap_or("");
    let first = column.saturating_sub(SHOWN_MAX_CHARS / 2);
    let part: String = line
        .chars()
        .skip(first)
        .take(SHOWN_MAX_CHARS)
        .map(|ch| if ch.is_control() { ' ' } else { ch })
        .collect();
    format!(
        "Refused: {}\n  line {}, column {}: {}\n  {}\n  {}^",
        refusal.code,
        refusal.line,
        refusal.column,
        refusal.reason,
        part,
        " ".repeat(column - first)
    )
}
