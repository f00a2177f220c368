//! Reads Parquet batch by batch and gives out its rows as JSON values, so that nested columns are reached by the same
//! paths as in JSON.

use crate::{
    MAX_RECORD_BYTES,
    json::{Cut, Fault},
};
use arrow::{array::RecordBatch, error::ArrowError, json::LineDelimitedWriter};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// How many rows are held at once.
const BATCH_ROWS: usize = 1024;

pub struct Rows {
    batches: ParquetRecordBatchReader,
    /// The current batch, a line for each row.
    text: Vec<u8>,
    at: usize,
    row: u64,
}

impl Rows {
    /// Opens a file and reads the names of its columns.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn open(file: File) -> Result<(Rows, Vec<String>), String> {
        unharmed(|| Rows::open_checked(file))?
    }

    fn open_checked(file: File) -> Result<(Rows, Vec<String>), String> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| e.to_string())?;
        let columns = builder
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let batches = builder.with_batch_size(BATCH_ROWS).build().map_err(|e| e.to_string())?;
        let rows = Rows {
            batches,
            text: Vec::new(),
            at: 0,
            row: 0,
        };
        Ok((rows, columns))
    }

    /// The next row, its text in `raw`. The line is the row's number, from 1.
    ///
    /// # Errors
    /// [`Fault::Broken`] where the file is damaged.
    pub fn next(&mut self, raw: &mut Vec<u8>) -> Result<Option<Cut>, Fault> {
        while self.at >= self.text.len() {
            let line = self.row + 1;
            let broken = |message| Fault::Broken { line, message };
            let Some(batch) = unharmed(|| self.batches.next()).map_err(broken)? else {
                return Ok(None);
            };
            let text = unharmed(|| batch.and_then(|batch| lines(&batch))).map_err(broken)?;
            self.text = text.map_err(|e| broken(e.to_string()))?;
            self.at = 0;
        }
        let rest = &self.text[self.at..];
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        raw.clear();
        raw.extend_from_slice(&rest[..end.min(MAX_RECORD_BYTES)]);
        self.at += end + 1;
        self.row += 1;
        Ok(Some(Cut {
            line: self.row,
            whole: end <= MAX_RECORD_BYTES,
        }))
    }
}

/// Some damage is met by the decoder with a panic. It is the file's fault, and costs the file.
fn unharmed<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| "the file is damaged inside".to_owned())
}

fn lines(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    Ok(writer.into_inner())
}
