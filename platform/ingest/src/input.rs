//! Opens a file for reading, whatever it is wrapped in: gzip and zstd are known by their first bytes and unpacked as a
//! stream, and a byte order mark is left out. It also tells what the text inside is, where nobody says so.

use crate::{Error, Result, source::DataFile};
use sha2::{Digest as _, Sha256};
use std::{
    io::{BufRead, BufReader, Cursor, Read},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// How much of a file is looked at to tell what it is, in bytes.
const SNIFF_BYTES: usize = 8 << 10;

const BUFFER_BYTES: usize = 256 << 10;

/// The largest window that a zstd file may ask for, as a power of two: 128 MiB, which `zstd --ultra -22` writes and
/// `unzstd` allows. What a file asks for is held in memory.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

const GZIP: &[u8] = b"\x1F\x8B";
const ZSTD: &[u8] = b"\x28\xB5\x2F\xFD";
const PARQUET: &[u8] = b"PAR1";

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    /// One document, or several after each other.
    Json,
    /// One JSON value on each line.
    JsonLines,
    Xml,
    Parquet,
}

impl Format {
    pub const NAMES: &'static str = "csv, json, jsonl, xml or parquet";

    /// As a mapping writes it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Json => "json",
            Format::JsonLines => "jsonl",
            Format::Xml => "xml",
            Format::Parquet => "parquet",
        }
    }

    pub fn of_name(name: &str) -> Option<Format> {
        match name {
            "csv" | "tsv" => Some(Format::Csv),
            "json" => Some(Format::Json),
            "jsonl" | "ndjson" => Some(Format::JsonLines),
            "xml" => Some(Format::Xml),
            "parquet" => Some(Format::Parquet),
            _ => None,
        }
    }
}

pub type Text = Box<dyn BufRead + Send>;

pub struct Input {
    /// The text, unpacked, from its first byte.
    pub text: Text,
    /// The beginning of the text.
    pub start: Vec<u8>,
    /// How much of the file as it is stored was read, in bytes.
    pub position: Arc<AtomicU64>,
    /// The hash of all that was unpacked so far.
    pub hash: Arc<Mutex<Sha256>>,
    packed: bool,
}

impl Input {
    /// # Errors
    /// As [`Input::of`].
    pub fn open(path: &Path) -> Result<Input> {
        Input::of(&DataFile::new(path.to_owned()))
    }

    /// # Errors
    /// [`Error::Io`] when the file cannot be read or what it is packed with is damaged.
    pub fn of(file: &DataFile) -> Result<Input> {
        let path = file.path.as_path();
        let failed = |e| Error::io("read", path, e);
        let mut stored = file.reader()?;
        let mut magic = Vec::with_capacity(4);
        (&mut stored).take(4).read_to_end(&mut magic).map_err(failed)?;
        let position = Arc::new(AtomicU64::new(0));
        let packed = magic.starts_with(GZIP) || magic.starts_with(ZSTD);
        let (is_gzip, is_zstd) = (magic.starts_with(GZIP), magic.starts_with(ZSTD));
        let counted = Counted {
            stored: Cursor::new(magic).chain(stored),
            position: Arc::clone(&position),
        };
        let unpacked: Box<dyn Read + Send> = if is_gzip {
            Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(
                BUFFER_BYTES,
                counted,
            )))
        } else if is_zstd {
            let unpack = |e| Error::io("unpack", path, e);
            let mut decoder = zstd::stream::read::Decoder::new(counted).map_err(unpack)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).map_err(unpack)?;
            Box::new(decoder)
        } else {
            Box::new(counted)
        };
        let hash = Arc::new(Mutex::new(Sha256::new()));
        let mut hashed = Hashed {
            unpacked,
            hash: Arc::clone(&hash),
        };
        let mut start = Vec::with_capacity(SNIFF_BYTES);
        let what = if packed { "unpack" } else { "read" };
        (&mut hashed)
            .take(SNIFF_BYTES as u64)
            .read_to_end(&mut start)
            .map_err(|e| Error::io(what, path, e))?;
        // A byte order mark is no part of the first column's name.
        if start.starts_with(b"\xEF\xBB\xBF") {
            start.drain(..3);
        }
        let text = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(start.clone()).chain(hashed));
        Ok(Input {
            text: Box::new(text),
            start,
            position,
            hash,
            packed,
        })
    }

    /// What the file is: by its first bytes, by its name, by its text, in this order.
    ///
    /// # Errors
    /// [`Error::NotReadable`] for Parquet inside of gzip or zstd, which cannot be read as a stream.
    pub fn format(&self, path: &Path) -> Result<Format> {
        if self.start.starts_with(PARQUET) {
            if self.packed {
                return Err(Error::NotReadable {
                    path: path.to_owned(),
                    wanted: "a Parquet file",
                    found: "it is packed once more".to_owned(),
                    mend: "Unpack it first (gunzip or unzstd): Parquet is packed inside".to_owned(),
                });
            }
            return Ok(Format::Parquet);
        }
        Ok(format_of_name(path).unwrap_or_else(|| {
            match self
                .start
                .iter()
                .position(|b| !b.is_ascii_whitespace())
                .map(|at| &self.start[at..])
            {
                Some([b'{', ..] | [b'[', b'{' | b'[' | b'\n' | b'\r' | b' ', ..]) => Format::Json,
                Some(text) if text.starts_with(b"<?xml") => Format::Xml,
                _ => Format::Csv,
            }
        }))
    }
}

/// What a file's name says that it is: `a.jsonl.gz` holds JSON Lines.
pub fn format_of_name(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    let name = [".gz", ".gzip", ".zst", ".zstd"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    Format::of_name(name.rsplit_once('.')?.1)
}

/// Refuses a file that is plainly not what it is said to be.
///
/// # Errors
/// [`Error::NotReadable`] says what it looks like, and what to do.
pub fn refuse_other_formats(path: &Path, start: &[u8], format: Format) -> Result<()> {
    let (wanted, save_as) = match format {
        Format::Csv => ("a CSV file", "CSV in UTF-8"),
        Format::Json => ("a JSON file", "JSON"),
        Format::JsonLines => ("a file of JSON Lines", "JSON Lines"),
        Format::Xml => ("an XML file", "XML in UTF-8"),
        Format::Parquet => ("a Parquet file", "Parquet"),
    };
    let refused = |found: &str, mend: String| Error::NotReadable {
        path: path.to_owned(),
        wanted,
        found: found.to_owned(),
        mend,
    };
    if format == Format::Parquet {
        if start.starts_with(b"PAR1") {
            return Ok(());
        }
        return Err(refused(
            "it does not begin as one",
            "Write its format in the mapping".to_owned(),
        ));
    }
    let save_as = |what: &str| format!("Save {what} as {save_as} and give that");
    let known: [(&[u8], &str, String); 6] = [
        (b"PK\x03\x04", "a zip archive or a spreadsheet", save_as("the sheet")),
        (
            b"PAR1",
            "a Parquet file",
            "Write format = \"parquet\" in the mapping".to_owned(),
        ),
        (b"%PDF", "a PDF document", save_as("its table")),
        (b"\xD0\xCF\x11\xE0", "an old spreadsheet", save_as("the sheet")),
        (b"\xFF\xFE", "text in UTF-16", save_as("it")),
        (b"\xFE\xFF", "text in UTF-16", save_as("it")),
    ];
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
    let is_json = first.starts_with(b"{") || first.starts_with(b"[{") || first.starts_with(b"[\n");
    let is_xml = first.starts_with(b"<?xml") || first.starts_with(b"<!DOCTYPE") || first.starts_with(b"<html");
    match format {
        Format::Csv if is_json => Err(refused(
            "it looks like JSON",
            "Name it .json (.jsonl with a record on each line), or write its format in the mapping".to_owned(),
        )),
        Format::Csv if is_xml => Err(refused(
            "it looks like XML or HTML",
            "Name it .xml if it is XML, or save its table as CSV".to_owned(),
        )),
        Format::Json | Format::JsonLines if first.starts_with(b"<") => Err(refused(
            "it looks like XML or HTML",
            "Perhaps a server answered with an error page: look into it".to_owned(),
        )),
        Format::Xml if !first.is_empty() && !first.starts_with(b"<") => Err(refused(
            "it does not begin with a tag",
            "Write its format in the mapping".to_owned(),
        )),
        _ => Ok(()),
    }
}

struct Counted<R> {
    stored: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.stored.read(buffer)?;
        self.position.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Hashes what passes, so that what a file holds is known when it has been read.
struct Hashed {
    unpacked: Box<dyn Read + Send>,
    hash: Arc<Mutex<Sha256>>,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.unpacked.read(buffer)?;
        let mut hash = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
        hash.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_is_inside() {
        for (name, wanted) in [
            ("a.csv", Some(Format::Csv)),
            ("A.JSON", Some(Format::Json)),
            ("a.jsonl.gz", Some(Format::JsonLines)),
            ("a.xml.zst", Some(Format::Xml)),
            ("a.b.parquet", Some(Format::Parquet)),
            ("a.txt", None),
            ("json", None),
        ] {
            assert_eq!(format_of_name(Path::new(name)), wanted, "{name}");
        }
    }
}
