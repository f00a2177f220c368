//! Why a publication did not happen. What was published before stays.

use datafusion::error::DataFusionError;
use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Lake(#[from] concert_lake::Error),

    #[error("the catalogue's {place}: {message}")]
    Catalogue { place: String, message: String },

    #[error("could not run {sql:?}: {source}")]
    Query { sql: String, source: Box<DataFusionError> },

    #[error("could not put the rows of {table} together: {source}")]
    Arrow {
        table: &'static str,
        source: arrow::error::ArrowError,
    },

    #[error("could not write as JSON: {source}")]
    Json { source: serde_json::Error },

    #[error(
        "what was about to be published does not hold, so the publication from before stays: {}",
        .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Gates(Vec<Breach>),
}

/// A rule of the published tables that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Breach {
    /// Which rule: `rows`, `keys`, `required`, `references`, `daily_sales` …
    pub gate: &'static str,
    /// What was found, with the table and an example, and what to do.
    pub message: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.gate)
    }
}

impl Error {
    pub(crate) fn query(sql: &str, source: DataFusionError) -> Error {
        Error::Query {
            sql: sql.to_owned(),
            source: Box::new(source),
        }
    }
}
