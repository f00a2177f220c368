//! The files of tables: written once, in Redshift's types, and read whole with the place of every row, which is how
//! UPDATE, DELETE and MERGE name the rows that they change.

use super::{DataFile, Table};
use crate::error::RedshiftError;
use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, RecordBatch},
    compute::filter_record_batch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{
    error::DataFusionError,
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{stream::RecordBatchStreamAdapter, streaming::PartitionStream},
};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The column that holds the place of a row: the file's number, shifted, and the row's in it.
pub(crate) const ROW_ID: &str = "__row_id";
const ROW_BITS: u32 = 40;

/// A file ends after so many rows, so that a change of one row rewrites no more.
const FILE_MAX_ROWS: u64 = 1 << 20;

fn failed(what: &str, path: &Path, error: impl std::fmt::Display) -> RedshiftError {
    RedshiftError::Storage(format!("cannot {what} {}: {error}", path.display()))
}

/// Writes rows to new files of a table. What is not finished is removed.
pub(crate) struct TableWriter {
    folder: PathBuf,
    schema: SchemaRef,
    open: Option<(PathBuf, ArrowWriter<File>, u64)>,
    done: Vec<Arc<DataFile>>,
    rows: u64,
    finished: bool,
}

impl TableWriter {
    pub fn new(folder: &Path, schema: SchemaRef) -> TableWriter {
        TableWriter {
            folder: folder.to_owned(),
            schema,
            open: None,
            done: Vec::new(),
            rows: 0,
            finished: false,
        }
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds rows whose columns have the table's types, in its order.
    pub fn write(&mut self, columns: Vec<ArrayRef>, rows: usize) -> Result<(), RedshiftError> {
        if rows == 0 {
            return Ok(());
        }
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| RedshiftError::Statement(error.into()))?;
        if self.open.is_none() {
            fs::create_dir_all(&self.folder).map_err(|error| failed("make", &self.folder, error))?;
            let path = self.folder.join(format!("{}.parquet", uuid::Uuid::new_v4().simple()));
            let file = File::create(&path).map_err(|error| failed("create", &path, error))?;
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
                .build();
            let writer = ArrowWriter::try_new(file, Arc::clone(&self.schema), Some(properties))
                .map_err(|error| failed("write", &path, error))?;
            self.open = Some((path, writer, 0));
        }
        if let Some((path, writer, count)) = &mut self.open {
            writer.write(&batch).map_err(|error| failed("write", path, error))?;
            *count += rows as u64;
            self.rows += rows as u64;
            if *count >= FILE_MAX_ROWS {
                self.close()?;
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), RedshiftError> {
        let Some((path, writer, rows)) = self.open.take() else {
            return Ok(());
        };
        let closed = writer
            .into_inner()
            .map_err(|error| failed("write", &path, error))
            .and_then(|file| file.sync_all().map_err(|error| failed("write", &path, error)));
        let bytes = closed.and_then(|()| fs::metadata(&path).map_err(|error| failed("read", &path, error)));
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let file = DataFile {
            name: name.unwrap_or_default(),
            rows,
            bytes: bytes?.len(),
        };
        self.done.push(Arc::new(file));
        Ok(())
    }

    /// The new files, all of them on the disk.
    pub fn finish(mut self) -> Result<Vec<Arc<DataFile>>, RedshiftError> {
        self.close()?;
        self.finished = true;
        Ok(std::mem::take(&mut self.done))
    }
}

impl Drop for TableWriter {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if let Some((path, _, _)) = self.open.take() {
            let _ = fs::remove_file(path);
        }
        for file in &self.done {
            let _ = fs::remove_file(self.folder.join(&file.name));
        }
    }
}

/// The rows of one file in the table's types; a column that the file does not have is an error, since every change of
/// a table's columns writes its files anew.
pub(crate) fn read_file(
    path: &Path,
    schema: &SchemaRef,
) -> Result<impl Iterator<Item = Result<RecordBatch, RedshiftError>> + Send + use<>, RedshiftError> {
    let file = File::open(path).map_err(|error| failed("open", path, error))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.with_batch_size(8_192).build())
        .map_err(|error| failed("read", path, error))?;
    let (schema, path) = (Arc::clone(schema), path.to_owned());
    Ok(reader.map(move |batch| {
        let batch = batch.map_err(|error| failed("read", &path, error))?;
        let columns = schema
            .fields()
            .iter()
            .map(|field| {
                let column = batch
                    .column_by_name(field.name())
                    .ok_or_else(|| failed("read", &path, format!("it has no column {}", field.name())))?;
                if column.data_type() == field.data_type() {
                    return Ok(Arc::clone(column));
                }
                arrow::compute::cast(column, field.data_type()).map_err(|error| failed("read", &path, error))
            })
            .collect::<Result<Vec<_>, RedshiftError>>()?;
        RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|error| failed("read", &path, error))
    }))
}

/// The rows that a change touches, a bit for each row of each file.
#[derive(Debug, Default)]
pub(crate) struct RowSet {
    files: Vec<Vec<u64>>,
    count: u64,
}

impl RowSet {
    /// Adds a row; false where it was there already.
    pub fn insert(&mut self, id: i64) -> bool {
        let id = id.unsigned_abs();
        let file = usize::try_from(id >> ROW_BITS).unwrap_or(usize::MAX);
        let row = id & ((1 << ROW_BITS) - 1);
        if self.files.len() <= file {
            self.files.resize_with(file + 1, Vec::new);
        }
        let bits = &mut self.files[file];
        let word = usize::try_from(row / 64).unwrap_or(usize::MAX);
        if bits.len() <= word {
            bits.resize(word + 1, 0);
        }
        let bit = 1 << (row % 64);
        let new = bits[word] & bit == 0;
        bits[word] |= bit;
        self.count += u64::from(new);
        new
    }

    pub fn len(&self) -> u64 {
        self.count
    }

    fn of_file(&self, file: usize) -> Option<&[u64]> {
        self.files
            .get(file)
            .map(Vec::as_slice)
            .filter(|bits| bits.iter().any(|word| *word != 0))
    }
}

/// The files of a table without the rows of a set: untouched files stay, the others are written anew.
pub(crate) fn without_row_ids(
    table: &Table,
    rows: &RowSet,
    folder: &Path,
) -> Result<Vec<Arc<DataFile>>, RedshiftError> {
    let schema = table.arrow_schema();
    let mut kept = Vec::with_capacity(table.files.len());
    let mut writer = TableWriter::new(folder, Arc::clone(&schema));
    for (at, file) in table.files.iter().enumerate() {
        let Some(bits) = rows.of_file(at) else {
            kept.push(Arc::clone(file));
            continue;
        };
        let mut row = 0_usize;
        for batch in read_file(&folder.join(&file.name), &schema)? {
            let batch = batch?;
            let keep: BooleanArray = (row..row + batch.num_rows())
                .map(|row| Some(bits.get(row / 64).is_none_or(|word| word & (1 << (row % 64)) == 0)))
                .collect();
            row += batch.num_rows();
            let batch = filter_record_batch(&batch, &keep).map_err(|error| RedshiftError::Statement(error.into()))?;
            let count = batch.num_rows();
            writer.write(batch.columns().to_vec(), count)?;
        }
    }
    kept.extend(writer.finish()?);
    Ok(kept)
}

/// A table's rows with their places, a partition for each file.
pub(crate) fn rows_of(table: &Table, folder: &Path) -> (SchemaRef, Vec<Arc<dyn PartitionStream>>, RowSet) {
    let mut fields: Vec<Arc<Field>> = table.arrow_schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(ROW_ID, DataType::Int64, false)));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let partitions = table
        .files
        .iter()
        .enumerate()
        .map(|(number, file)| {
            Arc::new(Numbered {
                file: Arc::clone(file),
                path: folder.join(&file.name),
                number,
                table: table.arrow_schema(),
                schema: Arc::clone(&schema),
            }) as Arc<dyn PartitionStream>
        })
        .collect();
    (schema, partitions, RowSet::default())
}

#[derive(Debug)]
struct Numbered {
    /// Held so that the file stays as long as somebody reads it.
    #[allow(dead_code)]
    file: Arc<DataFile>,
    path: PathBuf,
    number: usize,
    table: SchemaRef,
    schema: SchemaRef,
}

impl PartitionStream for Numbered {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let file = i64::try_from(self.number).unwrap_or(i64::MAX >> ROW_BITS) << ROW_BITS;
        let engine = |error: RedshiftError| DataFusionError::External(Box::new(error));
        let batches: Box<dyn Iterator<Item = Result<RecordBatch, DataFusionError>> + Send> =
            match read_file(&self.path, &self.table) {
                Err(error) => Box::new(std::iter::once(Err(engine(error)))),
                Ok(batches) => {
                    let mut row = 0_i64;
                    Box::new(batches.map(move |batch| {
                        let batch = batch.map_err(engine)?;
                        let count = i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
                        let places = Int64Array::from_iter_values((row..row + count).map(|row| file | row));
                        row += count;
                        let mut columns = batch.columns().to_vec();
                        columns.push(Arc::new(places));
                        Ok(RecordBatch::try_new(Arc::clone(&schema), columns)?)
                    }))
                }
            };
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            futures::stream::iter(batches),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_rows_knows_what_it_has() {
        let mut rows = RowSet::default();
        let far = (3 << ROW_BITS) | 1_000;
        for (id, new) in [(5, true), (5, false), (far, true), (6, true), (far, false)] {
            assert_eq!(rows.insert(id), new, "{id}");
        }
        assert_eq!(rows.len(), 3);
        assert!(rows.of_file(0).is_some() && rows.of_file(1).is_none() && rows.of_file(3).is_some());
    }
}
