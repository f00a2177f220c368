//! The lake's tables as a load reads and writes them: in batches, so that no table is held in memory.

use crate::{Error, Result, stage::BatchReader};
use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    error::ArrowError,
    row::{RowConverter, Rows, SortField},
};
use concert_lake::{
    Layer, Staged, TableWriter, Writer,
    schema::{LINEAGE, QUARANTINE, TableDef},
};
use datafusion::{error::DataFusionError, execution::SendableRecordBatchStream, prelude::SessionContext};
use futures::StreamExt as _;
use std::collections::HashSet;
use tokio::sync::mpsc::Receiver;

/// How many batches wait between the thread that makes rows and the one that writes them.
pub const QUEUED_BATCHES: usize = 2;

/// The clean layer as the writer sees it.
///
/// # Errors
/// [`Error::Lake`].
pub async fn session(writer: &Writer) -> Result<SessionContext> {
    let heads = writer.heads(Layer::Clean);
    Ok(writer.lake().batch_session(Layer::Clean, &heads).await?)
}

/// Some columns of all rows of a clean table.
///
/// # Errors
/// [`Error::Lake`].
pub async fn stream(session: &SessionContext, table: &TableDef, columns: &[&str]) -> Result<SendableRecordBatchStream> {
    let failed = |e| failed(table, e);
    let rows = session.table(table.name).await.map_err(failed)?;
    let rows = rows.select_columns(columns).map_err(failed)?;
    rows.execute_stream().await.map_err(failed)
}

/// All columns of a clean table, in the order in which they are stored.
pub fn all_columns(table: &TableDef) -> Vec<&'static str> {
    let lineage: &[_] = if table.name == QUARANTINE.name { &[] } else { &LINEAGE };
    table
        .columns()
        .iter()
        .chain(lineage)
        .map(|column| column.name)
        .collect()
}

/// How many rows a clean table has.
///
/// # Errors
/// [`Error::Lake`].
pub async fn row_count(session: &SessionContext, table: &TableDef) -> Result<usize> {
    let rows = session.table(table.name).await.map_err(|e| failed(table, e))?;
    rows.count().await.map_err(|e| failed(table, e))
}

/// The error of reading a clean table.
pub fn failed(table: &TableDef, source: DataFusionError) -> Error {
    Error::Lake(concert_lake::Error::Query {
        what: format!("read clean.{}", table.name),
        source: Box::new(source),
    })
}

/// Writes what comes to files of the table, to be committed later; none if nothing comes.
///
/// # Errors
/// [`Error::Lake`] when the files cannot be written.
pub async fn write(mut to: TableWriter, mut rows: Receiver<RecordBatch>) -> Result<Option<Staged>> {
    while let Some(batch) = rows.recv().await {
        if let Err(e) = to.write(&batch).await {
            to.abort().await;
            return Err(e.into());
        }
    }
    if to.rows() == 0 {
        to.abort().await;
        return Ok(None);
    }
    Ok(Some(to.finish().await?))
}

/// Writes all rows of the table with the changed ones in the place of those of the same key, to be committed later.
///
/// # Errors
/// [`Error::Lake`] when rows cannot be read or written.
pub async fn with_changed(
    writer: &Writer,
    session: &SessionContext,
    table: &'static TableDef,
    changed: BatchReader,
) -> Result<Staged> {
    let arrow = |source| Error::Arrow {
        table: table.name,
        source,
    };
    let mut to = writer.stage(Layer::Clean, table.name)?;
    let mut keys: HashSet<Box<[u8]>> = HashSet::new();
    let mut converter = None;
    let mut key_rows = |batch: &RecordBatch| -> Result<Rows, ArrowError> {
        let columns: Vec<ArrayRef> = table
            .key
            .iter()
            .filter_map(|name| batch.column_by_name(name).cloned())
            .collect();
        let converter = match &mut converter {
            Some(converter) => converter,
            None => {
                let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
                converter.insert(RowConverter::new(fields.collect())?)
            }
        };
        converter.convert_columns(&columns)
    };
    for batch in changed {
        let batch = batch?;
        keys.extend(key_rows(&batch).map_err(arrow)?.iter().map(|key| key.as_ref().into()));
        to.write(&batch).await?;
    }
    let mut old = stream(session, table, &all_columns(table)).await?;
    while let Some(batch) = old.next().await {
        let batch = batch.map_err(|e| failed(table, e))?;
        let rows = key_rows(&batch).map_err(arrow)?;
        let kept: BooleanArray = rows.iter().map(|key| Some(!keys.contains(key.as_ref()))).collect();
        to.write(&filter_record_batch(&batch, &kept).map_err(arrow)?).await?;
    }
    Ok(to.finish().await?)
}
