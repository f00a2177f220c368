//! Reading what a query gives, and knowing rows again: how many there were, whether they are the ones from before, and
//! whether a key came twice. All of it is seen while the rows stream by, in eight bytes for each row.

use crate::{Error, Result};
use arrow::{
    array::{Array, ArrayRef, AsArray as _, Date32Array, RecordBatch, TimestampMicrosecondArray},
    datatypes::{Date32Type, Decimal128Type, Int64Type},
};
use concert_lake::schema::TableDef;
use datafusion::{
    common::{
        hash_utils::{QualityRandomState, create_hashes},
        runtime::SpawnedTask,
    },
    error::DataFusionError,
    prelude::{DataFrame, SessionContext},
};
use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture};
use jiff::Timestamp;
use std::{fmt::Write as _, sync::Arc, thread};

/// An odd number with no pattern (2^128 divided by the golden ratio), to spread hashes by multiplication.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

pub async fn frame(session: &SessionContext, sql: &str) -> Result<DataFrame> {
    session.sql(sql).await.map_err(|source| Error::query(sql, source))
}

pub async fn rows(session: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    let frame = frame(session, sql).await?;
    frame.collect().await.map_err(|source| Error::query(sql, source))
}

/// Something that is asked of a session, to be run beside others.
pub type Work<T> = BoxFuture<'static, Result<T>>;

/// How many pieces of work are done at once at most: one that writes a table holds up to a row group of it in memory.
const AT_ONCE: usize = 4;

/// Does pieces of work side by side, as many as there are cores, and gives what they found in their order. A query over
/// a few thousand rows is mostly planned, by one thread. The first that fails ends the others.
pub async fn side_by_side<T: Send + 'static>(works: Vec<Work<T>>) -> Result<Vec<T>> {
    let at_once = thread::available_parallelism().map_or(1, usize::from).min(AT_ONCE);
    futures::stream::iter(works)
        .map(|work| SpawnedTask::spawn(work).join_unwind())
        .buffered(at_once)
        .map(|ended| {
            let stopped = |e| Error::query("a query that was stopped", DataFusionError::ExecutionJoin(Box::new(e)));
            ended.map_err(stopped)?
        })
        .try_collect()
        .await
}

/// The first value of a query that gives one number; 0 where it gives none.
pub async fn number(session: &SessionContext, sql: &str) -> Result<u64> {
    let batches = rows(session, sql).await?;
    let first = batches.iter().find(|batch| batch.num_rows() > 0);
    Ok(first.map_or(0, |batch| u64::try_from(integer(batch, 0, 0)).unwrap_or(0)))
}

/// What a table's rows were, whatever their order and their batches.
#[derive(Debug)]
pub struct Digest {
    table: &'static TableDef,
    rows: u64,
    sum: u128,
    /// A hash for each row's key.
    keys: Vec<u64>,
    /// How many rows have no value in each column.
    nulls: Vec<usize>,
}

impl Digest {
    pub fn new(table: &'static TableDef) -> Digest {
        Digest {
            table,
            rows: 0,
            sum: 0,
            keys: Vec::new(),
            nulls: vec![0; table.columns().len()],
        }
    }

    /// Adds rows that have the table's columns, in their order.
    ///
    /// # Errors
    /// A column of a type that has no hash, which the model has not.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), DataFusionError> {
        let mut rows = vec![0_u128; batch.num_rows()];
        let mut keys = vec![0_u128; batch.num_rows()];
        for (index, column) in self.table.columns().iter().enumerate() {
            let Some(array) = batch.columns().get(index) else { break };
            self.nulls[index] += array.null_count();
            // Each column has hashes of its own, else a value that moved to its neighbour would not be seen. The hash
            // of no value is 0.
            let mut hashes = vec![0; batch.num_rows()];
            create_hashes([array], &QualityRandomState::with_seed(index as u64 + 1), &mut hashes)?;
            for (row, hash) in rows.iter_mut().zip(&hashes) {
                *row = mixed(*row, *hash);
            }
            if self.table.key.contains(&column.name) {
                for (key, hash) in keys.iter_mut().zip(&hashes) {
                    *key = mixed(*key, *hash);
                }
            }
        }
        self.rows += batch.num_rows() as u64;
        self.sum = rows.iter().fold(self.sum, |sum, row| sum.wrapping_add(mixed(*row, 0)));
        self.keys.extend(keys.iter().map(|key| (mixed(*key, 0) >> 64) as u64));
        Ok(())
    }

    pub fn table(&self) -> &'static TableDef {
        self.table
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The same for the same rows, and by all likelihood another for others. It is made for chance, not for an enemy:
    /// who can change the lake's files can change this too.
    pub fn fingerprint(&self) -> String {
        let mut text = format!("{}-", self.rows);
        // Writing to a text cannot fail.
        let _ = write!(text, "{:032x}", self.sum);
        text
    }

    /// Required columns without a value somewhere, each with how often.
    pub fn missing(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let columns = self.table.columns().iter().zip(&self.nulls);
        columns
            .filter(|(column, nulls)| column.required && **nulls > 0)
            .map(|(column, nulls)| (column.name, *nulls))
    }

    /// Whether two rows seem to have one key. No is certain; yes is to be looked at.
    pub fn has_suspects(&mut self) -> bool {
        self.keys.sort_unstable();
        self.keys.windows(2).any(|pair| pair[0] == pair[1])
    }
}

fn mixed(state: u128, hash: u64) -> u128 {
    let state = (state ^ u128::from(hash)).wrapping_add(1).wrapping_mul(SPREAD);
    state ^ (state >> 71)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub fn integer(batch: &RecordBatch, column: usize, row: usize) -> i64 {
    let array = batch.column(column).as_primitive_opt::<Int64Type>();
    array
        .filter(|array| array.is_valid(row))
        .map_or(0, |array| array.value(row))
}

/// Days since 1970-01-01.
pub fn day_column(batch: &RecordBatch, column: usize, row: usize) -> Option<i32> {
    let array = batch.column(column).as_primitive_opt::<Date32Type>()?;
    array.is_valid(row).then(|| array.value(row))
}

pub fn text(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let array = batch.column(column);
    let text = match array.as_string_opt::<i32>() {
        Some(array) => array.is_valid(row).then(|| array.value(row)),
        None => array
            .as_string_view_opt()
            .filter(|array| array.is_valid(row))
            .map(|array| array.value(row)),
    };
    text.map(str::to_owned)
}

/// A value for people to read: texts and numbers as they are, nothing as `none`.
pub fn shown(batch: &RecordBatch, column: usize, row: usize) -> String {
    let array = batch.column(column);
    if array.is_null(row) {
        return "none".to_owned();
    }
    if let Some(decimals) = array.as_primitive_opt::<Decimal128Type>() {
        return decimals.value_as_string(row);
    }
    text(batch, column, row)
        .or_else(|| arrow::util::display::array_value_to_string(array, row).ok())
        .unwrap_or_default()
}

pub fn days(days: impl Iterator<Item = Option<i32>>) -> ArrayRef {
    Arc::new(days.collect::<Date32Array>())
}

pub fn instants(at: Timestamp, rows: usize) -> TimestampMicrosecondArray {
    TimestampMicrosecondArray::from(vec![at.as_microsecond(); rows]).with_timezone("UTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::StringArray;
    use concert_lake::Layer;

    type Row<'a> = (Option<&'a str>, Option<&'a str>);

    fn genres(rows: &[Row]) -> RecordBatch {
        let table = Layer::ConcertDw.table("artist_genres").expect("there");
        RecordBatch::try_new(
            table.arrow_schema(),
            vec![
                Arc::new(rows.iter().map(|row| row.0).collect::<StringArray>()),
                Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>()),
            ],
        )
        .expect("a batch")
    }

    fn digest(batches: &[&[Row]]) -> Digest {
        let mut digest = Digest::new(Layer::ConcertDw.table("artist_genres").expect("there"));
        for batch in batches {
            digest.add(&genres(batch)).expect("has a hash");
        }
        digest
    }

    #[test]
    fn order_and_batches_are_nothing_and_every_value_is_something() {
        let (a, b, c) = ((Some("a"), Some("x")), (Some("b"), Some("x")), (Some("b"), None));
        let whole = digest(&[&[a, b, c]]).fingerprint();
        assert_eq!(digest(&[&[c], &[], &[b, a]]).fingerprint(), whole);
        for other in [
            vec![a, b],
            vec![a, b, c, c],
            vec![a, b, (None, Some("b"))],
            vec![a, b, (Some("x"), Some("b"))],
            vec![(Some("a"), Some("b")), (Some("x"), Some("x")), c],
        ] {
            assert_ne!(digest(&[&other]).fingerprint(), whole, "{other:?}");
        }
    }

    #[test]
    fn a_value_that_moved_to_its_neighbour_is_seen() {
        assert_ne!(
            digest(&[&[(Some("a"), None)]]).fingerprint(),
            digest(&[&[(None, Some("a"))]]).fingerprint()
        );
    }

    #[test]
    fn a_key_that_came_twice_and_a_value_that_is_missing_are_seen() {
        let (a, b) = ((Some("a"), Some("x")), (Some("a"), Some("y")));
        assert!(!digest(&[&[a], &[b]]).has_suspects());
        assert!(digest(&[&[a, b], &[a]]).has_suspects());
        let missing: Vec<_> = digest(&[&[a, (None, None)], &[(None, Some("z"))]]).missing().collect();
        assert_eq!(missing, [("artist_id", 2), ("genre", 1)]);
    }
}
