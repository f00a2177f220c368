//! DataFusion sessions over one snapshot, read-only: catalog `dev`, schema `concert_dw` (or `clean`), each table at
//! exactly the version that the snapshot names.

use crate::{
    Error, Lake, Result, Snapshot,
    schema::{Layer, TableDef},
};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{CatalogProvider, MemTable, MemoryCatalogProvider, SchemaProvider, Session, TableProvider},
    common::Statistics,
    error::DataFusionError,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::ExecutionPlan,
    prelude::{SessionConfig, SessionContext},
};
use deltalake::DeltaTable;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

/// The catalog's name: the database of the warehouse.
pub const CATALOG: &str = "dev";

/// How many snapshots stay open. A page that walks through results holds on to an older one for a while.
const CACHED_SNAPSHOTS: usize = 4;

/// Opened tables by snapshot, so that a query does not read the Delta log again.
#[derive(Default, Debug)]
pub(crate) struct ProviderCache {
    entries: Mutex<VecDeque<Opened>>,
}

#[derive(Debug)]
struct Opened {
    layer: Layer,
    versions: BTreeMap<String, i64>,
    schema: Arc<SnapshotSchema>,
}

impl ProviderCache {
    fn get(&self, layer: Layer, versions: &BTreeMap<String, i64>) -> Option<Arc<SnapshotSchema>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let found = entries
            .iter()
            .find(|opened| opened.layer == layer && opened.versions == *versions);
        found.map(|opened| Arc::clone(&opened.schema))
    }

    fn put(&self, layer: Layer, versions: BTreeMap<String, i64>, schema: Arc<SnapshotSchema>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push_front(Opened {
            layer,
            versions,
            schema,
        });
        entries.truncate(CACHED_SNAPSHOTS);
    }
}

impl Lake {
    /// A session whose schema `concert_dw` in the catalog `dev` is this snapshot. Both are the defaults, so names
    /// need no qualifier. [`Snapshot::default`] gives the tables empty. Nothing can be written through it.
    ///
    /// # Errors
    /// [`Error::Table`] when a version that the snapshot names is no longer there.
    pub async fn session(&self, snapshot: &Snapshot) -> Result<SessionContext> {
        self.layer_session(Layer::ConcertDw, snapshot).await
    }

    /// The same for any layer; its schema is the default one.
    ///
    /// # Errors
    /// As [`Lake::session`].
    pub async fn layer_session(&self, layer: Layer, snapshot: &Snapshot) -> Result<SessionContext> {
        let schema = self.schema_provider(layer, snapshot).await?;
        let context = SessionContext::new_with_config(session_config(layer));
        let catalog = MemoryCatalogProvider::new();
        catalog
            .register_schema(layer.name(), schema)
            .map_err(|e| Error::query("prepare a session", e))?;
        context.register_catalog(CATALOG, Arc::new(catalog));
        Ok(context)
    }

    /// The snapshot as a schema that can be registered in a catalog of one's own.
    ///
    /// # Errors
    /// As [`Lake::session`].
    pub async fn schema_provider(&self, layer: Layer, snapshot: &Snapshot) -> Result<Arc<dyn SchemaProvider>> {
        if let Some(schema) = self.inner.providers.get(layer, &snapshot.tables) {
            return Ok(schema);
        }
        let mut tables: BTreeMap<String, Arc<dyn TableProvider>> = BTreeMap::new();
        for def in layer.tables() {
            let provider: Arc<dyn TableProvider> = match snapshot.tables.get(def.name) {
                Some(version) => {
                    let table = self.open_at(layer, def.name, Some(*version)).await?;
                    provider(layer, def, &table).await?
                }
                None => Arc::new(
                    MemTable::try_new(def.arrow_schema(), vec![vec![]])
                        .map_err(|e| Error::query(format!("make the empty table {}", def.name), e))?,
                ),
            };
            tables.insert(def.name.to_owned(), Arc::new(ReadOnly(provider)));
        }
        let schema = Arc::new(SnapshotSchema { tables });
        self.inner
            .providers
            .put(layer, snapshot.tables.clone(), Arc::clone(&schema));
        Ok(schema)
    }
}

/// Defaults of every session over the lake.
pub(crate) fn session_config(layer: Layer) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, layer.name())
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true);
    // Plain strings: what reads results then has one type of text to know.
    config.options_mut().execution.parquet.schema_force_view_types = false;
    config
}

async fn provider(layer: Layer, def: &TableDef, table: &DeltaTable) -> Result<Arc<dyn TableProvider>> {
    let failed = |e| Error::query(format!("open {}.{}", layer.name(), def.name), e);
    let state = table.snapshot().map_err(|e| Error::table("read", layer, def.name, e))?;
    // The eager snapshot holds the list of files; without it every scan would replay the log.
    let session = SessionContext::new_with_config(session_config(layer)).state();
    let provider = deltalake::delta_datafusion::TableProviderBuilder::default()
        .with_log_store(table.log_store())
        .with_eager_snapshot(state.snapshot().clone())
        .with_session(Arc::new(session))
        .build()
        .await
        .map_err(failed)?;
    Ok(Arc::new(provider))
}

/// All rows of one version of a table.
pub(crate) async fn read_all(layer: Layer, def: &TableDef, table: &DeltaTable) -> Result<Vec<RecordBatch>> {
    let failed = |e| Error::query(format!("read {}.{}", layer.name(), def.name), e);
    let context = SessionContext::new_with_config(session_config(layer));
    let rows = context.read_table(provider(layer, def, table).await?).map_err(failed)?;
    rows.collect().await.map_err(failed)
}

#[derive(Debug)]
struct SnapshotSchema {
    tables: BTreeMap<String, Arc<dyn TableProvider>>,
}

#[async_trait]
impl SchemaProvider for SnapshotSchema {
    fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        Ok(self.tables.get(name).cloned())
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }
}

/// Passes reads on and keeps DataFusion's refusals for everything that writes.
#[derive(Debug)]
struct ReadOnly(Arc<dyn TableProvider>);

#[async_trait]
impl TableProvider for ReadOnly {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        self.0.table_type()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        self.0.scan(state, projection, filters, limit).await
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        self.0.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.0.statistics()
    }
}
