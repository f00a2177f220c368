//! Opens the files of a load and gives out their rows as text, whatever the format: a row of CSV has columns, a record
//! of JSON, XML or Parquet has paths. What is no readable file at all is refused here, before a single row is read.

pub use crate::source::DataFile;
use crate::{
    Error, Result,
    blocks::{Block, Cutter},
    columnar,
    error::did_you_mean,
    input::{Format, Input, Text, refuse_other_formats},
    json,
    mapping::{Encoding, Source},
    nested::{Nested, NestedReader},
    path::{FieldPath, Found},
    records::{Broken, MAX_RECORD_BYTES, RecordReader, Splitter},
    value::Fault,
    xml,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    io::{self, BufRead as _, Cursor},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

/// How many records are looked at, and how many paths are kept, to say what a path that is nowhere may have meant.
pub const HINT_RECORDS: u64 = 50;
pub const HINT_PATHS: usize = 2000;

/// The rows of one file.
pub struct Rows {
    pub file: DataFile,
    /// The columns of CSV and Parquet; none where each record says its own.
    pub columns: Vec<String>,
    pub format: Format,
    position: Arc<AtomicU64>,
    hash: Arc<Mutex<Sha256>>,
    encoding: Encoding,
    body: Body,
}

/// What the threads that read the blocks of one file share: how its records are cut and which of their values are
/// wanted.
#[derive(Clone)]
pub struct Template {
    file: DataFile,
    columns: Vec<String>,
    format: Format,
    encoding: Encoding,
    delimiter: u8,
    paths: Vec<(String, FieldPath)>,
}

/// What the records of a block had of the paths that were asked for.
#[derive(Default)]
pub struct Seen {
    number: u64,
    seen: Vec<bool>,
    known: BTreeSet<String>,
}

enum Body {
    Delimited {
        reader: RecordReader<Text>,
        // The CSV machine holds its tables in itself.
        splitter: Box<Splitter>,
        delimiter: u8,
    },
    Nested(Box<Nested>),
}

/// What [`Rows::next_row`] found.
pub enum Row {
    /// Its fields are there to be read. The line is the one that the record begins on, or the record's number in
    /// formats whose records have no lines of their own.
    Fields { line: u64 },
    /// The record is no row; the column, where one is to blame.
    Broken {
        line: u64,
        column: Option<String>,
        fault: Fault,
    },
}

impl Rows {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::NotReadable`], [`Error::Header`], [`Error::Document`], [`Error::Io`].
    pub fn open(file: &DataFile, source: &Source) -> Result<Rows> {
        let mut input = Input::of(file)?;
        let found = input.format(&file.path)?;
        let format = source.format.unwrap_or(found);
        refuse_other_formats(&file.path, &input.start, format)?;
        let steps = source.records.clone().unwrap_or_default();
        let (position, hash) = (Arc::clone(&input.position), Arc::clone(&input.hash));
        let mut columns = Vec::new();
        let reader = match format {
            Format::Csv => {
                let empty = input
                    .text
                    .fill_buf()
                    .map_err(|e| Error::io("read", &file.path, e))?
                    .is_empty();
                let mut rows = Rows {
                    file: file.clone(),
                    columns: source.columns.clone().unwrap_or_default(),
                    format,
                    position,
                    hash,
                    encoding: source.encoding,
                    body: Body::Delimited {
                        reader: RecordReader::new(input.text, source.delimiter),
                        splitter: Box::new(Splitter::new(source.delimiter)),
                        delimiter: source.delimiter,
                    },
                };
                rows.read_first_line(source, empty)?;
                return Ok(rows);
            }
            Format::Json => NestedReader::Json(json::Documents::new(input.text, steps.clone())),
            Format::JsonLines => NestedReader::Lines(json::Lines::new(input.text, 1)),
            Format::Xml => NestedReader::Xml(Box::new(xml::Elements::new(input.text, steps.clone(), source.encoding))),
            Format::Parquet => {
                let (rows, names) = columnar::Rows::open(file.local()?).map_err(|found| Error::NotReadable {
                    path: file.path.clone(),
                    wanted: "a Parquet file",
                    found,
                    mend: "Get the file once more: it may be cut off".to_owned(),
                })?;
                columns = names;
                NestedReader::Parquet(Box::new(rows))
            }
        };
        Ok(Rows {
            file: file.clone(),
            columns,
            format,
            position,
            hash,
            encoding: source.encoding,
            body: Body::Nested(Box::new(Nested::new(reader, steps.join("."), Vec::new()))),
        })
    }

    /// Rows of which there are none yet, to find columns in and to cut ([`Rows::cut`]): for records that are read again
    /// without their file. The format is CSV or JSON Lines.
    pub fn of_no_file(file: DataFile, format: Format, columns: Vec<String>, encoding: Encoding, delimiter: u8) -> Rows {
        let nothing: Text = Box::new(io::empty());
        let body = match format {
            Format::Csv => Body::Delimited {
                reader: RecordReader::new(nothing, delimiter),
                splitter: Box::new(Splitter::new(delimiter)),
                delimiter,
            },
            _ => {
                let reader = NestedReader::Lines(json::Lines::new(nothing, 1));
                Body::Nested(Box::new(Nested::new(reader, String::new(), Vec::new())))
            }
        };
        Rows {
            file,
            columns,
            format,
            position: Arc::default(),
            hash: Arc::default(),
            encoding,
            body,
        }
    }

    /// Takes the text away, to be read in blocks by several threads; none of formats whose records are not lines.
    pub fn cut(&mut self) -> Option<(Cutter, Template)> {
        let nothing = || -> Text { Box::new(io::empty()) };
        let (text, (ahead, line), delimiter, paths) = match &mut self.body {
            Body::Delimited { reader, delimiter, .. } => {
                let ahead = reader.take_ahead();
                (
                    std::mem::replace(reader.input(), nothing()),
                    ahead,
                    *delimiter,
                    Vec::new(),
                )
            }
            Body::Nested(nested) => match &mut nested.reader {
                NestedReader::Lines(lines) => {
                    let text = std::mem::replace(lines.input(), nothing());
                    (text, (Vec::new(), 1), 0, nested.paths.clone())
                }
                _ => return None,
            },
        };
        let template = Template {
            file: self.file.clone(),
            columns: self.columns.clone(),
            format: self.format,
            encoding: self.encoding,
            delimiter,
            paths,
        };
        Some((Cutter::new(text, ahead, line), template))
    }

    /// What the records of this block had, for the rows that the block was cut from.
    pub fn into_seen(self) -> Seen {
        match self.body {
            Body::Delimited { .. } => Seen::default(),
            Body::Nested(nested) => Seen {
                number: nested.number,
                seen: nested.seen,
                known: nested.known,
            },
        }
    }

    /// Adds what a block had, so that [`Rows::notes`] speaks of the whole file.
    pub fn absorb(&mut self, block: Seen) {
        let Body::Nested(nested) = &mut self.body else { return };
        nested.number += block.number;
        for (seen, also) in nested.seen.iter_mut().zip(block.seen) {
            *seen |= also;
        }
        let room = HINT_PATHS.saturating_sub(nested.known.len());
        nested.known.extend(block.known.into_iter().take(room));
    }

    /// Behind the last row of a block: a record that goes on in the next block, and the line that it begins on.
    pub fn take_unfinished(&mut self) -> Option<(u64, Vec<u8>)> {
        match &mut self.body {
            Body::Delimited { reader, .. } => reader.take_unfinished(),
            Body::Nested(_) => None,
        }
    }

    /// Reads what stands behind the last record and gives the hash of all that the file holds, unpacked, in hex.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(&mut self) -> Result<String> {
        let failed = |e| Error::io("read", &self.file.path, e);
        let drain = |text: &mut Text| io::copy(text, &mut io::sink()).map_err(failed);
        match &mut self.body {
            Body::Delimited { reader, .. } => drain(reader.input())?,
            Body::Nested(nested) => match &mut nested.reader {
                NestedReader::Json(documents) => drain(documents.input())?,
                NestedReader::Lines(lines) => drain(lines.input())?,
                NestedReader::Xml(elements) => drain(elements.input())?,
                NestedReader::Parquet(_) => {
                    // It is read here and there, not from its beginning to its end.
                    let mut hash = Sha256::new();
                    io::copy(&mut self.file.local()?, &mut hash).map_err(failed)?;
                    return Ok(hex::encode(hash.finalize()));
                }
            },
        };
        let hash = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(hex::encode(hash.clone().finalize()))
    }

    fn read_first_line(&mut self, source: &Source, empty: bool) -> Result<()> {
        if !source.header {
            return Ok(());
        }
        if empty {
            return Err(Error::Header {
                file: self.file.name.clone(),
                line: 1,
                message: "the file is empty".to_owned(),
                mend: "Give a file with a header, or leave it out".to_owned(),
            });
        }
        let header = self.read_header()?;
        if source.columns.is_none() {
            self.columns = header;
        }
        Ok(())
    }

    fn read_header(&mut self) -> Result<Vec<String>> {
        let refused = |line, message: String, mend: &str| Error::Header {
            file: self.file.name.clone(),
            line,
            message,
            mend: mend.to_owned(),
        };
        let Body::Delimited { reader, splitter, .. } = &mut self.body else {
            return Ok(Vec::new());
        };
        let record = reader
            .next_record()
            .map_err(|e| Error::io("read", &self.file.path, e))?;
        let Some(record) = record else {
            return Err(refused(
                1,
                "the file has no header".to_owned(),
                "Give a file with a header, or leave it out",
            ));
        };
        if let Some(broken) = record.broken {
            let (message, mend) = match broken {
                Broken::TooLong => (
                    format!("the header has more than {MAX_RECORD_BYTES} bytes"),
                    "This is hardly a table: look at the file's first line",
                ),
                Broken::Unclosed => (
                    "the header opens a quote and does not close it".to_owned(),
                    "Close the quote in the first line",
                ),
            };
            return Err(refused(record.line, message, mend));
        }
        let text = match decode(reader.raw(), self.encoding) {
            Ok(text) => text,
            Err(()) => {
                let message = "the header is not valid UTF-8".to_owned();
                return Err(refused(
                    record.line,
                    message,
                    "Write encoding = \"latin-1\" in the mapping, or convert it",
                ));
            }
        };
        splitter.split(&text);
        Ok((0..splitter.len())
            .map(|i| splitter.field(i).trim().to_owned())
            .collect())
    }

    /// Reads the next row.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read on, [`Error::Document`] when what is left of it makes no sense.
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        let failed = |e| Error::io("read", &self.file.path, e);
        let (reader, splitter) = match &mut self.body {
            Body::Delimited { reader, splitter, .. } => (reader, splitter),
            Body::Nested(nested) => return nested.next(&self.file, self.encoding, self.format),
        };
        let record = reader.next_record().map_err(failed)?;
        let Some(record) = record else { return Ok(None) };
        let line = record.line;
        let broken = |column, fault| Ok(Some(Row::Broken { line, column, fault }));
        match record.broken {
            Some(Broken::TooLong) => return broken(None, too_long("line")),
            Some(Broken::Unclosed) => return broken(None, unclosed()),
            None => {}
        }
        match decode(reader.raw(), self.encoding) {
            Ok(text) => splitter.split(&text),
            Err(()) => {
                let column = splitter
                    .first_not_utf8(reader.raw())
                    .and_then(|i| self.columns.get(i))
                    .cloned();
                return broken(column, not_utf8());
            }
        }
        let (found, wanted) = (splitter.len(), self.columns.len());
        // Some writers end every line with a delimiter.
        let surplus_is_empty = (wanted..found).all(|i| splitter.field(i).is_empty());
        if found < wanted || !surplus_is_empty {
            if reader.retreat_to_first_line(record) {
                return broken(None, unclosed());
            }
            let guess = if found < wanted {
                "it is cut off"
            } else {
                "it has a delimiter too many"
            };
            return broken(
                None,
                Fault::new("fields", format!("the row has {found} fields, not {wanted}: {guess}")),
            );
        }
        Ok(Some(Row::Fields { line }))
    }

    /// A field of the current row, without the space around it.
    pub fn field(&self, index: usize) -> &str {
        let text = match &self.body {
            Body::Delimited { splitter, .. } => splitter.field(index),
            Body::Nested(nested) => match nested.found_at(index) {
                Some(Found::Text(text)) => text,
                _ => "",
            },
        };
        // Nearly every field begins and ends with a character that is plainly no space.
        match text.as_bytes() {
            [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
            _ => text.trim(),
        }
    }

    /// Where a field holds several values, what they are and what to write instead.
    pub fn nested(&self, index: usize) -> Option<&'static str> {
        match &self.body {
            Body::Delimited { .. } => None,
            Body::Nested(nested) => match nested.found_at(index) {
                Some(Found::Nested(what)) => Some(what),
                _ => None,
            },
        }
    }

    /// Whether a field is taken from every element of a list.
    pub fn is_each(&self, index: usize) -> bool {
        match &self.body {
            Body::Delimited { .. } => false,
            Body::Nested(nested) => nested.paths.get(index).is_some_and(|(_, path)| path.is_each()),
        }
    }

    /// Whether two fields are taken from the elements of one list.
    pub fn share_list(&self, one: usize, other: usize) -> bool {
        match &self.body {
            Body::Delimited { .. } => false,
            Body::Nested(nested) => match (nested.paths.get(one), nested.paths.get(other)) {
                (Some((_, one)), Some((_, other))) => one.shares_list(other),
                _ => false,
            },
        }
    }

    /// How many elements the list of such a field has in the current record.
    pub fn elements(&self, index: usize) -> usize {
        match &self.body {
            Body::Delimited { .. } => 1,
            Body::Nested(nested) => nested.found.get(index).map_or(0, Vec::len),
        }
    }

    /// Lets [`Rows::field`] give the values of that element.
    pub fn select(&mut self, element: usize) {
        if let Body::Nested(nested) = &mut self.body {
            nested.element = element;
        }
    }

    /// The record's bytes as they stand in the file; of Parquet, the row as JSON.
    pub fn raw(&self) -> &[u8] {
        match &self.body {
            Body::Delimited { reader, .. } => reader.raw(),
            Body::Nested(nested) => &nested.raw,
        }
    }

    /// The record as text, for people to read.
    pub fn original(&self) -> Cow<'_, str> {
        self.encoding.text(self.raw())
    }

    /// How the text of the records is written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// How much of the file as it is stored was read, in bytes.
    pub fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.position)
    }

    /// What a row's lineage names: the file, and for records without lines of their own the list that they are counted
    /// in, as in `page.json:_embedded.events[]`.
    pub fn source(&self) -> String {
        match &self.body {
            Body::Nested(nested) if self.format != Format::JsonLines => {
                format!("{}:{}[]", self.file.name, nested.records)
            }
            _ => self.file.name.clone(),
        }
    }

    /// The line that the current record begins on, where its number is not that line.
    pub fn line_in_file(&self) -> Option<u64> {
        match (&self.body, self.format) {
            (Body::Nested(nested), Format::Json | Format::Xml) => Some(nested.line),
            _ => None,
        }
    }

    /// What a person should know after the last row: a way to the records that led nowhere, paths that no record has.
    pub fn notes(&self, wanted: bool) -> Vec<String> {
        let Body::Nested(nested) = &self.body else {
            return Vec::new();
        };
        let file = &self.file.name;
        if nested.number == 0 {
            let missing = match &nested.reader {
                NestedReader::Json(documents) => documents.missing.as_deref(),
                NestedReader::Xml(elements) if !elements.found_any => Some(nested.records.as_str()),
                _ => None,
            };
            return vec![match missing {
                Some(part) if !part.is_empty() => {
                    format!(
                        "{file} has no records: there is no {part} in it (records = {:?})",
                        nested.records
                    )
                }
                _ => format!("{file} has no records"),
            }];
        }
        nested
            .paths
            .iter()
            .zip(&nested.seen)
            .filter(|(_, seen)| wanted && !**seen)
            .map(|((name, _), _)| {
                let hint = did_you_mean(name, nested.known.iter().map(String::as_str));
                format!("{file}: no record has a value at {name:?}. {hint}")
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    /// Where the column of that name stands; of nested records, the path of that name.
    ///
    /// # Errors
    /// [`Error::MissingColumn`] names the nearest one; [`Error::Header`] if two columns have the name or the path makes
    /// no sense.
    pub fn column(&mut self, name: &str, wanted_by: impl Fn() -> String) -> Result<usize> {
        if let Body::Nested(nested) = &mut self.body {
            let path = FieldPath::parse(name).map_err(|message| Error::Header {
                file: self.file.name.clone(),
                line: 1,
                message: format!("the path {name:?}{} does not read: {message}", wanted_by()),
                mend: "A path is written like venue.city.name or images[0].url".to_owned(),
            })?;
            let is_column = |key| self.columns.is_empty() || self.columns.iter().any(|column| column == key);
            if path.first_key().is_none_or(is_column) {
                if let Some(index) = nested.paths.iter().position(|(_, known)| *known == path) {
                    return Ok(index);
                }
                nested.paths.push((name.to_owned(), path));
                nested.seen.push(false);
                return Ok(nested.paths.len() - 1);
            }
        }
        let mut found = self.columns.iter().enumerate().filter(|(_, column)| *column == name);
        match (found.next(), found.next()) {
            (Some((index, _)), None) => Ok(index),
            (Some(_), Some(_)) => Err(Error::Header {
                file: self.file.name.clone(),
                line: 1,
                message: format!("two columns have the name {name:?}"),
                mend: "Rename one of them".to_owned(),
            }),
            (None, _) => Err(Error::MissingColumn {
                file: self.file.name.clone(),
                column: name.to_owned(),
                wanted_by: wanted_by(),
                hint: self.hint(name),
                columns: self.columns.join(", "),
            }),
        }
    }

    /// The current record as a value; none of CSV.
    pub fn value(&self) -> Option<Value> {
        match &self.body {
            Body::Delimited { .. } => None,
            Body::Nested(nested) => nested.value.clone(),
        }
    }

    fn hint(&self, name: &str) -> String {
        if let ([only], Body::Delimited { delimiter, .. }) = (self.columns.as_slice(), &self.body) {
            let likely = [b',', b';', b'\t', b'|']
                .into_iter()
                .filter(|d| d != delimiter)
                .map(|d| (only.bytes().filter(|b| *b == d).count(), d))
                .max();
            if let Some((count, delimiter)) = likely
                && count > 0
            {
                return format!(
                    "The line looks separated by {:?}: write delimiter = {0:?} in the mapping. ",
                    String::from(char::from(delimiter))
                );
            }
        }
        did_you_mean(name, self.columns.iter().map(String::as_str))
    }
}

impl Template {
    /// The rows of one block of the file.
    pub fn rows(&self, block: &Block) -> Rows {
        let (line, ends_with_file) = (block.line, block.ends_with_file);
        let text: Text = Box::new(Cursor::new(block.bytes.clone()));
        let body = match self.format {
            Format::JsonLines => {
                let reader = NestedReader::Lines(json::Lines::new(text, line));
                Body::Nested(Box::new(Nested::new(reader, String::new(), self.paths.clone())))
            }
            _ => Body::Delimited {
                reader: RecordReader::of_block(text, self.delimiter, line, ends_with_file),
                splitter: Box::new(Splitter::new(self.delimiter)),
                delimiter: self.delimiter,
            },
        };
        Rows {
            file: self.file.clone(),
            columns: self.columns.clone(),
            format: self.format,
            position: Arc::default(),
            hash: Arc::default(),
            encoding: self.encoding,
            body,
        }
    }
}

/// The fault of a record beyond the limit.
pub fn too_long(what: &str) -> Fault {
    let message = format!("the {what} has more than {MAX_RECORD_BYTES} bytes (MAX_RECORD_BYTES)");
    Fault::new("too_long", message)
}

/// The fault of a record whose text does not read.
pub fn not_utf8() -> Fault {
    let message = "the text is not valid UTF-8; if the file is Latin-1, write encoding = \"latin-1\"";
    Fault::new("utf8", message)
}

fn unclosed() -> Fault {
    Fault::new("quote", "a quote is opened and not closed")
}

/// The text of a record; an error where it is not valid.
pub fn decode(raw: &[u8], encoding: Encoding) -> Result<Cow<'_, str>, ()> {
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(raw).map(Cow::Borrowed).map_err(|_| ()),
        Encoding::Latin1 => Ok(encoding_rs::WINDOWS_1252.decode_without_bom_handling(raw).0),
    }
}
