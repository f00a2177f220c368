//! The writer: holder of the lake's one lease. It appends to or replaces tables and then moves a layer's pointer.
//! Whatever it wrote without moving the pointer is undone by whoever takes the lease next.

use crate::{
    Error, Lake, Result, Snapshot, pointer,
    schema::{Layer, TableDef},
    session,
};
use arrow::array::RecordBatch;
use deltalake::{DeltaTable, protocol::SaveMode};
use std::{
    collections::{BTreeMap, HashMap},
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    time::Duration,
};
use tracing::{info, warn};

/// How often a waiting writer looks whether the lease is free.
const LEASE_POLL: Duration = Duration::from_millis(100);

/// The right to write, held until it is dropped. The lock is the operating system's, so that it ends with the
/// process, however that ends.
#[derive(Debug)]
pub struct Writer {
    lake: Lake,
    tables: HashMap<(Layer, &'static str), DeltaTable>,
    snapshots: HashMap<Layer, Snapshot>,
    _lock: File,
}

impl Lake {
    /// Takes the writer's lease, waiting for at most `wait`. Creates tables that are missing, and takes back what a
    /// stopped writer wrote but did not publish.
    ///
    /// # Errors
    /// [`Error::LeaseHeld`] when another process still holds it after `wait`; [`Error::Table`] when a table cannot
    /// be created or taken back.
    pub async fn writer(&self, wait: Duration) -> Result<Writer> {
        let lock = self.take_lease(wait).await?;
        let mut writer = Writer {
            lake: self.clone(),
            tables: HashMap::new(),
            snapshots: HashMap::new(),
            _lock: lock,
        };
        for layer in Layer::ALL {
            writer.recover(layer).await?;
        }
        Ok(writer)
    }

    async fn take_lease(&self, wait: Duration) -> Result<File> {
        let path = self.root().join("writer.lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path, e)),
                Err(TryLockError::WouldBlock) if waited < wait => {
                    tokio::time::sleep(LEASE_POLL).await;
                    waited += LEASE_POLL;
                }
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    // Only to say who it is; what cannot be read is left out.
                    let _ = file.read_to_string(&mut holder);
                    let holder = if holder.is_empty() {
                        "another process".to_owned()
                    } else {
                        holder
                    };
                    return Err(Error::LeaseHeld {
                        path: self.root().to_owned(),
                        holder,
                    });
                }
            }
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "process {} since {}", std::process::id(), jiff::Timestamp::now()))
            .map_err(|e| Error::io("write", &path, e))?;
        Ok(file)
    }
}

impl Writer {
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// The snapshot that this writer's changes will follow.
    pub fn snapshot(&self, layer: Layer) -> Snapshot {
        self.snapshots.get(&layer).cloned().unwrap_or_default()
    }

    async fn recover(&mut self, layer: Layer) -> Result<()> {
        let path = self.lake.pointer_path(layer);
        let mut snapshot = pointer::read(&path)?;
        let mut moved = false;
        for def in layer.tables() {
            let mut table = self.lake.open_or_create(layer, def).await?;
            // What the pointer does not name was never published: the version that its creation made is empty.
            let published = snapshot
                .as_ref()
                .and_then(|s| s.tables.get(def.name).copied())
                .unwrap_or(0);
            let head = head_of(&table);
            if head > published {
                warn!(
                    layer = layer.name(),
                    table = def.name,
                    head,
                    published,
                    "taking back what was not published"
                );
                let version = u64::try_from(published).map_err(|_| Error::NegativeVersion {
                    table: def.name.to_owned(),
                    version: published,
                })?;
                let (restored, _) = table
                    .restore()
                    .with_version_to_restore(version)
                    .await
                    .map_err(|e| Error::table("restore", layer, def.name, e))?;
                table = restored;
                // The restored head has the published content under a new number. Naming it keeps the next writer
                // from restoring it again.
                if let Some(snapshot) = &mut snapshot {
                    snapshot.tables.insert(def.name.to_owned(), head_of(&table));
                    moved = true;
                }
            }
            self.tables.insert((layer, def.name), table);
        }
        if let Some(snapshot) = snapshot {
            if moved {
                pointer::replace(&path, &snapshot)?;
            }
            self.snapshots.insert(layer, snapshot);
        }
        Ok(())
    }

    fn def(&self, layer: Layer, table: &str) -> Result<&'static TableDef> {
        layer.table(table).ok_or_else(|| Error::NoSuchTable {
            layer: layer.name(),
            table: table.to_owned(),
        })
    }

    fn table(&self, layer: Layer, table: &str) -> Result<(&'static TableDef, DeltaTable)> {
        let def = self.def(layer, table)?;
        let handle = self.tables.get(&(layer, def.name));
        let handle = handle.ok_or_else(|| Error::NoSuchTable {
            layer: layer.name(),
            table: table.to_owned(),
        })?;
        Ok((def, handle.clone()))
    }

    /// Every row of a table as this writer sees it, its own unpublished writes included.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::Query`].
    pub async fn read(&self, layer: Layer, table: &str) -> Result<Vec<RecordBatch>> {
        let (def, handle) = self.table(layer, table)?;
        session::read_all(layer, def, &handle).await
    }

    /// The layer as this writer sees it: its tables at their newest versions, published or not. It has no id.
    pub fn heads(&self, layer: Layer) -> Snapshot {
        let tables = layer
            .tables()
            .iter()
            .filter_map(|def| Some((def.name.to_owned(), head_of(self.tables.get(&(layer, def.name))?))))
            .collect();
        Snapshot {
            tables,
            ..Snapshot::default()
        }
    }

    /// Adds rows in one commit. The batches have the table's schema ([`TableDef::arrow_schema`]).
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::Table`].
    pub async fn append(&mut self, layer: Layer, table: &str, rows: Vec<RecordBatch>) -> Result<()> {
        self.write(layer, table, rows, SaveMode::Append).await
    }

    /// Replaces all rows in one commit.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::Table`].
    pub async fn replace(&mut self, layer: Layer, table: &str, mut rows: Vec<RecordBatch>) -> Result<()> {
        if rows.is_empty() {
            // The writer learns the schema from its input.
            rows.push(RecordBatch::new_empty(self.def(layer, table)?.arrow_schema()));
        }
        self.write(layer, table, rows, SaveMode::Overwrite).await
    }

    async fn write(&mut self, layer: Layer, table: &str, rows: Vec<RecordBatch>, mode: SaveMode) -> Result<()> {
        let (def, handle) = self.table(layer, table)?;
        let written = handle
            .write(rows)
            .with_save_mode(mode)
            .await
            .map_err(|e| Error::table("write", layer, def.name, e))?;
        self.tables.insert((layer, def.name), written);
        Ok(())
    }

    /// Makes what was written to `layer` current, all of it at once, under the given id.
    ///
    /// # Errors
    /// [`Error::Io`] when the pointer cannot be replaced; then nothing has changed for readers.
    pub fn commit(
        &mut self,
        layer: Layer,
        id: String,
        published_at: jiff::Timestamp,
        fingerprints: BTreeMap<String, String>,
    ) -> Result<Snapshot> {
        let tables = self.heads(layer).tables;
        let snapshot = Snapshot {
            id,
            published_at: published_at.to_string(),
            tables,
            fingerprints,
        };
        pointer::replace(&self.lake.pointer_path(layer), &snapshot)?;
        info!(layer = layer.name(), id = snapshot.id, "moved the pointer");
        self.snapshots.insert(layer, snapshot.clone());
        Ok(snapshot)
    }
}

/// An id for a snapshot or a run: sortable by time, and different for two in the same second.
pub fn new_id(at: jiff::Timestamp) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{}-{}", at.strftime("%Y%m%dT%H%M%SZ"), &random[..6])
}

fn head_of(table: &DeltaTable) -> i64 {
    table
        .version()
        .and_then(|version| i64::try_from(version).ok())
        .unwrap_or(0)
}
