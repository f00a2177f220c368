//! DataFusion sessions over one snapshot, read-only: catalog `dev`, schema `concert_dw` (or `clean`), each table at
//! exactly the version that the snapshot names.

use crate::{
    Error, Lake, Result, Snapshot,
    schema::{Layer, TableDef},
    writer::OPEN_AT_ONCE,
};
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{CatalogProvider, MemTable, MemoryCatalogProvider, SchemaProvider, Session, TableProvider},
    common::{ScalarValue, Statistics},
    error::DataFusionError,
    execution::{
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::{FairSpillPool, TrackConsumersPool},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
        session_state::SessionState,
    },
    logical_expr::{Expr, TableProviderFilterPushDown, TableType, ident, lit},
    physical_plan::ExecutionPlan,
    prelude::{SessionConfig, SessionContext},
};
use deltalake::{DeltaTable, delta_datafusion::TableProviderBuilder};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroUsize,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

/// The catalog's name: the database of the warehouse.
pub const CATALOG: &str = "dev";

/// How many versions of tables stay open: those of a few snapshots of both layers. A page that walks through results
/// holds on to an older one for a while.
const OPEN_TABLES: usize = 128;

/// How much memory the statements of one process may take for sorting, joining and grouping, in MiB, before they go on
/// in temporary files. `CONCERT_MEMORY_MB` sets another bound.
pub const DEFAULT_MEMORY_MB: usize = 1024;

/// Names the bound.
const MEMORY_MB: &str = "CONCERT_MEMORY_MB";

/// With less, a statement cannot even hold what it is reading.
const LEAST_MEMORY_MB: usize = 128;

/// Long work runs on one thread for each so many MiB of the bound: each of its sorts holds some of them while it puts
/// what it has spilled together, and cannot give them back.
const MEMORY_MB_A_THREAD: usize = 128;

/// How many spilled parts are put together at once. Without a bound the first sort that comes to it takes all memory
/// there is, and the next one finds none.
const SPILLED_PARTS: usize = 8;

/// How many of those who hold the memory an error names when there is none left.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

/// The memory and the temporary files of a lake's statements, made when the first one runs.
#[derive(Default, Debug)]
pub(crate) struct Runtime {
    made: Mutex<Option<Arc<RuntimeEnv>>>,
}

/// Opened tables by their versions, so that nobody reads the same log twice: neither two queries of one snapshot, nor a
/// writer the tables that it has just written.
#[derive(Default, Debug)]
pub(crate) struct OpenTables {
    tables: Mutex<VecDeque<OpenTable>>,
}

#[derive(Debug)]
struct OpenTable {
    layer: Layer,
    table: &'static str,
    version: i64,
    handle: DeltaTable,
    /// Made when the table is first queried.
    provider: Option<Arc<dyn TableProvider>>,
}

impl OpenTables {
    fn with<T>(&self, layer: Layer, table: &str, version: i64, found: impl FnOnce(&mut OpenTable) -> T) -> Option<T> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let at = tables
            .iter()
            .position(|open| open.layer == layer && open.version == version && open.table == table)?;
        let mut open = tables.remove(at)?;
        let found = found(&mut open);
        tables.push_front(open);
        Some(found)
    }

    /// Keeps a table at the version that it was opened at.
    pub(crate) fn put(&self, layer: Layer, def: &'static TableDef, handle: &DeltaTable) {
        let Some(version) = handle.version().and_then(|version| i64::try_from(version).ok()) else {
            return;
        };
        if self.with(layer, def.name, version, |_| ()).is_some() {
            return;
        }
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.push_front(OpenTable {
            layer,
            table: def.name,
            version,
            handle: handle.clone(),
            provider: None,
        });
        tables.truncate(OPEN_TABLES);
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
        self.session_with(layer, snapshot, session_config(layer)).await
    }

    /// The same for long work over whole tables, such as merges and publications: what does not fit into memory goes
    /// through temporary files, joins too, at some cost in speed.
    ///
    /// # Errors
    /// As [`Lake::session`].
    pub async fn batch_session(&self, layer: Layer, snapshot: &Snapshot) -> Result<SessionContext> {
        let memory_mb = memory_mb(std::env::var(MEMORY_MB).ok())?;
        self.session_with(layer, snapshot, batch_config(layer, memory_mb)).await
    }

    async fn session_with(&self, layer: Layer, snapshot: &Snapshot, config: SessionConfig) -> Result<SessionContext> {
        let schema = self.schema_provider(layer, snapshot).await?;
        let context = SessionContext::new_with_config_rt(config, self.runtime()?);
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
        // Boxed and gathered: of a stream of plain ones, made by a closure, the compiler cannot show that they may
        // change threads.
        let mut opening = Vec::with_capacity(layer.tables().len());
        for def in layer.tables() {
            opening.push(
                self.open_provider(layer, def, snapshot.tables.get(def.name).copied())
                    .boxed(),
            );
        }
        let tables: BTreeMap<String, Arc<dyn TableProvider>> = futures::stream::iter(opening)
            .buffered(OPEN_AT_ONCE)
            .try_collect()
            .await?;
        Ok(Arc::new(SnapshotSchema { tables }))
    }

    /// A session without tables, for work on what it is given.
    pub(crate) fn work_session(&self, joins: Joins) -> Result<SessionContext> {
        let config = match joins {
            Joins::Hashing => session_config(Layer::Clean),
            Joins::Sorting => batch_config(Layer::Clean, memory_mb(std::env::var(MEMORY_MB).ok())?),
        };
        // The session's own catalog is needed for views.
        let config = config.with_create_default_catalog_and_schema(true);
        Ok(SessionContext::new_with_config_rt(config, self.runtime()?))
    }

    async fn open_provider(
        &self,
        layer: Layer,
        def: &'static TableDef,
        version: Option<i64>,
    ) -> Result<(String, Arc<dyn TableProvider>)> {
        let provider: Arc<dyn TableProvider> = match version {
            Some(version) => {
                let open = &self.inner.open;
                let kept = open.with(layer, def.name, version, |open| {
                    (open.provider.clone(), open.handle.clone())
                });
                let table = match kept {
                    Some((Some(provider), _)) => return Ok((def.name.to_owned(), provider)),
                    Some((None, table)) => table,
                    None => {
                        let table = self.open_at(layer, def.name, Some(version)).await?;
                        open.put(layer, def, &table);
                        table
                    }
                };
                let made = with_gained_columns(layer, def, Arc::new(ReadOnly(provider(layer, def, &table).await?)))?;
                open.with(layer, def.name, version, |open| open.provider = Some(Arc::clone(&made)));
                made
            }
            None => Arc::new(
                MemTable::try_new(def.arrow_schema(), vec![vec![]])
                    .map_err(|e| Error::query(format!("make the empty table {}", def.name), e))?,
            ),
        };
        Ok((def.name.to_owned(), provider))
    }

    /// The memory and temporary files that all statements of this lake share.
    pub(crate) fn runtime(&self) -> Result<Arc<RuntimeEnv>> {
        let mut made = self.inner.runtime.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref() {
            return Ok(Arc::clone(made));
        }
        let bytes = memory_mb(std::env::var(MEMORY_MB).ok())? << 20;
        let temporary = self.inner.home.temporary();
        // A lake that cannot be written can still be asked.
        let mode = match std::fs::create_dir_all(&temporary) {
            Ok(()) => DiskManagerMode::Directories(vec![temporary]),
            Err(_) => DiskManagerMode::OsTmpDirectory,
        };
        let runtime = bounded_runtime(bytes, mode)
            .or_else(|_| bounded_runtime(bytes, DiskManagerMode::OsTmpDirectory))
            .map_err(|e| Error::query("prepare temporary files", e))?;
        *made = Some(Arc::clone(&runtime));
        Ok(runtime)
    }
}

fn bounded_runtime(bytes: usize, temporary: DiskManagerMode) -> Result<Arc<RuntimeEnv>, DataFusionError> {
    RuntimeEnvBuilder::new()
        // Each sort, join or grouping gets its share; one that would take more goes to the disk.
        .with_memory_pool(Arc::new(TrackConsumersPool::new(
            FairSpillPool::new(bytes),
            NAMED_CONSUMERS,
        )))
        .with_disk_manager_builder(
            DiskManagerBuilder::default()
                .with_mode(temporary)
                .with_max_spill_merge_fan_in(SPILLED_PARTS),
        )
        .build_arc()
}

fn memory_mb(setting: Option<String>) -> Result<usize> {
    let Some(value) = setting.filter(|value| !value.is_empty()) else {
        return Ok(DEFAULT_MEMORY_MB);
    };
    match value.trim().parse::<usize>() {
        Ok(mb) if (LEAST_MEMORY_MB..=usize::MAX >> 20).contains(&mb) => Ok(mb),
        _ => Err(Error::Setting {
            name: MEMORY_MB,
            value,
            reason: format!("it is a whole number of MiB, {LEAST_MEMORY_MB} or more"),
        }),
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

/// How a session joins large tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joins {
    /// Quick, with one side in memory.
    Hashing,
    /// In bounded memory.
    Sorting,
}

fn batch_config(layer: Layer, memory_mb: usize) -> SessionConfig {
    let mut config = session_config(layer);
    // With a single one every join would hash, whatever is asked for.
    let threads = config.target_partitions().min(memory_mb / MEMORY_MB_A_THREAD).max(2);
    config = config.with_target_partitions(threads);
    // A hash join holds one side in memory and gives up where that does not fit; a merge join sorts, and sorting
    // spills.
    config.options_mut().optimizer.prefer_hash_join = false;
    config
}

/// The table with the columns that the model has gained since it was made, which are null in every row. In front stand
/// the model's columns in its order; what a table has beyond them follows.
fn with_gained_columns(layer: Layer, def: &TableDef, table: Arc<dyn TableProvider>) -> Result<Arc<dyn TableProvider>> {
    let (stored, model) = (table.schema(), def.arrow_schema());
    let in_order = stored.fields().len() >= model.fields().len()
        && model
            .fields()
            .iter()
            .zip(stored.fields())
            .all(|(m, s)| m.name() == s.name());
    if in_order {
        return Ok(table);
    }
    let failed = |e| Error::query(format!("open {}.{}", layer.name(), def.name), e);
    let mut columns = Vec::with_capacity(model.fields().len());
    for field in model.fields() {
        columns.push(match stored.column_with_name(field.name()) {
            Some(_) => ident(field.name()),
            None => lit(ScalarValue::try_from(field.data_type()).map_err(failed)?).alias(field.name()),
        });
    }
    let extra = stored
        .fields()
        .iter()
        .filter(|field| model.column_with_name(field.name()).is_none());
    columns.extend(extra.map(|field| ident(field.name())));
    let view = SessionContext::new_with_config(session_config(layer))
        .read_table(table)
        .and_then(|frame| frame.select(columns))
        .map_err(failed)?;
    Ok(view.into_view())
}

pub(crate) async fn provider(layer: Layer, def: &TableDef, table: &DeltaTable) -> Result<Arc<dyn TableProvider>> {
    scan(layer, def, table, |builder| builder).await
}

/// The table as its log has it, or what `select` makes of that: some files only, or with a column of their names.
pub(crate) async fn scan(
    layer: Layer,
    def: &TableDef,
    table: &DeltaTable,
    select: impl FnOnce(TableProviderBuilder) -> TableProviderBuilder,
) -> Result<Arc<dyn TableProvider>> {
    let failed = |e| Error::query(format!("open {}.{}", layer.name(), def.name), e);
    let state = table.snapshot().map_err(|e| Error::table("read", layer, def.name, e))?;
    // Only asked how sessions read Parquet, which is the same in all of them.
    static SESSION: LazyLock<Arc<SessionState>> =
        LazyLock::new(|| Arc::new(SessionContext::new_with_config(session_config(Layer::ConcertDw)).state()));
    // The eager snapshot holds the list of files; without it every scan would replay the log.
    let builder = TableProviderBuilder::default()
        .with_log_store(table.log_store())
        .with_eager_snapshot(state.snapshot().clone())
        .with_session(Arc::clone(&SESSION));
    Ok(Arc::new(select(builder).build().await.map_err(failed)?))
}

/// All rows of one version of a table.
pub(crate) async fn read_all(
    lake: &Lake,
    layer: Layer,
    def: &TableDef,
    table: &DeltaTable,
) -> Result<Vec<RecordBatch>> {
    let failed = |e| Error::query(format!("read {}.{}", layer.name(), def.name), e);
    let context = SessionContext::new_with_config_rt(session_config(layer), lake.runtime()?);
    let table = with_gained_columns(layer, def, provider(layer, def, table).await?)?;
    let rows = context.read_table(table).map_err(failed)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_memory_is_a_number_of_mebibytes() {
        assert_eq!(memory_mb(None).expect("is not set"), DEFAULT_MEMORY_MB);
        assert_eq!(memory_mb(Some(String::new())).expect("is not set"), DEFAULT_MEMORY_MB);
        assert_eq!(memory_mb(Some(" 256 ".to_owned())).expect("a number"), 256);
        for wrong in ["0", "127", "1 GB", "-5", "99999999999999999999"] {
            let error = memory_mb(Some(wrong.to_owned())).expect_err(wrong).to_string();
            assert!(error.contains("CONCERT_MEMORY_MB") && error.contains(wrong), "{error}");
        }
    }

    /// Some 160 MB of text, sorted and joined with itself, in the least memory that can be set.
    #[tokio::test(flavor = "multi_thread")]
    async fn long_work_goes_on_in_temporary_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let mode = DiskManagerMode::Directories(vec![folder.path().to_owned()]);
        let runtime = bounded_runtime(LEAST_MEMORY_MB << 20, mode).expect("builds");
        let config = batch_config(Layer::Clean, LEAST_MEMORY_MB).with_create_default_catalog_and_schema(true);
        let context = SessionContext::new_with_config_rt(config, runtime);
        let rows = "SELECT (value * 7919) % 1000003 AS k, repeat('x', 150) AS v FROM generate_series(1, 1000000)";
        let spilled_files = |plan: &Arc<dyn ExecutionPlan>| {
            let mut files = 0;
            let mut plans = vec![Arc::clone(plan)];
            while let Some(plan) = plans.pop() {
                files += plan.metrics().and_then(|metrics| metrics.spill_count()).unwrap_or(0);
                plans.extend(plan.children().into_iter().map(Arc::clone));
            }
            files
        };
        for (sql, expected) in [
            (format!("SELECT k, v FROM ({rows}) ORDER BY k"), 1_000_000),
            (
                format!("SELECT a.k, a.v, b.v FROM ({rows}) a JOIN ({rows}) b ON a.k = b.k"),
                1_000_000,
            ),
        ] {
            let frame = context.sql(&sql).await.expect("plans");
            let plan = frame.create_physical_plan().await.expect("plans");
            let mut stream =
                datafusion::physical_plan::execute_stream(Arc::clone(&plan), context.task_ctx()).expect("runs");
            let mut found = 0;
            while let Some(batch) = stream.next().await {
                found += batch.expect("does not run out of memory").num_rows();
            }
            assert_eq!(found, expected, "{sql}");
            assert!(spilled_files(&plan) > 0, "{sql}");
        }
    }
}
