//! Why a load could not be done at all. What is wrong with single records never ends up here: those go to the
//! quarantine, each with its own reason.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("could not {what} {}: {source}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },

    #[error("no file to read: name at least one file or folder")]
    NoFiles,

    /// The bytes are nothing that is read, or not what the file is said to be.
    #[error("{} is not {wanted}: {found}. {mend}", path.display())]
    NotReadable {
        path: PathBuf,
        wanted: &'static str,
        found: String,
        mend: String,
    },

    /// A document whose rest cannot be told into records.
    #[error("{file}, line {line}: {message}. The document is damaged or cut off: get it once more. Nothing was loaded")]
    Document { file: String, line: u64, message: String },

    /// The header of a file does not fit the mapping or the model.
    #[error("{file}, line 1: there is no column {column:?}{wanted_by}. {hint}Its columns are {columns}")]
    MissingColumn {
        file: String,
        column: String,
        wanted_by: String,
        hint: String,
        columns: String,
    },

    #[error("{file}, line {line}: {message}. {mend}")]
    Header {
        file: String,
        line: u64,
        message: String,
        mend: String,
    },

    /// A file of that name cannot be matched with a table, and there is no mapping that says so.
    #[error(
        "{file} is not named after a table, and no mapping says what is in it. Give --mapping, or name it after one \
         of {tables}"
    )]
    UnknownFile { file: String, tables: String },

    #[error("standard input has no name that says which table it fills. Give --mapping")]
    UnnamedInput,

    #[error("{}{}: {message}", path.display(), line.map(|n| format!(", line {n}")).unwrap_or_default())]
    Mapping {
        path: PathBuf,
        line: Option<usize>,
        message: String,
    },

    /// A file of rules that does not make sense; line and column from 1.
    #[error("{}{}: {message}", path.display(),
        place.map(|(line, column)| format!(", line {line}, column {column}")).unwrap_or_default())]
    Rules {
        path: PathBuf,
        place: Option<(usize, usize)>,
        message: String,
    },

    /// A record of the quarantine that cannot be read again.
    #[error("{message}")]
    NotReplayable { message: String },

    #[error("could not write the exported records: {source}")]
    Export { source: std::io::Error },

    /// A rule that reads well and cannot be judged on the rows at hand.
    #[error(
        "the rule {rule} of {table} could not be judged: {source}. Mend the rule, or switch it off: enabled = false"
    )]
    Rule {
        rule: String,
        table: &'static str,
        source: Box<datafusion::error::DataFusionError>,
    },

    #[error("{file}, line {line}: {message}. Mend the lookup file; nothing was loaded")]
    Lookup { file: String, line: u64, message: String },

    #[error(transparent)]
    Lake(#[from] concert_lake::Error),

    #[error("could not put the rows of {table} together: {source}")]
    Arrow {
        table: &'static str,
        source: arrow::error::ArrowError,
    },

    /// What was put into the staging folder does not read back.
    #[error(
        "{} does not read as it was written: {source}. Remove the folder that it is in and load again; nothing was \
         loaded", path.display()
    )]
    Staged {
        path: PathBuf,
        source: arrow::error::ArrowError,
    },

    #[error("the load was stopped. What was read to its end is kept: the same command goes on from there")]
    Stopped,

    /// A fault of this program.
    #[error("a thread of the load ended by itself: {0}. Nothing was loaded; please report this with the file")]
    Thread(String),

    /// A fault of this program; the load is not committed.
    #[error(
        "the counts of {table} do not close: {records_in} records came in, {accounted} are accounted for. Nothing was \
         loaded; please report this with the file"
    )]
    Counts {
        table: &'static str,
        records_in: u64,
        accounted: u64,
    },
}

impl Error {
    pub(crate) fn lake_query(what: impl Into<String>, source: datafusion::error::DataFusionError) -> Error {
        Error::Lake(concert_lake::Error::query(what, source))
    }

    pub(crate) fn io(what: &'static str, path: &Path, source: std::io::Error) -> Error {
        let (what_owned, place) = (what.to_owned(), path.display().to_string());
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Lake(concert_lake::Error::NoSpace {
                what: what_owned,
                place,
            }),
            ErrorKind::ReadOnlyFilesystem => Error::Lake(concert_lake::Error::ReadOnly {
                what: what_owned,
                place,
            }),
            _ => Error::Io {
                what,
                path: path.to_owned(),
                source,
            },
        }
    }
}

/// The name nearest to `wanted`, where one is near enough to be what was meant.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| {
            (
                strsim::normalized_damerau_levenshtein(&wanted.to_lowercase(), &name.to_lowercase()),
                name,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// `Did you mean "x"? `, or nothing.
pub(crate) fn did_you_mean<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wanted, names)
        .map(|name| format!("Did you mean {name:?}? "))
        .unwrap_or_default()
}
