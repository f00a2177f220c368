//! What can go wrong with the lake. Every variant says what was being done to which file or table.

use crate::schema::Layer;
use std::path::{Path, PathBuf};

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

    #[error("{location} cannot be opened: {reason}")]
    Location { location: String, reason: String },

    #[error("could not {what} {location}: {source}")]
    Store {
        what: &'static str,
        location: String,
        source: Box<object_store::Error>,
    },

    #[error("{} does not read as a snapshot: {source}. Restore it from a copy, or delete it and ingest again", path.display())]
    Pointer { path: PathBuf, source: serde_json::Error },

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

    #[error("{} is being written by {holder}. Wait until it is done, or end it", path.display())]
    LeaseHeld { path: PathBuf, holder: String },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: &Path, source: std::io::Error) -> Error {
        Error::Io {
            what,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn store(what: &'static str, location: &str, source: object_store::Error) -> Error {
        Error::Store {
            what,
            location: location.to_owned(),
            source: Box::new(source),
        }
    }

    pub(crate) fn table(what: &'static str, layer: Layer, table: &str, source: deltalake::DeltaTableError) -> Error {
        Error::Table {
            what,
            layer: layer.name(),
            table: table.to_owned(),
            source: Box::new(source),
        }
    }

    pub(crate) fn query(what: impl Into<String>, source: datafusion::error::DataFusionError) -> Error {
        Error::Query {
            what: what.into(),
            source: Box::new(source),
        }
    }
}
