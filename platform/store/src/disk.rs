//! The one file that everything lies in, its tables, and the clock.

use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable, TableDefinition, WriteTransaction,
    backends::InMemoryBackend,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Milliseconds since 1970. Tests give their own, so that nothing has to be waited for.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    pub fn system() -> Clock {
        Clock::new(|| {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        })
    }

    pub fn new(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now_ms))
    }

    pub fn now_ms(&self) -> i64 {
        (self.0)()
    }
}

/// The store failed; nothing that a caller's request could mend.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store {} is open in another process; stop that one first", path.display())]
    Busy { path: PathBuf },
    #[error("the store {} cannot be opened: {source}", path.display())]
    Open {
        path: PathBuf,
        source: Box<redb::DatabaseError>,
    },
    #[error("the store's folder {} cannot be made: {source}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("the store {} was written by a newer version (format {found}, known is {FORMAT})", path.display())]
    Format { path: PathBuf, found: u64 },
    #[error("the store cannot be read or written: {0}")]
    Disk(Box<redb::Error>),
    #[error("{0}")]
    Damaged(String),
}

pub(crate) fn disk(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Disk(Box::new(error.into()))
}

/// The version of what the tables hold.
const FORMAT: u64 = 1;

pub(crate) type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;
pub(crate) type Named = TableDefinition<'static, &'static str, &'static [u8]>;

/// Numbers by name: the format, the next number of a table or an index.
pub(crate) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

/// The store. Cloning shares it; the file is closed with the last clone.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    clock: Clock,
}

impl Store {
    /// Opens the file, or makes it with its folder.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where another process has it open; `Open`, `Folder`, `Format` as they say.
    pub fn open(path: &Path, clock: Clock) -> Result<Store, StoreError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| StoreError::Folder {
                path: folder.to_owned(),
                source,
            })?;
        }
        let database = Database::create(path).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::Busy { path: path.to_owned() },
            error => StoreError::Open {
                path: path.to_owned(),
                source: Box::new(error),
            },
        })?;
        Store::prepare(database, clock, path)
    }

    /// A store that is gone with its last clone.
    ///
    /// # Errors
    /// [`StoreError::Open`], which nothing but a lack of memory should cause.
    pub fn in_memory(clock: Clock) -> Result<Store, StoreError> {
        let path = PathBuf::from("in memory");
        let database = Database::builder()
            .create_with_backend(InMemoryBackend::new())
            .map_err(|error| StoreError::Open {
                path: path.clone(),
                source: Box::new(error),
            })?;
        Store::prepare(database, clock, &path)
    }

    fn prepare(database: Database, clock: Clock, path: &Path) -> Result<Store, StoreError> {
        let store = Store {
            database: Arc::new(database),
            clock,
        };
        let write = store.write()?;
        let found = {
            let mut meta = write.open_table(META).map_err(disk)?;
            let found = meta.get("format").map_err(disk)?.map(|value| value.value());
            if found.is_none() {
                meta.insert("format", FORMAT).map_err(disk)?;
            }
            found.unwrap_or(FORMAT)
        };
        if found > FORMAT {
            return Err(StoreError::Format {
                path: path.to_owned(),
                found,
            });
        }
        // Readers find every table from the first moment.
        crate::dynamodb::prepare(&write)?;
        crate::memory::prepare(&write)?;
        write.commit().map_err(disk)?;
        Ok(store)
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn write(&self) -> Result<WriteTransaction, StoreError> {
        self.database.begin_write().map_err(disk)
    }

    pub(crate) fn read(&self) -> Result<ReadTransaction, StoreError> {
        self.database.begin_read().map_err(disk)
    }
}

/// The next number of a counter, from 1.
pub(crate) fn next_number(write: &WriteTransaction, counter: &str) -> Result<u64, StoreError> {
    let mut meta = write.open_table(META).map_err(disk)?;
    let next = meta.get(counter).map_err(disk)?.map_or(0, |value| value.value()) + 1;
    meta.insert(counter, next).map_err(disk)?;
    Ok(next)
}

/// A stored JSON document by its name.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &str,
) -> Result<Option<T>, StoreError> {
    table
        .get(name)
        .map_err(disk)?
        .map(|value| from_json(value.value()))
        .transpose()
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Damaged(format!("a stored document is damaged: {error}")))
}

pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Damaged(format!("a document cannot be written: {error}")))
}
