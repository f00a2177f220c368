//! What both sides of the wire agree on: the semantic [`query::Query`], the [`catalogue::Catalogue`] it speaks of,
//! tables, charts, chat events and the error envelope, and the pure functions that turn a result into a chart and a
//! sentence.
//!
//! Nothing here does I/O and everything builds for wasm32. The page is built without the feature `compile`, which
//! adds reading a catalogue from TOML and compiling a `Query` to Redshift SQL.

pub mod api;
pub mod catalogue;
pub mod chart;
pub mod chat;
#[cfg(feature = "compile")]
pub mod compile;
pub mod error;
pub mod explain;
pub mod format;
pub mod history;
pub mod insight;
pub mod money;
pub mod query;
pub mod table;
