//! Redshift's dialect over tables that are given, instead of those of the lake: a folder of files under any schema.

use crate::{
    dialect::{self, Task},
    engine::{self, Limits},
    error::RedshiftError,
    parameters::Tokens,
    result::QueryResult,
    runtime::on_engine,
};
use concert_contract::api::Parameter;
use concert_lake::CATALOG;
use datafusion::{
    catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider},
    prelude::{SessionConfig, SessionContext},
};
use std::sync::Arc;

/// A fixed set of tables in one schema, which is the default one. Cloning is cheap.
#[derive(Clone)]
pub struct Tables {
    session: SessionContext,
    limits: Limits,
}

impl Tables {
    /// # Errors
    /// Two tables of one name; the engine's memory cannot be bounded.
    pub fn new(
        schema: &str,
        tables: impl IntoIterator<Item = (String, Arc<dyn TableProvider>)>,
        limits: Limits,
    ) -> Result<Tables, RedshiftError> {
        let provider = MemorySchemaProvider::new();
        for (name, table) in tables {
            if provider.register_table(name.clone(), table)?.is_some() {
                return Err(RedshiftError::Engine(format!("there are two tables named {name}")));
            }
        }
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(CATALOG, schema)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(true);
        config.options_mut().execution.parquet.schema_force_view_types = false;
        let context = SessionContext::new_with_config(config);
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(schema, Arc::new(provider))?;
        context.register_catalog(CATALOG, Arc::new(catalog));
        Ok(Tables {
            session: engine::session(&context)?,
            limits,
        })
    }

    /// The engine's session, for statements of the platform's own.
    pub fn session(&self) -> &SessionContext {
        &self.session
    }

    /// Runs exactly one query. `:name` in it stands for the parameter of that name, whose value is bound and never
    /// becomes part of the text. Dropping the future ends the query.
    ///
    /// # Errors
    /// As [`crate::Warehouse::execute`]; SHOW is not answered.
    pub async fn execute(&self, sql: &str, parameters: &[Parameter]) -> Result<QueryResult, RedshiftError> {
        let Tokens { tokens, values } = engine::tokens(sql, parameters)?;
        let (session, limits) = (self.session.clone(), self.limits);
        let work = on_engine(async move {
            match dialect::parse(tokens)? {
                Task::Query { statement, labels } => engine::run(session, *statement, labels, values, &limits).await,
                Task::Explain(statement) => engine::explain(session, *statement, values).await,
                Task::ShowTables { .. } | Task::ShowColumns { .. } | Task::ShowSchemas { .. } | Task::ShowDatabases => {
                    Err(RedshiftError::NotSupported(
                        "SHOW is not answered here: select from information_schema.columns".to_owned(),
                    ))
                }
            }
        });
        tokio::time::timeout(self.limits.timeout, work)
            .await
            .unwrap_or(Ok(Err(RedshiftError::Timeout(self.limits.timeout))))?
    }
}
