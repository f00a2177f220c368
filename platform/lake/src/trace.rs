//! Where the data came from: the runs that loaded it, the record behind a row, and what is in quarantine and why. All
//! of it is read from the layer [`Layer::Clean`], which keeps every record as received.

use crate::{
    Error, Lake, Layer, Result,
    schema::{LINEAGE, MODEL, OPEN_QUARANTINE},
    state::{instant, integer, text},
};
use arrow::{
    array::{AsArray as _, RecordBatch},
    json::ArrayWriter,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many rows one question about lineage shows.
const MAX_TRACED_ROWS: usize = 100;

/// One load that changed something; a load that says what is there already leaves no trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    pub run_id: String,
    /// RFC 3339, UTC.
    pub arrived_at: String,
    /// The files that came for the first time.
    pub files: Vec<RunFile>,
    /// Loads before counts were kept have none.
    pub tables: BTreeMap<String, RunCounts>,
    /// The rules that records of this run broke, the most first.
    pub rules: Vec<RunRule>,
}

/// How many records of a run broke a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunRule {
    pub rule: String,
    pub table: String,
    /// `error` or `warning`.
    pub severity: String,
    pub records: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunFile {
    pub source: String,
    pub sha256: String,
    pub bytes: u64,
    pub records: u64,
}

/// What became of a run's records for one table: `in` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunCounts {
    #[serde(rename = "in")]
    pub records_in: u64,
    pub clean: u64,
    pub merged: u64,
    pub quarantined: u64,
    pub unchanged: u64,
}

/// A clean row and the record that it was made from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Traced {
    pub table: String,
    /// The row's columns; what has no value is left out.
    pub row: serde_json::Map<String, serde_json::Value>,
    /// The file, and for records without lines the list that they are counted in: `page.json:events[]`.
    pub source: String,
    /// The line that the record begins on, or its number in that list. Of a row that was merged from several records,
    /// the last one's.
    pub line: u64,
    pub run_id: String,
    pub arrived_at: String,
    /// The hash of the file's bytes, where the file is known.
    pub file_sha256: Option<String>,
    /// The record as received; bytes that are no UTF-8 are replaced.
    pub original: Option<String>,
}

/// How many records a rule put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantineCount {
    pub table: String,
    pub rule: String,
    pub records: u64,
}

impl Lake {
    /// The loads that changed something, the newest first.
    ///
    /// # Errors
    /// [`Error::Query`] when the clean layer cannot be read.
    pub async fn runs(&self, limit: usize) -> Result<Vec<Run>> {
        let mut runs: BTreeMap<String, Run> = BTreeMap::new();
        let entry = |batch: &RecordBatch, row: usize| Run {
            run_id: text(batch, 0, row).unwrap_or_default(),
            arrived_at: instant(batch, 1, row).unwrap_or_default(),
            files: Vec::new(),
            tables: BTreeMap::new(),
            rules: Vec::new(),
        };
        let number = |batch: &RecordBatch, column, row| u64::try_from(integer(batch, column, row)).unwrap_or(0);
        let files = "SELECT run_id, arrived_at, source, file_sha256, bytes, records FROM raw_files ORDER BY source";
        for batch in self.clean_rows(files).await? {
            for row in 0..batch.num_rows() {
                let run = entry(&batch, row);
                runs.entry(run.run_id.clone()).or_insert(run).files.push(RunFile {
                    source: text(&batch, 2, row).unwrap_or_default(),
                    sha256: text(&batch, 3, row).unwrap_or_default(),
                    bytes: number(&batch, 4, row),
                    records: number(&batch, 5, row),
                });
            }
        }
        let counts =
            "SELECT run_id, arrived_at, table_name, records_in, clean, merged, quarantined, unchanged FROM runs";
        for batch in self.clean_rows(counts).await? {
            for row in 0..batch.num_rows() {
                let run = entry(&batch, row);
                let tables = &mut runs.entry(run.run_id.clone()).or_insert(run).tables;
                tables.insert(
                    text(&batch, 2, row).unwrap_or_default(),
                    RunCounts {
                        records_in: number(&batch, 3, row),
                        clean: number(&batch, 4, row),
                        merged: number(&batch, 5, row),
                        quarantined: number(&batch, 6, row),
                        unchanged: number(&batch, 7, row),
                    },
                );
            }
        }
        let rules =
            "SELECT run_id, rule, table_name, severity, records FROM run_rules ORDER BY records DESC, table_name, rule";
        for batch in self.clean_rows(rules).await? {
            for row in 0..batch.num_rows() {
                // A run that has rules has counts as well.
                let Some(run) = text(&batch, 0, row).and_then(|id| runs.get_mut(&id)) else {
                    continue;
                };
                run.rules.push(RunRule {
                    rule: text(&batch, 1, row).unwrap_or_default(),
                    table: text(&batch, 2, row).unwrap_or_default(),
                    severity: text(&batch, 3, row).unwrap_or_default(),
                    records: number(&batch, 4, row),
                });
            }
        }
        let mut runs: Vec<Run> = runs.into_values().collect();
        runs.sort_by(|a, b| b.arrived_at.cmp(&a.arrived_at).then_with(|| b.run_id.cmp(&a.run_id)));
        runs.truncate(limit);
        Ok(runs)
    }

    /// The clean rows with that key and the records behind them: at most 100, and none if there is no such row. The
    /// key's columns come in the order of the table's key; the last ones may be left out.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`] for a table that no source fills; [`Error::Query`] when the clean layer cannot be read.
    pub async fn lineage(&self, table: &str, key: &[String]) -> Result<Vec<Traced>> {
        let def = MODEL
            .iter()
            .find(|def| def.name == table)
            .ok_or_else(|| Error::NoSuchTable {
                layer: Layer::Clean.name(),
                table: table.to_owned(),
            })?;
        let wanted: Vec<String> = def
            .key
            .iter()
            .zip(key)
            .map(|(column, value)| format!("{column} = {}", literal(value)))
            .collect();
        if wanted.is_empty() || key.len() > def.key.len() {
            return Ok(Vec::new());
        }
        let columns: Vec<&str> = def.columns().iter().chain(&LINEAGE).map(|column| column.name).collect();
        let sql = format!(
            "SELECT {} FROM {table} WHERE {} ORDER BY {} LIMIT {MAX_TRACED_ROWS}",
            columns.join(", "),
            wanted.join(" AND "),
            def.key.join(", ")
        );
        let first_lineage = def.columns().len();
        let mut traced = Vec::new();
        for batch in self.clean_rows(&sql).await? {
            let rows = as_objects(&batch)?;
            for (row, mut object) in rows.into_iter().enumerate() {
                for column in &LINEAGE {
                    object.remove(column.name);
                }
                let of = |column: usize| text(&batch, first_lineage + column, row).unwrap_or_default();
                let (source, line) = (of(0), integer(&batch, first_lineage + 1, row));
                let record = self.record(&source, line, &of(2)).await?;
                traced.push(Traced {
                    table: table.to_owned(),
                    row: object,
                    source,
                    line: u64::try_from(line).unwrap_or(0),
                    run_id: of(2),
                    arrived_at: instant(&batch, first_lineage + 3, row).unwrap_or_default(),
                    file_sha256: record.as_ref().map(|(sha256, _)| sha256.clone()),
                    original: record.and_then(|(_, original)| original),
                });
            }
        }
        Ok(traced)
    }

    /// The file that a run read under this name, and the record on that line of it.
    async fn record(&self, source: &str, line: i64, run_id: &str) -> Result<Option<(String, Option<String>)>> {
        // A record's list stands behind the file's name; that name itself may hold a colon.
        let file = match source.strip_suffix("[]") {
            Some(listed) => listed.rsplit_once(':').map_or(listed, |(file, _)| file),
            None => source,
        };
        // A file that was read before is kept under the run that met it first. Run ids sort by time.
        let sql = format!(
            "SELECT file_sha256 FROM raw_files WHERE source = {} AND run_id <= {} ORDER BY run_id DESC LIMIT 1",
            literal(file),
            literal(run_id)
        );
        let found = self.clean_rows(&sql).await?;
        let Some(sha256) = found
            .iter()
            .find(|batch| batch.num_rows() > 0)
            .and_then(|batch| text(batch, 0, 0))
        else {
            return Ok(None);
        };
        let sql = format!(
            "SELECT record FROM raw_records WHERE file_sha256 = {} AND line = {line} LIMIT 1",
            literal(&sha256)
        );
        let mut original = None;
        for batch in self.clean_rows(&sql).await? {
            if let (Some(records), true) = (batch.column(0).as_binary_opt::<i32>(), batch.num_rows() > 0) {
                original = Some(String::from_utf8_lossy(records.value(0)).into_owned());
            }
        }
        Ok(Some((sha256, original)))
    }

    /// What is in quarantine, by table and rule, the most first.
    ///
    /// # Errors
    /// [`Error::Query`] when the clean layer cannot be read.
    pub async fn quarantine_counts(&self) -> Result<Vec<QuarantineCount>> {
        let sql =
            format!("SELECT table_name, rule, count(*) FROM ({OPEN_QUARANTINE}) GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2");
        let mut counts = Vec::new();
        for batch in self.clean_rows(&sql).await? {
            for row in 0..batch.num_rows() {
                counts.push(QuarantineCount {
                    table: text(&batch, 0, row).unwrap_or_default(),
                    rule: text(&batch, 1, row).unwrap_or_default(),
                    records: u64::try_from(integer(&batch, 2, row)).unwrap_or(0),
                });
            }
        }
        Ok(counts)
    }

    async fn clean_rows(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let snapshot = self.layer_snapshot(Layer::Clean)?.unwrap_or_default();
        let session = self.layer_session(Layer::Clean, &snapshot).await?;
        let failed = |e| Error::query("read what was loaded", e);
        session.sql(sql).await.map_err(failed)?.collect().await.map_err(failed)
    }
}

fn as_objects(batch: &RecordBatch) -> Result<Vec<serde_json::Map<String, serde_json::Value>>> {
    let failed = |source| Error::Arrow {
        what: "rows as JSON".to_owned(),
        source,
    };
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write(batch).map_err(failed)?;
    writer.finish().map_err(failed)?;
    serde_json::from_slice(&writer.into_inner()).map_err(|e| Error::Content {
        table: "the clean layer",
        message: e.to_string(),
    })
}

/// A text as SQL writes it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
