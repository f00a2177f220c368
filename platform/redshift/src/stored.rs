//! Results on the disk: written batch by batch while a statement runs, and read page by page afterwards, so that a
//! large result needs no memory and a small one outlives the process.

use crate::{
    error::RedshiftError,
    result::{ColumnInfo, QueryResult, Value},
    session::Sink,
};
use arrow::{
    array::RecordBatch,
    datatypes::Schema,
    ipc::{reader::FileReader, writer::FileWriter},
};
use std::{
    fs::{self, File},
    io::{BufReader, BufWriter},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The key of the columns' description in a file's own metadata.
const COLUMNS: &str = "concert.columns";

fn failed(what: &str, path: &Path, error: impl std::fmt::Display) -> RedshiftError {
    RedshiftError::Storage(format!("cannot {what} the result {}: {error}", path.display()))
}

/// Writes a result to a file. A file that is not finished is removed.
pub struct ResultWriter {
    path: PathBuf,
    max_bytes: u64,
    columns: Vec<ColumnInfo>,
    file: Option<FileWriter<BufWriter<File>>>,
    rows: u64,
    bytes: u64,
    finished: bool,
}

impl ResultWriter {
    pub fn new(path: PathBuf, max_bytes: u64) -> ResultWriter {
        ResultWriter {
            path,
            max_bytes,
            columns: Vec::new(),
            file: None,
            rows: 0,
            bytes: 0,
            finished: false,
        }
    }

    /// Completes the file and gives the number of rows and their bytes in memory.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn finish(mut self) -> Result<(u64, u64), RedshiftError> {
        if self.file.is_none() {
            // A result without rows has its columns all the same.
            self.open(&RecordBatch::new_empty(Arc::new(Schema::empty())))?;
        }
        if let Some(mut file) = self.file.take() {
            file.finish().map_err(|error| failed("write", &self.path, error))?;
        }
        self.finished = true;
        Ok((self.rows, self.bytes))
    }

    fn open(&mut self, batch: &RecordBatch) -> Result<(), RedshiftError> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|error| failed("make a folder for", &self.path, error))?;
        }
        let columns = serde_json::to_string(&self.columns).map_err(|error| failed("describe", &self.path, error))?;
        let schema = batch.schema().as_ref().clone();
        let schema = schema.with_metadata([(COLUMNS.to_owned(), columns)].into());
        let file = File::create(&self.path).map_err(|error| failed("create", &self.path, error))?;
        let writer =
            FileWriter::try_new(BufWriter::new(file), &schema).map_err(|error| failed("write", &self.path, error))?;
        self.file = Some(writer);
        Ok(())
    }
}

impl Sink for ResultWriter {
    fn columns(&mut self, columns: &[ColumnInfo]) -> Result<(), RedshiftError> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<(), RedshiftError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows() as u64;
        self.bytes += batch.get_array_memory_size() as u64;
        if self.bytes > self.max_bytes {
            return Err(RedshiftError::ResultTooLarge(
                usize::try_from(self.max_bytes).unwrap_or(usize::MAX),
            ));
        }
        if self.file.is_none() {
            self.open(batch)?;
        }
        match &mut self.file {
            Some(file) => file.write(batch).map_err(|error| failed("write", &self.path, error)),
            None => Ok(()),
        }
    }
}

impl Drop for ResultWriter {
    fn drop(&mut self) {
        if !self.finished && self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Reads a finished result from any row on.
pub struct ResultReader {
    path: PathBuf,
    pub columns: Vec<ColumnInfo>,
}

impl ResultReader {
    /// # Errors
    /// The file is not there or is damaged.
    pub fn open(path: &Path) -> Result<ResultReader, RedshiftError> {
        let reader = open(path)?;
        let schema = reader.schema();
        let text = schema.metadata().get(COLUMNS).cloned().unwrap_or_default();
        let columns = serde_json::from_str(&text)
            .ok()
            .ok_or_else(|| failed("read", path, "it does not describe its columns"))?;
        Ok(ResultReader {
            path: path.to_owned(),
            columns,
        })
    }

    /// Rows from `offset` on, until `take` says that it has enough. Batches before are skipped, not kept.
    ///
    /// # Errors
    /// As [`ResultReader::open`].
    pub fn rows(&self, offset: usize, mut take: impl FnMut(Vec<Value>) -> bool) -> Result<(), RedshiftError> {
        let reader = open(&self.path)?;
        let mut before = 0;
        for batch in reader {
            let batch = batch.map_err(|error| failed("read", &self.path, error))?;
            let rows = batch.num_rows();
            if before + rows > offset {
                let result = QueryResult::new(self.columns.clone(), vec![batch]);
                for row in result.rows(offset.saturating_sub(before)) {
                    if !take(row) {
                        return Ok(());
                    }
                }
            }
            before += rows;
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<FileReader<BufReader<File>>, RedshiftError> {
    let file = File::open(path).map_err(|error| failed("open", path, error))?;
    FileReader::try_new(BufReader::new(file), None).map_err(|error| failed("read", path, error))
}
