//! What can go wrong with the lake. Every variant says what was being done to which file or table.

use crate::schema::Layer;
use std::{
    error::Error as StdError,
    io,
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

    #[error("{} is not a folder that tables can be kept in", path.display())]
    Path { path: PathBuf },

    #[error(
        "permission denied: could not {what} {place}. Give this user the right to, or name another folder with --home"
    )]
    Denied { what: String, place: String },

    #[error("{location} cannot be opened: {reason}")]
    Location { location: String, reason: String },

    #[error("could not {what} {location}: {source}")]
    Store {
        what: &'static str,
        location: String,
        source: Box<object_store::Error>,
    },

    #[error("{place} does not read as a snapshot: {source}. Restore it from a copy, or delete it and ingest again")]
    Pointer { place: String, source: serde_json::Error },

    #[error(
        "No space left: could not {what} {place}. Nothing was published and nothing is lost: make room there, then run \
         the same command again"
    )]
    NoSpace { what: String, place: String },

    #[error(
        "{place} is read-only: could not {what} it. Nothing was published and nothing is lost: make it writable, or \
         name another folder with --home, then run the same command again"
    )]
    ReadOnly { what: String, place: String },

    #[error("could not {what} the table {layer}.{table}: {source}")]
    Table {
        what: &'static str,
        layer: &'static str,
        table: String,
        source: Box<deltalake::DeltaTableError>,
    },

    #[error("the snapshot names version {version} of the table {table}, which no table can have")]
    NegativeVersion { table: String, version: i64 },

    #[error("there is no table {table} in {layer}")]
    NoSuchTable { layer: &'static str, table: String },

    #[error("could not {what}: {source}")]
    Query {
        what: String,
        source: Box<datafusion::error::DataFusionError>,
    },

    #[error("{what}: {source}")]
    Arrow {
        what: String,
        source: arrow::error::ArrowError,
    },

    #[error(
        "a row of {table} does not read: {message}. Publish again; if it stays, the lake's files were changed by hand"
    )]
    Content { table: &'static str, message: String },

    #[error("{place} is being written by {holder}. Wait until it is done, or end it")]
    LeaseHeld { place: String, holder: String },

    #[error(
        "another writer has taken over {place}, since this one was not heard of for too long. Nothing of this run was \
         published: run the same command again"
    )]
    LeaseLost { place: String },

    #[error("{name} is {value:?}: {reason}")]
    Setting {
        name: &'static str,
        value: String,
        reason: String,
    },

    #[error("a row of {table} does not fit: {message}")]
    Row { table: String, message: String },

    #[error("{asked:?} is no snapshot that is kept. {kept}")]
    NoSuchSnapshot { asked: String, kept: String },
}

/// What a disk that cannot be written says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DiskFault {
    NoSpace,
    ReadOnly,
    Denied,
}

/// Looks for a full or read-only disk among the causes of an error. Libraries pass some causes on as text only.
fn disk_fault(error: &(dyn StdError + 'static)) -> Option<DiskFault> {
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => return Some(DiskFault::NoSpace),
            Some(io::ErrorKind::ReadOnlyFilesystem) => return Some(DiskFault::ReadOnly),
            Some(io::ErrorKind::PermissionDenied) => return Some(DiskFault::Denied),
            _ => {}
        }
        next = error.source();
    }
    let text = error.to_string();
    if text.contains("No space left on device") || text.contains("Disk quota exceeded") {
        Some(DiskFault::NoSpace)
    } else if text.contains("Read-only file system") {
        Some(DiskFault::ReadOnly)
    } else {
        None
    }
}

/// The error of a disk that cannot be written, if `source` comes from one.
fn of_disk(what: &str, place: &str, source: &(dyn StdError + 'static)) -> Option<Error> {
    let (what, place) = (what.to_owned(), place.to_owned());
    disk_fault(source).map(|fault| match fault {
        DiskFault::NoSpace => Error::NoSpace { what, place },
        DiskFault::ReadOnly => Error::ReadOnly { what, place },
        DiskFault::Denied => Error::Denied { what, place },
    })
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Error {
        of_disk(what, &path.display().to_string(), &source).unwrap_or_else(|| Error::Io {
            what,
            path: path.to_owned(),
            source,
        })
    }

    pub(crate) fn store(what: &'static str, location: &str, source: object_store::Error) -> Error {
        of_disk(what, location, &source).unwrap_or_else(|| Error::Store {
            what,
            location: location.to_owned(),
            source: Box::new(source),
        })
    }

    pub(crate) fn table(what: &'static str, layer: Layer, table: &str, source: deltalake::DeltaTableError) -> Error {
        let place = format!("the table {}.{table}", layer.name());
        of_disk(what, &place, &source).unwrap_or_else(|| Error::Table {
            what,
            layer: layer.name(),
            table: table.to_owned(),
            source: Box::new(source),
        })
    }

    /// The error of a statement that failed, which may have been a full disk. `what` follows "could not".
    pub fn query(what: impl Into<String>, source: datafusion::error::DataFusionError) -> Error {
        let what = what.into();
        of_disk(&what, "with temporary files", &source).unwrap_or_else(|| Error::Query {
            what,
            source: Box::new(source),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deltalake::{DeltaTableError, parquet::errors::ParquetError};

    #[test]
    fn a_disk_that_cannot_be_written_is_found_however_deep_it_is() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let store = |source: io::Error| object_store::Error::Generic {
            store: "local",
            source: Box::new(source),
        };
        let parquet = DeltaTableError::from(ParquetError::External(Box::new(store(full()))));
        let error = Error::table("write", Layer::Clean, "concerts", parquet);
        assert!(matches!(error, Error::NoSpace { .. }), "{error}");
        assert!(
            error.to_string().contains("could not write the table clean.concerts"),
            "{error}"
        );
        // What a library has made text of.
        let text = DeltaTableError::generic("Arrow: No space left on device (os error 28)");
        let error = Error::table("write", Layer::Clean, "concerts", text);
        assert!(matches!(error, Error::NoSpace { .. }), "{error}");
        let read_only = store(io::ErrorKind::ReadOnlyFilesystem.into());
        let error = Error::store("write", "/data", read_only);
        assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
        let error = Error::io("open", Path::new("/data"), io::ErrorKind::PermissionDenied.into());
        assert!(matches!(error, Error::Denied { .. }), "{error}");
        let error = Error::io("open", Path::new("/data"), io::ErrorKind::NotFound.into());
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}
