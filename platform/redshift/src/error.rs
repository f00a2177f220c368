//! What can go wrong with a statement.

use datafusion::error::DataFusionError;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum RedshiftError {
    #[error("Parameters list contains unused parameters. Unused parameters: [{}]", .0.join(", "))]
    ParameterUnused(Vec<String>),
    #[error("Parameters list is missing values. Undefined parameters: [{}]", .0.join(", "))]
    ParameterMissing(Vec<String>),
    #[error("{0:?} is no name of a parameter: use letters, digits and _")]
    ParameterName(String),
    #[error("Parameter {0} is empty: a value has at least one character; write '' in the SQL")]
    ParameterEmpty(String),
    #[error("Parameter {0} is given twice")]
    ParameterTwice(String),
    /// The text does not parse; says where.
    #[error("{0}")]
    Syntax(String),
    #[error("expected one statement, found {0}: send each statement by itself")]
    NotOne(usize),
    /// Names what was refused.
    #[error("{0} is not accepted here: the published tables are read-only; use SELECT, WITH, EXPLAIN or SHOW")]
    NotReadOnly(String),
    /// Parses, but this engine does not have it; says what to write instead.
    #[error("{0}")]
    NotSupported(String),
    /// A value, a name or a state that the statement cannot go on with, in Redshift's words.
    #[error("{0}")]
    Data(String),
    /// A table of the lake, which is written by publications only.
    #[error(
        "permission denied for relation {0}: it is published by the platform and read-only here. Copy it with CREATE \
         TABLE AS, or use another database"
    )]
    Published(String),
    /// The name is one that no database can have, or has here.
    #[error("FATAL: database \"{0}\" does not exist")]
    NoDatabase(String),
    /// The database's own files could not be read or written.
    #[error("{0}")]
    Storage(String),
    /// The statement is well formed but names what is not there, mixes types, or failed on a value.
    #[error("{}", message(.0))]
    Statement(DataFusionError),
    #[error("the statement took longer than {} s and was ended", .0.as_secs())]
    Timeout(Duration),
    #[error("the result is larger than {} MB: ask for fewer rows or columns", .0 >> 20)]
    ResultTooLarge(usize),
    /// The published tables could not be opened or read.
    #[error("cannot read the published tables: {0}")]
    Lake(#[from] concert_lake::Error),
    /// This machine is at fault, not the statement.
    #[error("{0}")]
    Engine(String),
    /// A value that does not fit the column's type on the wire.
    #[error("cannot write column {column} as {type_name}: {message}")]
    Value {
        column: String,
        type_name: &'static str,
        message: String,
    },
}

impl RedshiftError {
    /// Whether the caller's parameters are at fault: the Data API refuses those at once, before it makes a statement.
    pub fn is_parameter(&self) -> bool {
        use RedshiftError::*;
        matches!(
            self,
            ParameterUnused(_) | ParameterMissing(_) | ParameterName(_) | ParameterEmpty(_) | ParameterTwice(_)
        )
    }
}

impl From<DataFusionError> for RedshiftError {
    fn from(error: DataFusionError) -> Self {
        RedshiftError::Statement(error)
    }
}

/// The error's root in Redshift's words where it has some, without the engine's own prefixes.
fn message(error: &DataFusionError) -> String {
    if let DataFusionError::External(inner) = error.find_root()
        && let Some(own) = inner.downcast_ref::<RedshiftError>()
    {
        return own.to_string();
    }
    let text = error.find_root().strip_backtrace();
    let mut text = text.as_str();
    for prefix in [
        "SQL error: ",
        "Error during planning: ",
        "Schema error: ",
        "Execution error: ",
        "Arrow error: ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    let missing = text
        .strip_prefix("table '")
        .and_then(|rest| rest.split_once("' not found"));
    if let Some((name, _)) = missing {
        // The engine puts its own catalogue before the schema.
        let name = name.split_once('.').map_or(name, |(_, rest)| rest);
        let name = name.strip_prefix(concat!("__path", ".")).unwrap_or(name);
        return format!("relation \"{name}\" does not exist");
    }
    text.trim_end().to_owned()
}
