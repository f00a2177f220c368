//! Opens the files of a load and gives out their rows as text. What is no CSV file at all is refused here, before a
//! single row is read.

use crate::{
    Error, Result,
    error::did_you_mean,
    mapping::{Encoding, Source},
    records::{Broken, MAX_RECORD_BYTES, RecordReader, Splitter},
    value::Fault,
};
use sha2::{Digest as _, Sha256};
use std::{
    borrow::Cow,
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

/// How much of a file is looked at to tell what it is, in bytes.
const SNIFF_BYTES: usize = 8 << 10;

const BUFFER_BYTES: usize = 64 << 10;

/// A file of this load and the name that its records are traced by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DataFile {
    pub path: PathBuf,
    pub name: String,
}

impl DataFile {
    pub fn new(path: PathBuf) -> DataFile {
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        DataFile { path, name }
    }

    /// The hash of the file's bytes, in hex, and how many bytes there are.
    pub fn sha256(&self) -> Result<(String, u64)> {
        let failed = |e| Error::io("read", &self.path, e);
        let mut file = File::open(&self.path).map_err(failed)?;
        let mut hash = Sha256::new();
        let bytes = std::io::copy(&mut file, &mut hash).map_err(failed)?;
        Ok((hex::encode(hash.finalize()), bytes))
    }
}

/// The files behind what was named on the command line: a folder stands for the files in it, in the order of their
/// names.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<DataFile>> {
    let mut files = Vec::new();
    for path in paths {
        let about = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
        if !about.is_dir() {
            files.push(DataFile::new(path.clone()));
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|e| Error::io("read the folder", path, e))? {
            let entry = entry.map_err(|e| Error::io("read the folder", path, e))?.path();
            let hidden = entry
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if entry.is_file() && !hidden {
                inside.push(DataFile::new(entry));
            }
        }
        inside.sort();
        files.append(&mut inside);
    }
    if files.is_empty() {
        Err(Error::NoFiles)
    } else {
        Ok(files)
    }
}

/// The rows of one file.
pub struct Rows {
    pub file: DataFile,
    pub columns: Vec<String>,
    reader: RecordReader<BufReader<File>>,
    splitter: Splitter,
    encoding: Encoding,
    delimiter: u8,
}

/// What [`Rows::next_row`] found.
pub enum Row {
    /// Its fields are there to be read.
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
    /// [`Error::NotCsv`], [`Error::Header`], [`Error::Io`].
    pub fn open(file: &DataFile, source: &Source) -> Result<Rows> {
        let failed = |e| Error::io("read", &file.path, e);
        let mut input = File::open(&file.path).map_err(failed)?;
        let mut start = Vec::with_capacity(SNIFF_BYTES);
        (&mut input)
            .take(SNIFF_BYTES as u64)
            .read_to_end(&mut start)
            .map_err(failed)?;
        refuse_other_formats(&file.path, &start)?;
        // A byte order mark is no part of the first column's name.
        let skip = if start.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        input.seek(SeekFrom::Start(skip)).map_err(failed)?;
        let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
        let empty = input.fill_buf().map_err(failed)?.is_empty();
        let mut rows = Rows {
            file: file.clone(),
            columns: source.columns.clone().unwrap_or_default(),
            reader: RecordReader::new(input, source.delimiter),
            splitter: Splitter::new(source.delimiter),
            encoding: source.encoding,
            delimiter: source.delimiter,
        };
        if source.header {
            if empty {
                return Err(Error::Header {
                    file: file.name.clone(),
                    line: 1,
                    message: "the file is empty".to_owned(),
                    mend: "Give a file with a header, or leave it out".to_owned(),
                });
            }
            let header = rows.read_header()?;
            if source.columns.is_none() {
                rows.columns = header;
            }
        }
        Ok(rows)
    }

    fn read_header(&mut self) -> Result<Vec<String>> {
        let refused = |line, message: String, mend: &str| Error::Header {
            file: self.file.name.clone(),
            line,
            message,
            mend: mend.to_owned(),
        };
        let record = self
            .reader
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
        let text = match decode(self.reader.raw(), self.encoding) {
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
        self.splitter.split(text.as_bytes());
        Ok((0..self.splitter.len())
            .map(|i| String::from_utf8_lossy(self.splitter.field(i)).trim().to_owned())
            .collect())
    }

    /// Reads the next row.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read on.
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        let record = self
            .reader
            .next_record()
            .map_err(|e| Error::io("read", &self.file.path, e))?;
        let Some(record) = record else { return Ok(None) };
        let line = record.line;
        let broken = |column, fault| Ok(Some(Row::Broken { line, column, fault }));
        match record.broken {
            Some(Broken::TooLong) => {
                let message = format!("the line has more than {MAX_RECORD_BYTES} bytes (MAX_RECORD_BYTES)");
                return broken(None, Fault::new("too_long", message));
            }
            Some(Broken::Unclosed) => return broken(None, unclosed()),
            None => {}
        }
        match decode(self.reader.raw(), self.encoding) {
            Ok(text) => self.splitter.split(text.as_bytes()),
            Err(()) => {
                self.splitter.split(self.reader.raw());
                let at = (0..self.splitter.len()).find(|i| std::str::from_utf8(self.splitter.field(*i)).is_err());
                let column = at.and_then(|i| self.columns.get(i)).cloned();
                let message = "the text is not valid UTF-8; if the file is Latin-1, write encoding = \"latin-1\"";
                return broken(column, Fault::new("utf8", message));
            }
        }
        let (found, wanted) = (self.splitter.len(), self.columns.len());
        // Some writers end every line with a delimiter.
        let surplus_is_empty = (wanted..found).all(|i| self.splitter.field(i).is_empty());
        if found < wanted || !surplus_is_empty {
            if self.reader.retreat_to_first_line(record) {
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
        // The whole record was checked, and fields are cut at ASCII characters.
        std::str::from_utf8(self.splitter.field(index))
            .unwrap_or_default()
            .trim()
    }

    /// The record's bytes as they stand in the file.
    pub fn raw(&self) -> &[u8] {
        self.reader.raw()
    }

    /// The record as text, for people to read.
    pub fn original(&self) -> Cow<'_, str> {
        match self.encoding {
            Encoding::Utf8 => String::from_utf8_lossy(self.raw()),
            Encoding::Latin1 => encoding_rs::WINDOWS_1252.decode_without_bom_handling(self.raw()).0,
        }
    }

    pub fn bytes_read(&self) -> u64 {
        self.reader.bytes_read()
    }

    /// Where the column of that name stands.
    ///
    /// # Errors
    /// [`Error::MissingColumn`] names the nearest one; [`Error::Header`] if two columns have the name.
    pub fn column(&self, name: &str, wanted_by: impl FnOnce() -> String) -> Result<usize> {
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

    fn hint(&self, name: &str) -> String {
        if let [only] = self.columns.as_slice() {
            let likely = [b',', b';', b'\t', b'|']
                .into_iter()
                .filter(|d| *d != self.delimiter)
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

fn unclosed() -> Fault {
    Fault::new("quote", "a quote is opened and not closed")
}

fn decode(raw: &[u8], encoding: Encoding) -> Result<Cow<'_, str>, ()> {
    match encoding {
        Encoding::Utf8 => std::str::from_utf8(raw).map(Cow::Borrowed).map_err(|_| ()),
        Encoding::Latin1 => Ok(encoding_rs::WINDOWS_1252.decode_without_bom_handling(raw).0),
    }
}

fn refuse_other_formats(path: &Path, start: &[u8]) -> Result<()> {
    let save_as = |what: &str| format!("Save {what} as CSV in UTF-8 and give that");
    let known: [(&[u8], &str, String); 8] = [
        (b"PK\x03\x04", "a zip archive or a spreadsheet", save_as("the sheet")),
        (b"PAR1", "a Parquet file", save_as("it")),
        (
            b"\x1F\x8B",
            "compressed with gzip",
            "Unpack it first (gunzip)".to_owned(),
        ),
        (
            b"\x28\xB5\x2F\xFD",
            "compressed with zstd",
            "Unpack it first (unzstd)".to_owned(),
        ),
        (b"%PDF", "a PDF document", save_as("its table")),
        (b"\xD0\xCF\x11\xE0", "an old spreadsheet", save_as("the sheet")),
        (b"\xFF\xFE", "text in UTF-16", save_as("it")),
        (b"\xFE\xFF", "text in UTF-16", save_as("it")),
    ];
    let refused = |found: &str, mend: String| Error::NotCsv {
        path: path.to_owned(),
        found: found.to_owned(),
        mend,
    };
    if let Some((_, found, mend)) = known.into_iter().find(|(magic, _, _)| start.starts_with(magic)) {
        return Err(refused(&format!("it is {found}"), mend));
    }
    if start.contains(&0) {
        return Err(refused("it holds zero bytes", "Give a text file".to_owned()));
    }
    let first = start
        .iter()
        .position(|b| !b.is_ascii_whitespace())
        .map(|at| &start[at..])
        .unwrap_or_default();
    if first.starts_with(b"{") || first.starts_with(b"[{") || first.starts_with(b"[\n") {
        return Err(refused("it looks like JSON", save_as("it")));
    }
    if first.starts_with(b"<?xml") || first.starts_with(b"<!DOCTYPE") || first.starts_with(b"<html") {
        return Err(refused("it looks like XML or HTML", save_as("its table")));
    }
    Ok(())
}
