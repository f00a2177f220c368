//! Functions about the session and the server, which tools ask when they connect.

use super::simple::{Args, Kind, Simple, gives_bool, gives_int, gives_text, simple};
use arrow::array::{ArrayRef, BooleanArray, Int32Array, StringArray};
use datafusion::common::{
    Result,
    config::{ConfigEntry, ConfigExtension, ExtensionOptions},
    plan_err,
};
use std::sync::Arc;

/// Who a session belongs to, as its configuration carries it.
#[derive(Clone, Debug)]
pub(crate) struct SessionUser(pub String);

impl ConfigExtension for SessionUser {
    const PREFIX: &'static str = "redshift_session";
}

impl ExtensionOptions for SessionUser {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, _: &str) -> Result<()> {
        plan_err!("{key} of a session is not set by a statement")
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        Vec::new()
    }
}

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
            let schema = args.config.catalog.default_schema.as_str();
            // A session's own names are sought along a path, which begins with the schema that everybody has.
            same(args, if schema.starts_with("__") { "public" } else { schema })
        }),
        simple("current_user", &[], gives_text, |args| {
            let user = args.config.extensions.get::<SessionUser>();
            same(args, user.map_or("admin", |user| user.0.as_str()))
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
