//! What can go wrong while a schema is looked at.

use std::path::{Path, PathBuf};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} holds no table: put files ending in .csv, .tsv, .psv, .jsonl, .ndjson or .parquet there{}", path.display(), also_found(.left_out))]
    NoTables { path: PathBuf, left_out: Vec<String> },
    #[error("{}: {message}", path.display())]
    File { path: PathBuf, message: String },
    /// The engine could not answer a question about the data.
    #[error("cannot look at the table {table}: {source}")]
    Engine {
        table: String,
        source: concert_redshift::RedshiftError,
    },
    /// The catalogue names a table or a column that the files do not have.
    #[error("the catalogue does not fit the files in {}:{}", path.display(), lines(.problems))]
    Mismatch { path: PathBuf, problems: Vec<String> },
    #[error("cannot look at the table {table}: {message}")]
    Content { table: String, message: String },
    /// The Redshift Data API cannot be reached, or refuses.
    #[error("the Redshift Data API does not answer as it should: {0}")]
    Redshift(String),
    /// A statement did not end with a result; in the engine's words.
    #[error("Redshift could not run a statement: {0}")]
    RedshiftStatement(String),
    /// A fault of this crate: what it wrote does not pass the catalogue's own check.
    #[error("the catalogue that was inferred does not pass its check: {0}")]
    Inferred(#[from] concert_contract::compile::CatalogueError),
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Error {
        Error::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn file(path: &Path, message: impl ToString) -> Error {
        Error::File {
            path: path.to_owned(),
            message: message.to_string(),
        }
    }
}

fn also_found(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!(" (found {})", names.join(", "))
    }
}

fn lines(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
