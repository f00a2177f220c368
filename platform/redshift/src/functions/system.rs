//! Functions about the session and the server, which tools ask when they connect.

use super::simple::{Args, Kind, Simple, gives_bool, gives_int, gives_text, simple};
use arrow::array::{ArrayRef, BooleanArray, Int32Array, StringArray};
use datafusion::common::Result;
use std::sync::Arc;

/// Tools read the version of PostgreSQL and of Redshift out of this text.
const VERSION: &str = concat!(
    "PostgreSQL 8.0.2 on x86_64-pc-linux-gnu, compiled by GCC, Redshift 1.0 (local, version ",
    env!("CARGO_PKG_VERSION"),
    ")"
);

pub(super) fn all() -> Vec<Simple> {
    vec![
        simple("version", &[], gives_text, |args| same(args, VERSION)),
        simple("current_database", &[], gives_text, |args| {
            same(args, &args.config.catalog.default_catalog)
        }),
        simple("current_schema", &[], gives_text, |args| {
            same(args, &args.config.catalog.default_schema)
        }),
        simple("pg_backend_pid", &[], gives_int, |args| {
            let pid = i32::try_from(std::process::id()).unwrap_or(0);
            Ok(Arc::new(Int32Array::from(vec![pid; args.rows])))
        }),
        simple("has_schema_privilege", &[Kind::Any], gives_bool, allowed).repeats(),
        simple("has_table_privilege", &[Kind::Any], gives_bool, allowed).repeats(),
        simple("has_database_privilege", &[Kind::Any], gives_bool, allowed).repeats(),
        simple("pg_table_is_visible", &[Kind::Any], gives_bool, allowed),
    ]
}

fn same(args: &Args, text: &str) -> Result<ArrayRef> {
    Ok(Arc::new(StringArray::from(vec![text; args.rows])))
}

/// Whoever can ask may read everything here.
fn allowed(args: &Args) -> Result<ArrayRef> {
    Ok(Arc::new(BooleanArray::from(vec![true; args.rows])))
}
