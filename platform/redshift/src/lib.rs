//! Redshift's dialect and statements on DataFusion, over the lake's published tables.
//!
//! A [`Warehouse`] takes one read-only statement with named parameters and gives typed columns and rows as Redshift
//! would: its type names, its integer division and averages, its order of NULLs, its names of columns. Whatever
//! speaks to Redshift through its Data API, or asks the lake from the command line, ends here.

mod catalog;
mod command;
mod copy;
mod dialect;
mod engine;
mod error;
mod functions;
mod moment;
mod parameters;
mod result;
mod runtime;
mod session;
mod stored;
mod tables;
mod types;
mod warehouse;

pub use engine::Limits;
pub use error::RedshiftError;
pub use result::{ColumnInfo, QueryResult, Value};
pub use session::{Cluster, ClusterOptions, Listed, Outcome, Session, Sink};
pub use stored::{ResultReader, ResultWriter};
pub use tables::Tables;
pub use warehouse::{TableInfo, Warehouse, matches};
