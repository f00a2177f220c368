//! The rows that a load writes about itself: the files that came for the first time, and what became of its records.

use crate::{Error, Result, TableCounts, rules::RuleCount, stage::Run};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use concert_lake::schema::{RUN_RULES, RUNS};
use std::{collections::BTreeMap, sync::Arc};

/// Files as received, one row each.
pub struct RawFile {
    pub sha256: String,
    pub source: String,
    pub bytes: u64,
    pub records: u64,
}

/// The batch of `raw_files` for these files.
///
/// # Errors
/// [`Error::Arrow`].
pub fn raw_files(files: &[RawFile], run: &Run) -> Result<RecordBatch> {
    let text = |of: fn(&RawFile) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(files.iter().map(of))) };
    let number = |of: fn(&RawFile) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            files.iter().map(|file| i64::try_from(of(file)).unwrap_or(i64::MAX)),
        ))
    };
    let mut columns = vec![
        text(|f| &f.sha256),
        text(|f| &f.source),
        number(|f| f.bytes),
        number(|f| f.records),
    ];
    columns.extend(run.columns(files.len()));
    RecordBatch::try_new(concert_lake::schema::RAW_FILES.arrow_schema(), columns).map_err(|source| Error::Arrow {
        table: "raw_files",
        source,
    })
}

/// The batch of `runs` for what became of each table's records.
///
/// # Errors
/// [`Error::Arrow`].
pub fn runs(tables: &BTreeMap<String, TableCounts>, run: &Run) -> Result<RecordBatch> {
    let number = |of: fn(&TableCounts) -> u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            tables
                .values()
                .map(|counts| i64::try_from(of(counts)).unwrap_or(i64::MAX)),
        ))
    };
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(tables.keys())),
        number(|c| c.records_in),
        number(|c| c.clean),
        number(|c| c.merged),
        number(|c| c.quarantined),
        number(|c| c.unchanged),
    ];
    columns.extend(run.columns(tables.len()));
    RecordBatch::try_new(RUNS.arrow_schema(), columns).map_err(|source| Error::Arrow {
        table: RUNS.name,
        source,
    })
}

/// The batch of `run_rules` for how many records broke which rule.
///
/// # Errors
/// [`Error::Arrow`].
pub fn run_rules(counts: &[RuleCount], run: &Run) -> Result<RecordBatch> {
    let text =
        |of: fn(&RuleCount) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(counts.iter().map(of))) };
    let columns: Vec<ArrayRef> = vec![
        text(|count| &count.rule),
        text(|count| &count.table),
        text(|count| count.severity.name()),
        Arc::new(Int64Array::from_iter_values(
            counts
                .iter()
                .map(|count| i64::try_from(count.records).unwrap_or(i64::MAX)),
        )),
        Arc::new(StringArray::from_iter_values(counts.iter().map(|_| &run.id))),
    ];
    RecordBatch::try_new(RUN_RULES.arrow_schema(), columns).map_err(|source| Error::Arrow {
        table: RUN_RULES.name,
        source,
    })
}
