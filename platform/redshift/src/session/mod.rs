//! Databases and the sessions that work on them: transactions by snapshot, temporary tables, settings.
//!
//! A [`Cluster`] owns the databases under one folder. A [`Session`] runs one statement after the other; a transaction
//! sees the snapshot that it began with and its own changes, and what it commits becomes visible at once.

mod ddl;
mod dml;
mod explain;
mod grants;
mod procedure;
mod scope;
mod settings;
mod system;
mod work;

use crate::{
    catalog::{ADMIN, Catalog, Database, Relation},
    command::{self, Command},
    engine::{self, Limits},
    error::RedshiftError,
    parameters::Tokens,
    result::{ColumnInfo, QueryResult},
    runtime::on_engine,
    warehouse::{TableInfo, matches},
};
use arrow::array::RecordBatch;
use concert_contract::api::Parameter;
use concert_lake::{CATALOG, Lake, Layer, Snapshot};
use datafusion::{catalog::SchemaProvider, execution::SessionState};
use scope::Scope;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use work::Work;

/// How long a statement waits for another transaction's lock.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// How a cluster is set up.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Where its databases and temporary tables lie. The folder is made when it is needed.
    pub folder: PathBuf,
    /// The folder that stands for S3: `s3://B/x` is `DIR/B/x`. Without one the lake's own settings say where S3 is.
    pub s3_folder: Option<PathBuf>,
    pub limits: Limits,
}

/// Every database of this machine. Cloning is cheap; clones share everything.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    lake: Lake,
    options: ClusterOptions,
    databases: Mutex<BTreeMap<String, Arc<Database>>>,
    base: tokio::sync::OnceCell<SessionState>,
    /// Held for as long as the process lives: two processes must not write to one folder.
    lock: OnceLock<Result<Option<fs::File>, String>>,
    queries: AtomicI64,
    sessions: AtomicI64,
}

/// Takes a statement's rows as they come.
pub trait Sink: Send {
    /// Called once, before any row, where the statement has a result.
    ///
    /// # Errors
    /// Ends the statement.
    fn columns(&mut self, columns: &[ColumnInfo]) -> Result<(), RedshiftError>;

    /// # Errors
    /// Ends the statement.
    fn batch(&mut self, batch: &RecordBatch) -> Result<(), RedshiftError>;
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it gave rows, even none.
    pub has_result: bool,
    /// Rows of the result, or rows that were changed; none for what has neither.
    pub rows: Option<u64>,
    /// The statement's number, as system tables name it.
    pub query_id: i64,
}

/// A relation as ListTables gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub info: TableInfo,
    /// `TABLE`, `VIEW`, `SYSTEM TABLE`, `SYSTEM VIEW`.
    pub kind: &'static str,
}

impl Cluster {
    /// Nothing is read or made yet.
    pub fn new(lake: Lake, options: ClusterOptions) -> Cluster {
        Cluster {
            inner: Arc::new(Inner {
                lake,
                options,
                databases: Mutex::default(),
                base: tokio::sync::OnceCell::new(),
                lock: OnceLock::new(),
                queries: AtomicI64::new(1_000),
                sessions: AtomicI64::new(0),
            }),
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.inner.options.limits
    }

    /// The names of the databases that there are: `dev`, and those that were made or written to.
    pub fn databases(&self) -> Vec<String> {
        let mut names = vec![CATALOG.to_owned()];
        for entry in fs::read_dir(self.databases_folder()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != CATALOG && entry.path().join("catalog.json").is_file() {
                names.push(name);
            }
        }
        names.sort();
        names
    }

    fn databases_folder(&self) -> PathBuf {
        self.inner.options.folder.join("databases")
    }

    fn temporary_folder(&self) -> PathBuf {
        self.inner.options.folder.join("temporary")
    }

    /// A database by its name. One that nobody has written to is empty.
    ///
    /// # Errors
    /// A name that no database can have; files that cannot be read.
    pub(crate) fn database(&self, name: &str) -> Result<Arc<Database>, RedshiftError> {
        check_database_name(name)?;
        let mut databases = self.inner.databases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = databases.get(name) {
            return Ok(Arc::clone(database));
        }
        self.own()?;
        let database = Arc::new(Database::open(name, self.databases_folder().join(name))?);
        databases.insert(name.to_owned(), Arc::clone(&database));
        Ok(database)
    }

    /// Takes the folder for this process, once.
    fn own(&self) -> Result<(), RedshiftError> {
        let folder = &self.inner.options.folder;
        let owned = self.inner.lock.get_or_init(|| {
            let path = folder.join("lock");
            fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
            let file = fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .map_err(|error| format!("cannot open {}: {error}", path.display()))?;
            match file.try_lock() {
                Ok(()) => {
                    // What sessions of a stopped process left behind.
                    let _ = fs::remove_dir_all(self.temporary_folder());
                    Ok(Some(file))
                }
                Err(fs::TryLockError::WouldBlock) => Err(format!(
                    "another process serves the databases in {}: ask that one, or stop it",
                    folder.display()
                )),
                // A file system without locks is trusted.
                Err(fs::TryLockError::Error(_)) => Ok(None),
            }
        });
        match owned {
            Ok(_) => Ok(()),
            Err(message) => Err(RedshiftError::Storage(message.clone())),
        }
    }

    fn drop_database(&self, name: &str) -> Result<(), RedshiftError> {
        let database = self.database(name)?;
        let mut databases = self.inner.databases.lock().unwrap_or_else(PoisonError::into_inner);
        databases.remove(name);
        database.remove()
    }

    /// Begins a session. `user` is the database user; none is the owner of everything.
    ///
    /// # Errors
    /// A database whose name cannot be, or whose files cannot be read.
    pub fn connect(&self, database: &str, user: Option<&str>) -> Result<Session, RedshiftError> {
        let database = self.database(database)?;
        let number = self.inner.sessions.fetch_add(1, Ordering::Relaxed);
        let user = user.unwrap_or(ADMIN).to_lowercase();
        Ok(Session {
            state: Arc::new(tokio::sync::Mutex::new(State {
                cluster: self.clone(),
                database,
                settings: settings::defaults(),
                user,
                temporary: BTreeMap::new(),
                temporary_folder: self.temporary_folder().join(number.to_string()),
                work: None,
                explicit: false,
                failed: false,
                running: false,
                depth: 0,
            })),
        })
    }

    /// Schemas and relations of a database, as somebody who connects now sees them.
    ///
    /// # Errors
    /// As [`Cluster::connect`]; the published tables cannot be read.
    pub async fn relations(&self, database: &str) -> Result<Vec<Listed>, RedshiftError> {
        let scope = self.scope_of(database).await?;
        system::listed(&scope).await
    }

    /// # Errors
    /// As [`Cluster::relations`].
    pub async fn schemas(&self, database: &str) -> Result<Vec<String>, RedshiftError> {
        let scope = self.scope_of(database).await?;
        Ok(scope.schema_names())
    }

    async fn scope_of(&self, database: &str) -> Result<Scope, RedshiftError> {
        let database = self.database(database)?;
        let published = self.published(&database.name).await?;
        Ok(Scope {
            catalog: (*database.head()).clone(),
            temporary: BTreeMap::new(),
            temporary_folder: self.temporary_folder(),
            published,
            path: scope::default_path(&database.name),
            made: Mutex::default(),
            databases: self.databases(),
            database,
        })
    }

    /// The tables that the platform publishes: they stand in `dev` only.
    async fn published(&self, database: &str) -> Result<Option<Arc<dyn SchemaProvider>>, RedshiftError> {
        if database != CATALOG {
            return Ok(None);
        }
        let snapshot: Snapshot = self.inner.lake.snapshot()?.unwrap_or_default();
        Ok(Some(
            self.inner.lake.schema_provider(Layer::ConcertDw, &snapshot).await?,
        ))
    }

    /// The engine's session without tables, made once.
    async fn base(&self) -> Result<SessionState, RedshiftError> {
        let lake = &self.inner.lake;
        let state = self
            .inner
            .base
            .get_or_try_init(|| async {
                let session = lake.session(&Snapshot::default()).await?;
                Ok::<_, RedshiftError>(engine::session(&session)?.state())
            })
            .await?;
        Ok(state.clone())
    }

    fn next_query(&self) -> i64 {
        self.inner.queries.fetch_add(1, Ordering::Relaxed)
    }
}

fn check_database_name(name: &str) -> Result<(), RedshiftError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '$' | '-' | '@' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    const RESERVED: [&str; 3] = ["template0", "template1", "padb_harvest"];
    if begins && name.len() <= 127 && name.chars().all(good) && !name.contains("..") && !RESERVED.contains(&name) {
        Ok(())
    } else {
        Err(RedshiftError::NoDatabase(name.to_owned()))
    }
}

/// One connection. Cloning gives another handle on the same one.
#[derive(Clone)]
pub struct Session {
    state: Arc<tokio::sync::Mutex<State>>,
}

pub(crate) struct State {
    cluster: Cluster,
    database: Arc<Database>,
    user: String,
    settings: BTreeMap<String, String>,
    /// Tables of this session alone, as they were at the last commit.
    temporary: BTreeMap<String, Arc<Relation>>,
    temporary_folder: PathBuf,
    work: Option<Work>,
    /// Whether BEGIN was given.
    explicit: bool,
    /// Whether a statement of the transaction failed: all others are refused until it ends.
    failed: bool,
    /// Set while a statement runs; found set by the next one if the statement was cancelled.
    running: bool,
    /// How deep procedures call each other.
    depth: usize,
}

impl Drop for State {
    fn drop(&mut self) {
        if self.temporary_folder.exists() {
            let _ = fs::remove_dir_all(&self.temporary_folder);
        }
    }
}

impl Session {
    /// Runs one statement and gives its rows to `sink`, which comes back. `:name` stands for the parameter of that
    /// name. Dropping the future cancels the statement; its transaction is then lost.
    ///
    /// # Errors
    /// In Redshift's words, whatever is wrong with the statement; the transaction it was in has failed then.
    pub async fn execute<S: Sink + 'static>(
        &self,
        sql: &str,
        parameters: &[Parameter],
        sink: S,
    ) -> Result<(Outcome, S), RedshiftError> {
        let tokens = engine::tokens(sql, parameters)?;
        let (state, sql) = (Arc::clone(&self.state), sql.to_owned());
        on_engine(async move {
            let mut sink = sink;
            let mut state = state.lock_owned().await;
            let timeout = state.timeout();
            let work = state.execute(&sql, tokens, &mut sink);
            let outcome = match tokio::time::timeout(timeout, work).await {
                Ok(outcome) => outcome,
                Err(_) => Err(RedshiftError::Timeout(timeout)),
            };
            Ok((outcome?, sink))
        })
        .await?
    }

    /// The same with the whole result in memory, within the cluster's limit.
    ///
    /// # Errors
    /// As [`Session::execute`]; [`RedshiftError::ResultTooLarge`].
    pub async fn query(&self, sql: &str, parameters: &[Parameter]) -> Result<(Outcome, QueryResult), RedshiftError> {
        let limit = self.state.lock().await.cluster.limits().result_max_bytes;
        let (outcome, rows) = self.execute(sql, parameters, InMemory::new(limit)).await?;
        Ok((outcome, rows.into_result()))
    }

    /// Whether the parameters and the places for them in the text match.
    ///
    /// # Errors
    /// As [`crate::Warehouse::check_parameters`].
    pub fn check_parameters(sql: &str, parameters: &[Parameter]) -> Result<(), RedshiftError> {
        engine::tokens(sql, parameters).map(|_| ())
    }
}

/// Keeps a result in memory.
#[derive(Debug)]
pub(crate) struct InMemory {
    columns: Vec<ColumnInfo>,
    batches: Vec<RecordBatch>,
    bytes: usize,
    limit: usize,
}

impl InMemory {
    pub fn new(limit: usize) -> InMemory {
        InMemory {
            columns: Vec::new(),
            batches: Vec::new(),
            bytes: 0,
            limit,
        }
    }

    pub fn into_result(self) -> QueryResult {
        QueryResult::new(self.columns, self.batches)
    }
}

impl Sink for InMemory {
    fn columns(&mut self, columns: &[ColumnInfo]) -> Result<(), RedshiftError> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<(), RedshiftError> {
        self.bytes += batch.get_array_memory_size();
        if self.bytes > self.limit {
            return Err(RedshiftError::ResultTooLarge(self.limit));
        }
        self.batches.push(batch.clone());
        Ok(())
    }
}

impl State {
    fn timeout(&self) -> Duration {
        let own = self
            .settings
            .get("statement_timeout")
            .and_then(|text| text.parse::<u64>().ok())
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis);
        own.map_or(self.cluster.limits().timeout, |own| {
            own.min(self.cluster.limits().timeout)
        })
    }

    async fn execute(&mut self, sql: &str, tokens: Tokens, sink: &mut dyn Sink) -> Result<Outcome, RedshiftError> {
        if std::mem::replace(&mut self.running, true) {
            // The statement before was cancelled in the middle of its work.
            self.work = None;
            self.failed = self.explicit;
        }
        let outcome = self.transact(sql, tokens, sink).await;
        self.running = false;
        outcome
    }

    async fn transact(&mut self, sql: &str, tokens: Tokens, sink: &mut dyn Sink) -> Result<Outcome, RedshiftError> {
        let query_id = self.cluster.next_query();
        let done = Outcome {
            query_id,
            ..Outcome::default()
        };
        let command = match command::parse(sql, tokens.tokens, &tokens.values) {
            Ok(command) => command,
            Err(error) => {
                self.failed = self.explicit;
                return Err(error);
            }
        };
        match command {
            Command::Commit => {
                let failed = std::mem::take(&mut self.failed);
                self.explicit = false;
                let work = self.work.take();
                // A failed transaction can only be taken back, whatever it is told.
                if let Some(work) = work.filter(|_| !failed) {
                    self.commit(work)?;
                }
                return Ok(done);
            }
            Command::Rollback => {
                self.failed = false;
                self.explicit = false;
                self.work = None;
                return Ok(done);
            }
            _ if self.failed => {
                return Err(RedshiftError::Data(
                    "current transaction is aborted, commands ignored until end of transaction block".to_owned(),
                ));
            }
            Command::Begin => {
                if !self.explicit {
                    self.explicit = true;
                    self.work = Some(self.begin().await?);
                }
                return Ok(done);
            }
            _ => {}
        }
        if self.explicit && forbidden_in_transaction(&command) {
            self.failed = true;
            return Err(RedshiftError::Data(format!(
                "{} cannot run inside a transaction block",
                name_of(&command)
            )));
        }
        if self.work.is_none() {
            let mut work = self.begin().await?;
            if writes(&command) {
                // The newest state, and nobody between it and the commit.
                work.lock(&self.database, LOCK_WAIT).await?;
                work.renew(self.database.head());
            }
            self.work = Some(work);
        }
        let commits = matches!(command, Command::Truncate(_));
        let result = self.run(command, &tokens.values, query_id, sink).await;
        match result {
            Ok(outcome) => {
                if !self.explicit || commits {
                    if let Some(work) = self.work.take() {
                        self.commit(work)?;
                    }
                    if self.explicit {
                        // TRUNCATE commits, and what follows is a transaction of its own.
                        self.work = Some(self.begin().await?);
                    }
                }
                Ok(Outcome { query_id, ..outcome })
            }
            Err(error) => {
                self.work = None;
                self.failed = self.explicit;
                Err(error)
            }
        }
    }

    async fn begin(&self) -> Result<Work, RedshiftError> {
        let published = self.cluster.published(&self.database.name).await?;
        Ok(Work::begin(self.database.head(), self.temporary.clone(), published))
    }

    fn commit(&mut self, work: Work) -> Result<(), RedshiftError> {
        let temporary = work.commit(&self.database)?;
        self.temporary = temporary;
        Ok(())
    }

    fn work(&mut self) -> Result<&mut Work, RedshiftError> {
        self.work
            .as_mut()
            .ok_or_else(|| RedshiftError::Engine("a statement ran outside of a transaction".to_owned()))
    }

    fn catalog(&self) -> Option<&Catalog> {
        self.work.as_ref().map(|work| &work.catalog)
    }

    /// Runs what is no command about transactions.
    async fn run(
        &mut self,
        command: Command,
        values: &[String],
        query_id: i64,
        sink: &mut dyn Sink,
    ) -> Result<Outcome, RedshiftError> {
        let changed = |rows: u64| Outcome {
            rows: Some(rows),
            ..Outcome::default()
        };
        match command {
            Command::Read(statement) => return self.read(*statement, values, sink).await,
            Command::Explain(command) => return self.explain(*command, values, sink).await,
            Command::ShowVariable(name) => return self.show_variable(&name, sink),
            Command::Insert(insert) => return Ok(changed(self.insert(*insert, values).await?)),
            Command::Update(update) => return Ok(changed(self.update(*update, values).await?)),
            Command::Delete(delete) => return Ok(changed(self.delete(*delete, values).await?)),
            Command::Merge(merge) => return Ok(changed(self.merge(*merge, values).await?)),
            Command::Copy(copy) => return Ok(changed(self.copy(&copy, query_id).await?)),
            Command::Unload(unload) => return Ok(changed(self.unload(*unload, values).await?)),
            Command::CreateTable(create) => {
                let rows = self.create_table(*create, values).await?;
                return Ok(Outcome {
                    rows,
                    ..Outcome::default()
                });
            }
            Command::Call { procedure, arguments } => {
                return Box::pin(self.call(&procedure, &arguments, query_id, sink)).await;
            }
            Command::CreateView(view) => self.create_view(*view).await?,
            Command::RefreshView(target) => self.refresh_view(&target).await?,
            Command::Set { name, value } => self.set(&name, value)?,
            Command::Reset(name) => self.reset(name.as_deref()),
            Command::Grant(grant) => self.grant(*grant)?,
            Command::Maintain { what, table, columns } => self.maintain(what, table.as_ref(), &columns)?,
            other => self.define(other).await?,
        }
        Ok(Outcome::default())
    }

    /// What names mean to the statement that runs now.
    fn scope(&self) -> Result<Scope, RedshiftError> {
        let work = self
            .work
            .as_ref()
            .ok_or_else(|| RedshiftError::Engine("a statement ran outside of a transaction".to_owned()))?;
        Ok(Scope {
            catalog: work.catalog.clone(),
            temporary: work.temporary.clone(),
            temporary_folder: self.temporary_folder.clone(),
            published: work.published.clone(),
            path: self.search_path(),
            made: Mutex::default(),
            databases: self.cluster.databases(),
            database: Arc::clone(&self.database),
        })
    }
}

/// Whether a command may change the database, so that it takes the lock first.
fn writes(command: &Command) -> bool {
    !matches!(
        command,
        Command::Read(_)
            | Command::Explain(_)
            | Command::ShowVariable(_)
            | Command::Set { .. }
            | Command::Reset(_)
            | Command::Unload(_)
            | Command::Maintain { .. }
            | Command::CreateDatabase(_)
    )
}

fn forbidden_in_transaction(command: &Command) -> bool {
    match command {
        Command::CreateDatabase(_) => true,
        Command::Drop { kind, .. } => *kind == command::Kind::Database,
        Command::Maintain { what, .. } => *what == command::Maintenance::Vacuum,
        Command::AlterTable { action, .. } => matches!(action, command::AlterTable::Append(_)),
        _ => false,
    }
}

fn name_of(command: &Command) -> &'static str {
    match command {
        Command::CreateDatabase(_) => "CREATE DATABASE",
        Command::Drop { .. } => "DROP DATABASE",
        Command::Maintain { .. } => "VACUUM",
        _ => "ALTER TABLE APPEND",
    }
}

/// Rows of texts for SHOW and EXPLAIN.
fn give(sink: &mut dyn Sink, result: &QueryResult) -> Result<Outcome, RedshiftError> {
    sink.columns(&result.columns)?;
    for batch in result.batches() {
        sink.batch(batch)?;
    }
    Ok(Outcome {
        has_result: true,
        rows: Some(result.row_count() as u64),
        ..Outcome::default()
    })
}

/// Reads the folder that `s3://` stands for, or what the lake's settings say.
pub(crate) fn s3_location(s3_folder: Option<&Path>, url: &str) -> Result<String, RedshiftError> {
    let Some(rest) = url.strip_prefix("s3://") else {
        return Err(RedshiftError::Data(format!(
            "invalid S3 path \"{url}\": write s3://bucket/prefix"
        )));
    };
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if bucket.is_empty()
        || bucket.starts_with('.')
        || !bucket.chars().all(good)
        || key.split('/').any(|part| part == "..")
    {
        return Err(RedshiftError::Data(format!(
            "invalid S3 path \"{url}\": write s3://bucket/prefix"
        )));
    }
    Ok(match s3_folder {
        Some(folder) => folder.join(bucket).join(key).display().to_string(),
        None => url.to_owned(),
    })
}

pub(crate) use dml::{Filler, named_columns};

impl State {
    pub(crate) fn s3_root(&self) -> Option<&Path> {
        self.cluster.inner.options.s3_folder.as_deref()
    }

    pub(crate) fn remember(&self, errors: Vec<crate::catalog::LoadError>) {
        self.database.add_load_errors(errors);
    }

    /// Plans a query and gives its columns and rows.
    pub(crate) async fn stream_of(
        &self,
        query: datafusion::sql::sqlparser::ast::Query,
        values: &[String],
    ) -> Result<(Vec<ColumnInfo>, datafusion::execution::SendableRecordBatchStream), RedshiftError> {
        self.planner().await?.stream(query, values).await
    }

    pub(crate) async fn filler(
        &self,
        table: &crate::catalog::Table,
        columns: &[String],
        explicit_ids: bool,
    ) -> Result<Filler, RedshiftError> {
        let planner = self.planner().await?;
        Filler::new(&planner, table, columns, explicit_ids).await
    }

    fn pattern_matches(pattern: Option<&str>, name: &str) -> bool {
        matches(pattern, name)
    }
}
