//! Reading what a query gives, and telling whether it is what was there before.

use crate::{Error, Result};
use arrow::{
    array::{Array, ArrayRef, AsArray as _, Date32Array, RecordBatch, TimestampMicrosecondArray},
    datatypes::{Date32Type, Int64Type},
    row::{RowConverter, SortField},
};
use datafusion::prelude::SessionContext;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

pub async fn rows(session: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    let failed = |source| Error::Query {
        sql: sql.to_owned(),
        source: Box::new(source),
    };
    session.sql(sql).await.map_err(failed)?.collect().await.map_err(failed)
}

/// A hash of the rows in their order, whatever batches they come in. Arrow's row format is used because it says the
/// same bytes for the same values, which buffers with nulls do not.
pub fn fingerprint(batches: &[RecordBatch]) -> Result<String> {
    let failed = |source| Error::Arrow {
        table: "a publication",
        source,
    };
    let mut hash = Sha256::new();
    if let Some(first) = batches.first() {
        let fields = first
            .schema()
            .fields()
            .iter()
            .map(|f| SortField::new(f.data_type().clone()))
            .collect();
        let converter = RowConverter::new(fields).map_err(failed)?;
        for batch in batches {
            for row in &converter.convert_columns(batch.columns()).map_err(failed)? {
                hash.update((row.data().len() as u64).to_be_bytes());
                hash.update(row.data());
            }
        }
    }
    Ok(hex(&hash.finalize()))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

pub fn days(days: impl Iterator<Item = Option<i32>>) -> ArrayRef {
    Arc::new(days.collect::<Date32Array>())
}

pub fn instants(at: Timestamp, rows: usize) -> TimestampMicrosecondArray {
    TimestampMicrosecondArray::from(vec![at.as_microsecond(); rows]).with_timezone("UTC")
}
