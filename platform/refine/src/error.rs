//! Why a publication did not happen. What was published before stays.

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Lake(#[from] concert_lake::Error),

    #[error("the catalogue's {place}: {message}")]
    Catalogue { place: String, message: String },

    #[error("could not run {sql:?}: {source}")]
    Query {
        sql: String,
        source: Box<datafusion::error::DataFusionError>,
    },

    #[error("could not put the rows of {table} together: {source}")]
    Arrow {
        table: &'static str,
        source: arrow::error::ArrowError,
    },

    #[error("could not write as JSON: {source}")]
    Json { source: serde_json::Error },
}
