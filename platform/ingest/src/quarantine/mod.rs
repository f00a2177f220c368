//! The quarantine as a person works with it: the open entries by rule, table and source, their export for mending by
//! hand, and what became of them. An entry is never deleted: events say that it was closed, by which run, and whether
//! the same record came again.

mod events;
mod export;
mod mended;
mod reading;
mod replay;

pub use export::{ExportFormat, Exported, export};
pub use replay::{ReplayOptions, ReplayReport, replay};

pub(crate) use events::{Passed, events_of_load};
pub use reading::{Document, Reading};
pub(crate) use reading::{documents, remember};

use crate::{
    Error, Result,
    collect::refused_schema,
    load::Invalid,
    rules::{RuleCount, Severity, literal},
    stage::{StagedBatches, StagedFile, Staging},
};
use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, RecordBatch, StringArray},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use concert_lake::{Lake, Layer, schema::OPEN_QUARANTINE};
use datafusion::{execution::SendableRecordBatchStream, prelude::SessionContext};
use futures::StreamExt as _;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// Which entries are meant. What is not given narrows nothing; `*` stands for any characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub rule: Option<String>,
    pub table: Option<String>,
    /// The file's name; records of lists in it are meant as well.
    pub source: Option<String>,
    pub limit: Option<usize>,
}

/// A record that was put aside and is there still.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub quarantine_id: String,
    pub table: String,
    pub source: String,
    /// The line that the record begins on, or its number in its list.
    pub line: u64,
    /// Which of several rows in one record, from 0.
    pub element: Option<u64>,
    /// The source's column, where one is to blame.
    pub column: Option<String>,
    pub rule: String,
    pub message: String,
    /// The record's key in its table, where it could be read.
    pub key: Option<String>,
    pub original: String,
    pub run_id: String,
    /// RFC 3339, UTC.
    pub arrived_at: String,
    #[serde(skip)]
    pub(crate) file_sha256: Option<String>,
    #[serde(skip)]
    pub(crate) reading_id: Option<String>,
}

/// The columns of an entry, in the order in which [`entry`] reads them.
const COLUMNS: &str = "quarantine_id, table_name, source, line, element, column_name, rule, message, record_key, \
                       original, run_id, arrived_at, file_sha256, reading_id";

impl Filter {
    fn condition(&self) -> String {
        let mut conditions = Vec::new();
        for (column, wanted) in [("rule", &self.rule), ("table_name", &self.table)] {
            if let Some(wanted) = wanted {
                conditions.push(like(column, wanted));
            }
        }
        if let Some(source) = &self.source {
            conditions.push(format!(
                "({} OR {})",
                like("source", source),
                like("source", &format!("{source}:*[]"))
            ));
        }
        if conditions.is_empty() {
            "TRUE".to_owned()
        } else {
            conditions.join(" AND ")
        }
    }
}

fn like(column: &str, wanted: &str) -> String {
    if !wanted.contains('*') {
        return format!("{column} = {}", literal(wanted));
    }
    let parts: Vec<String> = wanted.split('*').map(regex::escape).collect();
    format!("{column} ~ {}", literal(&format!("^{}$", parts.join(".*"))))
}

/// The open entries, the newest run first and in it in the order of the files.
///
/// # Errors
/// [`Error::Lake`].
pub async fn list(lake: &Lake, filter: &Filter) -> Result<Vec<Entry>> {
    let session = session(lake).await?;
    let limit = filter.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
    let sql = format!(
        "SELECT {COLUMNS} FROM ({OPEN_QUARANTINE}) WHERE {} ORDER BY arrived_at DESC, source, line, table_name, element{limit}",
        filter.condition()
    );
    let mut entries = Vec::new();
    let mut rows = stream(&session, &sql).await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(failed)?;
        entries.extend((0..batch.num_rows()).map(|row| entry(&batch, row)));
    }
    Ok(entries)
}

/// The records that the parser put aside, with the hash of their file and the way in which it was read, and how many
/// there are by rule.
///
/// # Errors
/// Those of reading and writing staged rows.
pub(crate) fn completed(staging: &Staging, files: &[StagedFile]) -> Result<(Vec<StagedBatches>, Vec<RuleCount>)> {
    let schema = refused_schema();
    let mut completed = Vec::new();
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        if file.refused.rows == 0 {
            continue;
        }
        let reading_id = file.reading.as_ref().map(Reading::id);
        let mut writer = staging.working(&format!("{index:06}.completed"), schema.clone());
        for batch in staging.read(&file.refused, None)? {
            let batch = batch?;
            let of = |name: &str| {
                batch
                    .column_by_name(name)
                    .and_then(|texts| texts.as_string_opt::<i32>())
            };
            if let (Some(tables), Some(rules)) = (of("table_name"), of("rule")) {
                for (table, rule) in tables
                    .iter()
                    .zip(rules)
                    .filter_map(|(table, rule)| Some((table?, rule?)))
                {
                    *counts.entry((table.to_owned(), rule.to_owned())).or_default() += 1;
                }
            }
            let same = |text: Option<&str>| -> ArrayRef {
                Arc::new(std::iter::repeat_n(text, batch.num_rows()).collect::<StringArray>())
            };
            let mut columns = batch.columns().to_vec();
            for (name, text) in [
                ("file_sha256", Some(file.sha256.as_str())),
                ("reading_id", reading_id.as_deref()),
            ] {
                if let Ok(at) = schema.index_of(name) {
                    columns[at] = same(text);
                }
            }
            let batch = RecordBatch::try_new(schema.clone(), columns).map_err(|source| Error::Arrow {
                table: "quarantine",
                source,
            })?;
            writer.write(&batch)?;
        }
        completed.push(writer.finish()?);
    }
    let counts = counts.into_iter().map(|((table, rule), records)| RuleCount {
        rule,
        table,
        severity: Severity::Error,
        records,
    });
    Ok((completed, counts.collect()))
}

/// What is wrong with the records of a staged batch.
pub(crate) fn described(batch: &RecordBatch) -> Vec<Invalid> {
    let columns: Option<Vec<usize>> = ["table_name", "source", "line", "column_name", "rule", "message"]
        .iter()
        .map(|name| batch.schema().index_of(name).ok())
        .collect();
    let Some(columns) = columns else { return Vec::new() };
    let of = |column: usize, row| text(batch, columns[column], row).unwrap_or_default();
    (0..batch.num_rows())
        .map(|row| Invalid {
            table: of(0, row),
            source: of(1, row),
            line: number(batch, columns[2], row).unwrap_or_default(),
            column: text(batch, columns[3], row),
            rule: of(4, row),
            message: of(5, row),
        })
        .collect()
}

async fn session(lake: &Lake) -> Result<SessionContext> {
    let snapshot = lake.layer_snapshot(Layer::Clean)?.unwrap_or_default();
    Ok(lake.batch_session(Layer::Clean, &snapshot).await?)
}

async fn stream(session: &SessionContext, sql: &str) -> Result<SendableRecordBatchStream> {
    session
        .sql(sql)
        .await
        .map_err(failed)?
        .execute_stream()
        .await
        .map_err(failed)
}

fn failed(source: datafusion::error::DataFusionError) -> Error {
    Error::lake_query("read the quarantine", source)
}

fn text(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let texts = batch.column(column).as_string_opt::<i32>()?;
    texts.is_valid(row).then(|| texts.value(row).to_owned())
}

fn number(batch: &RecordBatch, column: usize, row: usize) -> Option<u64> {
    let numbers = batch.column(column).as_primitive_opt::<Int64Type>()?;
    if numbers.is_null(row) {
        return None;
    }
    u64::try_from(numbers.value(row)).ok()
}

fn entry(batch: &RecordBatch, row: usize) -> Entry {
    let of = |column| text(batch, column, row).unwrap_or_default();
    let arrived_at = batch.column(11).as_primitive_opt::<TimestampMicrosecondType>();
    Entry {
        quarantine_id: of(0),
        table: of(1),
        source: of(2),
        line: number(batch, 3, row).unwrap_or_default(),
        element: number(batch, 4, row),
        column: text(batch, 5, row),
        rule: of(6),
        message: of(7),
        key: text(batch, 8, row),
        original: of(9),
        run_id: of(10),
        arrived_at: arrived_at
            .and_then(|at| jiff::Timestamp::from_microsecond(at.value(row)).ok())
            .map(|at| at.to_string())
            .unwrap_or_default(),
        file_sha256: text(batch, 12, row),
        reading_id: text(batch, 13, row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_condition_and_its_texts_are_values() {
        assert_eq!(Filter::default().condition(), "TRUE");
        let filter = Filter {
            rule: Some("type.*".to_owned()),
            table: Some("o'neil".to_owned()),
            source: Some("a.json".to_owned()),
            limit: None,
        };
        assert_eq!(
            filter.condition(),
            "rule ~ '^type\\..*$' AND table_name = 'o''neil' AND (source = 'a.json' OR source ~ '^a\\.json:.*\\[\\]$')"
        );
    }
}
