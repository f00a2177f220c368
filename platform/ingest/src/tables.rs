//! The lake's tables as a load reads and writes them: in batches, so that no table is held in memory.

use crate::{
    Error, Result,
    stage::{StagedBatches, Staging},
};
use arrow::array::RecordBatch;
use concert_lake::{
    Layer, Staged, TableWriter, Writer,
    schema::{LINEAGE, QUARANTINE, TableDef},
};
use datafusion::{
    dataframe::DataFrame, datasource::file_format::options::ArrowReadOptions, error::DataFusionError,
    execution::SendableRecordBatchStream, prelude::SessionContext,
};
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
    Error::lake_query(format!("read clean.{}", table.name), source)
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

/// Rows of a table that were put into the staging folder.
///
/// # Errors
/// [`Error::Lake`] when they cannot be opened.
pub async fn staged(
    session: &SessionContext,
    staging: &Staging,
    table: &TableDef,
    rows: &StagedBatches,
) -> Result<DataFrame> {
    let schema = table.arrow_schema();
    let options = ArrowReadOptions::default().schema(&schema);
    let paths: Vec<String> = staging
        .path_of(rows)
        .map(|path| path.to_string_lossy().into_owned())
        .into_iter()
        .collect();
    session.read_arrow(paths, options).await.map_err(|e| failed(table, e))
}
