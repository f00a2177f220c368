//! Records that hold values in values: JSON, XML and Parquet. What a mapping's paths find in a record is looked up once
//! for each record.

use crate::{
    Error, Result, columnar,
    files::{DataFile, HINT_PATHS, HINT_RECORDS, Row, decode, not_utf8, too_long},
    input::Format,
    json,
    mapping::Encoding,
    path::{self, FieldPath, Found},
    value::Fault,
    xml,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is read of records that hold values in values.
pub struct Nested {
    pub reader: NestedReader,
    /// The way to the records, as the mapping writes it.
    pub records: String,
    pub raw: Vec<u8>,
    /// The record's number in the file, and the line that it begins on.
    pub number: u64,
    pub line: u64,
    pub paths: Vec<(String, FieldPath)>,
    pub found: Vec<Vec<Found>>,
    /// Which element of the lists behind `[*]` is read.
    pub element: usize,
    pub seen: Vec<bool>,
    pub known: BTreeSet<String>,
    /// Kept only for [`crate::files::Rows::value`].
    pub value: Option<Value>,
}

/// Cuts records out of a file, by its format.
pub enum NestedReader {
    Json(json::Documents),
    Lines(json::Lines),
    Xml(Box<xml::Elements>),
    Parquet(Box<columnar::Rows>),
}

impl Nested {
    pub fn new(reader: NestedReader, records: String, paths: Vec<(String, FieldPath)>) -> Nested {
        Nested {
            reader,
            records,
            raw: Vec::new(),
            number: 0,
            line: 0,
            found: Vec::new(),
            element: 0,
            seen: vec![false; paths.len()],
            paths,
            known: BTreeSet::new(),
            value: None,
        }
    }

    /// What a path has found in the current record; of a list behind `[*]`, in its current element.
    pub fn found_at(&self, index: usize) -> Option<&Found> {
        let found = self.found.get(index)?;
        if self.paths.get(index)?.1.is_each() {
            found.get(self.element)
        } else {
            found.first()
        }
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Document`].
    pub fn next(&mut self, file: &DataFile, encoding: Encoding, format: Format) -> Result<Option<Row>> {
        let failed = |fault| match fault {
            json::Fault::Io(e) => Error::io("read", &file.path, e),
            json::Fault::Broken { line, message } => Error::Document {
                file: file.name.clone(),
                line,
                message,
            },
        };
        let (cut, value) = match &mut self.reader {
            NestedReader::Json(documents) => (documents.next(&mut self.raw).map_err(failed)?, None),
            NestedReader::Lines(lines) => {
                let cut = lines.next(&mut self.raw).map_err(|e| failed(json::Fault::Io(e)))?;
                (cut, None)
            }
            NestedReader::Parquet(rows) => (rows.next(&mut self.raw).map_err(failed)?, None),
            NestedReader::Xml(elements) => match elements.next(&mut self.raw).map_err(failed)? {
                Some(element) => (Some(element.cut), Some(element.value)),
                None => (None, None),
            },
        };
        let Some(cut) = cut else { return Ok(None) };
        self.number += 1;
        self.line = cut.line;
        self.element = 0;
        self.found.clear();
        self.value = None;
        let line = if format == Format::JsonLines {
            cut.line
        } else {
            self.number
        };
        let broken = |fault| {
            Ok(Some(Row::Broken {
                line,
                column: None,
                fault,
            }))
        };
        if !cut.whole {
            return broken(too_long("record"));
        }
        let value = match value {
            Some(Ok(value)) => value,
            Some(Err(message)) => return broken(Fault::new("xml", message)),
            None => {
                let Ok(text) = decode(&self.raw, encoding) else {
                    return broken(not_utf8());
                };
                match serde_json::from_str(&text) {
                    Ok(value) => value,
                    Err(e) => return broken(Fault::new("json", format!("the record is no JSON: {e}"))),
                }
            }
        };
        for ((_, path), seen) in self.paths.iter().zip(&mut self.seen) {
            let found = path.find(&value);
            *seen |= found.iter().any(|found| *found != Found::Missing);
            self.found.push(found);
        }
        if self.number <= HINT_RECORDS && self.seen.contains(&false) {
            path::names(&value, &mut self.known, HINT_PATHS);
        }
        self.value = Some(value);
        Ok(Some(Row::Fields { line }))
    }
}
