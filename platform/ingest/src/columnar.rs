//! Reads Parquet batch by batch and gives out its rows as JSON values, so that nested columns are reached by the same
//! paths as in JSON.

use crate::{
    MAX_RECORD_BYTES,
    json::{Cut, Fault},
};
use arrow::{array::RecordBatch, error::ArrowError, json::LineDelimitedWriter};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::{
    fs::File,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// How many rows are held at once at most.
const BATCH_ROWS: usize = 1024;

/// How much of a file is held at once, in bytes, going by what a row of its row group takes on average: as many rows as
/// that are decoded together, and as many are made text together. A single row may be larger.
const BATCH_BYTES: usize = 8 << 20;

pub struct Rows {
    file: File,
    metadata: ArrowReaderMetadata,
    /// The row group that is read next.
    next_group: usize,
    batches: Option<ParquetRecordBatchReader>,
    /// What is left of the rows that were decoded, and how many of them are made text at once.
    batch: Option<(RecordBatch, usize)>,
    /// A line for each row of a part of the batch.
    text: Lines,
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
        let metadata = ArrowReaderMetadata::load(&file, Default::default()).map_err(|e| e.to_string())?;
        let fields = metadata.schema().fields();
        let columns = fields.iter().map(|field| field.name().clone()).collect();
        let rows = Rows {
            file,
            metadata,
            next_group: 0,
            batches: None,
            batch: None,
            text: Lines::default(),
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
        while self.at >= self.text.bytes.len() {
            let line = self.row + 1;
            let more = unharmed(AssertUnwindSafe(|| self.fill())).and_then(|filled| filled);
            if !more.map_err(|message| Fault::Broken { line, message })? {
                return Ok(None);
            }
        }
        let rest = &self.text.bytes[self.at..];
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

    /// Makes the next rows text; false at the end.
    fn fill(&mut self) -> Result<bool, String> {
        self.text = Lines::default();
        self.at = 0;
        loop {
            if let Some((batch, rows)) = self.batch.take_if(|(batch, _)| batch.num_rows() > 0) {
                let part = batch.slice(0, rows.min(batch.num_rows()));
                self.batch = Some((batch.slice(part.num_rows(), batch.num_rows() - part.num_rows()), rows));
                lines(&part, &mut self.text).map_err(|e| e.to_string())?;
                return Ok(true);
            }
            if let Some(batch) = self.batches.as_mut().and_then(Iterator::next) {
                let batch = batch.map_err(|e| e.to_string())?;
                // What the rows really take: a few large ones may stand together.
                let bytes = batch.get_array_memory_size() / batch.num_rows().max(1);
                self.batch = Some((batch, rows_of(bytes)));
                continue;
            }
            let Some(group) = self.metadata.metadata().row_groups().get(self.next_group) else {
                return Ok(false);
            };
            let rows = usize::try_from(group.num_rows()).unwrap_or_default().max(1);
            let bytes = usize::try_from(group.total_byte_size()).unwrap_or_default() / rows;
            let file = self.file.try_clone().map_err(|e| e.to_string())?;
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_row_groups(vec![self.next_group])
                .with_batch_size(rows_of(bytes))
                .build();
            self.next_group += 1;
            self.batches = Some(reader.map_err(|e| e.to_string())?);
        }
    }
}

/// How many rows of so many bytes each are held at once.
fn rows_of(bytes: usize) -> usize {
    (BATCH_BYTES / bytes.max(1)).clamp(1, BATCH_ROWS)
}

/// Lines of text, of which what is too long for a record is counted and not kept.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// The length of the line that is being written.
    line_bytes: usize,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            // One byte more than a record may have tells that it is too long.
            let room = (MAX_RECORD_BYTES + 1).saturating_sub(self.line_bytes);
            let ends = part.ends_with(b"\n");
            let text = &part[..part.len() - usize::from(ends)];
            self.bytes.extend_from_slice(&text[..text.len().min(room)]);
            self.line_bytes += text.len();
            if ends {
                self.bytes.push(b'\n');
                self.line_bytes = 0;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Some damage is met by the decoder with a panic. It is the file's fault, and costs the file.
fn unharmed<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| "the file is damaged inside".to_owned())
}

fn lines(batch: &RecordBatch, text: &mut Lines) -> Result<(), ArrowError> {
    let mut writer = LineDelimitedWriter::new(text);
    writer.write(batch)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, StringArray};
    use parquet::arrow::ArrowWriter;
    use std::sync::Arc;

    /// Row groups of many small rows, of a few large ones, and of one that no record may be.
    #[test]
    fn few_large_rows_are_held_at_once() {
        let sizes: Vec<usize> = std::iter::repeat_n(3, 5000)
            .chain(std::iter::repeat_n(MAX_RECORD_BYTES / 2, 40))
            .chain([2 * MAX_RECORD_BYTES, 7])
            .collect();
        let mut file = tempfile::tempfile().expect("a file");
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![arrow::datatypes::Field::new(
            "a",
            arrow::datatypes::DataType::Utf8,
            true,
        )]));
        let mut writer = ArrowWriter::try_new(&mut file, schema.clone(), None).expect("begins");
        for part in [&sizes[..5000], &sizes[5000..5040], &sizes[5040..]] {
            let texts: StringArray = part.iter().map(|size| Some("x".repeat(*size))).collect();
            let column: ArrayRef = Arc::new(texts);
            let batch = RecordBatch::try_new(schema.clone(), vec![column]).expect("a batch");
            writer.write(&batch).expect("writes");
            writer.flush().expect("ends the row group");
        }
        writer.close().expect("ends");

        let (mut rows, columns) = Rows::open(file).expect("opens");
        assert_eq!(columns, ["a"]);
        let (mut raw, mut read, mut most) = (Vec::new(), Vec::new(), 0);
        while let Some(cut) = rows.next(&mut raw).expect("reads") {
            assert_eq!(cut.whole, raw.len() < MAX_RECORD_BYTES);
            read.push((cut.line, raw.len(), cut.whole));
            let held = rows.batch.as_ref().map_or(0, |(batch, _)| batch.num_rows());
            most = most.max(rows.text.bytes.len());
            assert!(held <= BATCH_ROWS);
        }
        let wanted: Vec<(u64, usize, bool)> = (1..)
            .zip(&sizes)
            .map(|(line, size)| {
                let length = size + r#"{"a":""}"#.len();
                (line, length.min(MAX_RECORD_BYTES), length <= MAX_RECORD_BYTES)
            })
            .collect();
        assert_eq!(read, wanted);
        assert!(most <= 2 * BATCH_BYTES, "{most} bytes of text at once");
    }
}
