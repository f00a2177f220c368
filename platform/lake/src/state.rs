//! What is published, in the contract's own types: read from the published tables, not from the pointer, so that the
//! lake and a warehouse that was loaded from it answer alike.

use crate::{Error, Lake, Layer, Result, Snapshot, schema::OPEN_QUARANTINE, time};
use arrow::{
    array::{Array, AsArray as _, RecordBatch},
    datatypes::{Date32Type, Int64Type, TimestampMicrosecondType},
};
use concert_contract::{
    api::{DataState, TableState},
    catalogue::CatalogueValue,
};
use jiff::civil::Date;
use serde::Serialize;

/// The dimension under which `catalogue_values` lists the currencies; the weight says how many amounts are in each.
pub const CURRENCY_DIMENSION: &str = "currency";

/// A record that was put aside: where it stands, what is wrong with it, and its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    pub table: String,
    /// The file's name.
    pub source: String,
    /// The line that the record begins on, from 1.
    pub line: u64,
    /// The source's column, where one is to blame.
    pub column: Option<String>,
    pub rule: String,
    pub message: String,
    /// At most the first 64 KiB of the record.
    pub original: String,
    /// The run that met it first, and when, RFC 3339.
    pub run_id: String,
    pub arrived_at: String,
}

impl Lake {
    /// The state of the published data; empty before the first publication.
    ///
    /// # Errors
    /// [`Error::Query`] when the tables cannot be read, [`Error::Content`] when a row makes no sense.
    pub async fn data_state(&self) -> Result<DataState> {
        let Some(snapshot) = self.snapshot()? else {
            return Ok(DataState::default());
        };
        let rows = self
            .rows(
                &snapshot,
                "SELECT table_name, row_count, first_day, last_complete_day, filled_columns, snapshot_id, published_at \
                 FROM publication ORDER BY table_name",
            )
            .await?;
        let mut state = DataState::default();
        for batch in &rows {
            for row in 0..batch.num_rows() {
                let filled = text(batch, 4, row).unwrap_or_default();
                state.tables.push(TableState {
                    table_name: text(batch, 0, row).unwrap_or_default(),
                    row_count: u64::try_from(integer(batch, 1, row)).unwrap_or(0),
                    first_day: day(batch, 2, row),
                    last_complete_day: day(batch, 3, row),
                    filled_columns: serde_json::from_str(&filled).map_err(|e| Error::Content {
                        table: "publication",
                        message: format!("{filled:?}: {e}"),
                    })?,
                });
                state.snapshot_id = text(batch, 5, row).unwrap_or_default();
                state.as_of = instant(batch, 6, row);
            }
        }
        state.last_complete_day = state.tables.iter().filter_map(|t| t.last_complete_day).max();
        let currencies = self
            .rows(
                &snapshot,
                &format!(
                    "SELECT value, weight FROM catalogue_values WHERE dimension = '{CURRENCY_DIMENSION}' AND weight > 0 \
                     ORDER BY weight DESC, value"
                ),
            )
            .await?;
        for batch in &currencies {
            state
                .currencies
                .extend((0..batch.num_rows()).filter_map(|row| text(batch, 0, row)));
        }
        Ok(state)
    }

    /// Every value of every indexed dimension, the heaviest of each dimension first.
    ///
    /// # Errors
    /// [`Error::Query`] when the table cannot be read.
    pub async fn catalogue_values(&self) -> Result<Vec<CatalogueValue>> {
        let snapshot = self.snapshot()?.unwrap_or_default();
        let rows = self
            .rows(
                &snapshot,
                "SELECT dimension, value, label, weight, sounds_like FROM catalogue_values \
                 ORDER BY dimension, weight DESC, value, label",
            )
            .await?;
        let mut values = Vec::new();
        for batch in &rows {
            for row in 0..batch.num_rows() {
                values.push(CatalogueValue {
                    dimension: text(batch, 0, row).unwrap_or_default(),
                    value: text(batch, 1, row).unwrap_or_default(),
                    label: text(batch, 2, row).unwrap_or_default(),
                    weight: integer(batch, 3, row),
                    sounds_like: text(batch, 4, row),
                });
            }
        }
        Ok(values)
    }

    /// Records that were put aside, the newest first.
    ///
    /// # Errors
    /// [`Error::Query`] when the quarantine cannot be read.
    pub async fn quarantined(&self, limit: usize) -> Result<Vec<Quarantined>> {
        let snapshot = self.layer_snapshot(Layer::Clean)?.unwrap_or_default();
        let session = self.layer_session(Layer::Clean, &snapshot).await?;
        let sql = format!(
            "SELECT table_name, source, line, column_name, rule, message, original, run_id, arrived_at \
             FROM ({OPEN_QUARANTINE}) ORDER BY arrived_at DESC, source, line, table_name LIMIT {limit}"
        );
        let failed = |e| Error::query("read the quarantine", e);
        let mut records = Vec::new();
        for batch in session
            .sql(&sql)
            .await
            .map_err(failed)?
            .collect()
            .await
            .map_err(failed)?
        {
            for row in 0..batch.num_rows() {
                let of = |column| text(&batch, column, row).unwrap_or_default();
                records.push(Quarantined {
                    table: of(0),
                    source: of(1),
                    line: u64::try_from(integer(&batch, 2, row)).unwrap_or(0),
                    column: text(&batch, 3, row),
                    rule: of(4),
                    message: of(5),
                    original: of(6),
                    run_id: of(7),
                    arrived_at: instant(&batch, 8, row).unwrap_or_default(),
                });
            }
        }
        Ok(records)
    }

    async fn rows(&self, snapshot: &Snapshot, sql: &str) -> Result<Vec<RecordBatch>> {
        let session = self.session(snapshot).await?;
        let failed = |e| Error::query("read what is published", e);
        session.sql(sql).await.map_err(failed)?.collect().await.map_err(failed)
    }
}

pub(crate) fn text(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let array = batch.column(column).as_string_opt::<i32>()?;
    array.is_valid(row).then(|| array.value(row).to_owned())
}

pub(crate) fn integer(batch: &RecordBatch, column: usize, row: usize) -> i64 {
    batch
        .column(column)
        .as_primitive_opt::<Int64Type>()
        .map_or(0, |array| array.value(row))
}

fn day(batch: &RecordBatch, column: usize, row: usize) -> Option<Date> {
    let array = batch.column(column).as_primitive_opt::<Date32Type>()?;
    if array.is_null(row) {
        None
    } else {
        time::date_of_days(array.value(row))
    }
}

pub(crate) fn instant(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let array = batch.column(column).as_primitive_opt::<TimestampMicrosecondType>()?;
    if array.is_null(row) {
        return None;
    }
    jiff::Timestamp::from_microsecond(array.value(row))
        .ok()
        .map(|at| at.to_string())
}
