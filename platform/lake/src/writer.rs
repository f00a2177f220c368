//! The writer: holder of the lake's one lease. It appends to or replaces tables and then moves a layer's pointer.
//! Whatever it wrote without moving the pointer is undone by whoever takes the lease next.

use crate::{
    Error, Lake, Result, Snapshot,
    files::{self, Staged},
    lease::Lease,
    pointer::Pointer,
    schema::{Layer, TableDef},
    session,
};
use arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use deltalake::{
    DeltaTable,
    checkpoints::create_checkpoint,
    kernel::{
        Action,
        transaction::{CommitData, TransactionError},
    },
    logstore::CommitOrBytes,
    protocol::{DeltaOperation, SaveMode},
};
use futures::{StreamExt as _, TryStreamExt as _};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tracing::info;

/// How many snapshots of a layer are kept, the current one among them. Their files stay, so that `--as-of` can read
/// them; older ones are forgotten at each publication, and their files go with the next vacuum.
pub const KEPT_SNAPSHOTS: usize = 10;

/// A table's log is summed up after this many commits: without it, opening a table reads them all.
const CHECKPOINT_COMMITS: i64 = 50;

/// How many tables are opened at once. In a bucket each takes several round trips.
pub(crate) const OPEN_AT_ONCE: usize = 16;

/// The right to write, held until it is dropped. Another writer finds it taken; one that dies loses it, in a folder at
/// once and in a bucket when it has not renewed it for 30 seconds.
#[derive(Debug)]
pub struct Writer {
    pub(crate) lake: Lake,
    pub(crate) tables: HashMap<(Layer, &'static str), DeltaTable>,
    pub(crate) pointers: HashMap<Layer, Pointer>,
    pub(crate) lease: Lease,
}

impl Lake {
    /// Takes the writer's lease, waiting for at most `wait`. Creates tables that are missing, and takes back what a
    /// stopped writer wrote but did not publish.
    ///
    /// # Errors
    /// [`Error::LeaseHeld`] when another process still holds it after `wait`; [`Error::Table`] when a table cannot
    /// be created or taken back.
    pub async fn writer(&self, wait: Duration) -> Result<Writer> {
        let mut writer = Writer {
            lake: self.clone(),
            tables: HashMap::new(),
            pointers: HashMap::new(),
            lease: self.inner.home.lease(wait).await?,
        };
        for layer in Layer::ALL {
            writer.recover(layer).await?;
        }
        Ok(writer)
    }
}

impl Writer {
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// The snapshot that this writer's changes will follow.
    pub fn snapshot(&self, layer: Layer) -> Snapshot {
        let pointer = self.pointers.get(&layer);
        pointer
            .and_then(|pointer| pointer.file.snapshot())
            .cloned()
            .unwrap_or_default()
    }

    fn def(&self, layer: Layer, table: &str) -> Result<&'static TableDef> {
        layer.table(table).ok_or_else(|| Error::NoSuchTable {
            layer: layer.name(),
            table: table.to_owned(),
        })
    }

    pub(crate) fn table(&self, layer: Layer, table: &str) -> Result<(&'static TableDef, DeltaTable)> {
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
        session::read_all(&self.lake, layer, def, &handle).await
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

    /// Adds rows in one commit. Columns are found by name, as [`crate::TableWriter::write`] does.
    ///
    /// # Errors
    /// [`Error::NoSuchTable`], [`Error::Row`]; [`Error::NoSpace`], [`Error::ReadOnly`] and [`Error::Table`] when it
    /// cannot be written; [`Error::LeaseLost`].
    pub async fn append(&mut self, layer: Layer, table: &str, rows: Vec<RecordBatch>) -> Result<()> {
        let staged = self.stage_all(layer, table, rows).await?;
        self.append_staged(staged).await
    }

    /// Replaces all rows in one commit.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub async fn replace(&mut self, layer: Layer, table: &str, rows: Vec<RecordBatch>) -> Result<()> {
        let staged = self.stage_all(layer, table, rows).await?;
        self.replace_staged(staged).await
    }

    /// Adds the rows of a stream in one commit, in bounded memory, and says how many there were.
    ///
    /// # Errors
    /// As [`Writer::append`]; [`Error::Query`] when the stream ends with an error. Then nothing is added.
    pub async fn append_stream(&mut self, layer: Layer, table: &str, rows: SendableRecordBatchStream) -> Result<u64> {
        let staged = self.stage_stream(layer, table, rows).await?;
        let rows = staged.rows();
        self.append_staged(staged).await?;
        Ok(rows)
    }

    /// Replaces all rows by those of a stream in one commit, in bounded memory, and says how many there are now. The
    /// stream may read the table's own published rows.
    ///
    /// # Errors
    /// As [`Writer::append_stream`].
    pub async fn replace_stream(&mut self, layer: Layer, table: &str, rows: SendableRecordBatchStream) -> Result<u64> {
        let staged = self.stage_stream(layer, table, rows).await?;
        let rows = staged.rows();
        self.replace_staged(staged).await?;
        Ok(rows)
    }

    async fn stage_all(&self, layer: Layer, table: &str, rows: Vec<RecordBatch>) -> Result<Staged> {
        let mut writer = self.stage(layer, table)?;
        for batch in &rows {
            if let Err(e) = writer.write(batch).await {
                writer.abort().await;
                return Err(e);
            }
        }
        writer.finish().await
    }

    /// Writes the rows of a stream to files of a table without committing them.
    ///
    /// # Errors
    /// As [`Writer::append_stream`].
    pub async fn stage_stream(&self, layer: Layer, table: &str, mut rows: SendableRecordBatchStream) -> Result<Staged> {
        let mut writer = self.stage(layer, table)?;
        while let Some(batch) = rows.next().await {
            let written = match batch {
                Ok(batch) => writer.write(&batch).await,
                Err(e) => Err(Error::query(format!("make the rows of {}.{table}", layer.name()), e)),
            };
            if let Err(e) = written {
                writer.abort().await;
                return Err(e);
            }
        }
        writer.finish().await
    }

    /// Adds what was staged to its table, in one commit.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`] and [`Error::Table`] when it cannot be written; [`Error::LeaseLost`].
    pub async fn append_staged(&mut self, staged: Staged) -> Result<()> {
        let adds = staged.adds.into_iter().map(Action::Add).collect();
        self.commit_files(staged.layer, staged.def, adds, SaveMode::Append)
            .await
    }

    /// Replaces all rows of its table by what was staged, in one commit.
    ///
    /// # Errors
    /// As [`Writer::append_staged`].
    pub async fn replace_staged(&mut self, staged: Staged) -> Result<()> {
        let (_, table) = self.table(staged.layer, staged.def.name)?;
        let failed = |e| Error::table("read", staged.layer, staged.def.name, e);
        let mut actions: Vec<Action> = table
            .snapshot()
            .map_err(failed)?
            .snapshot()
            .file_views(table.log_store().as_ref(), None)
            .map_ok(|file| Action::Remove(file.remove_action(true)))
            .try_collect()
            .await
            .map_err(failed)?;
        actions.extend(staged.adds.into_iter().map(Action::Add));
        self.commit_files(staged.layer, staged.def, actions, SaveMode::Overwrite)
            .await
    }

    /// One commit to one table, exactly after the version that this writer knows. deltalake's own commit would put
    /// itself behind a version that came in between; here that can only be a writer that has lost its lease.
    pub(crate) async fn commit_files(
        &mut self,
        layer: Layer,
        def: &'static TableDef,
        mut actions: Vec<Action>,
        mode: SaveMode,
    ) -> Result<()> {
        let (_, mut table) = self.table(layer, def.name)?;
        let failed = |e| Error::table("write", layer, def.name, e);
        if let Some(columns) = files::evolve(layer, def, &table)? {
            actions.insert(0, columns);
        }
        if actions.is_empty() {
            return Ok(());
        }
        self.lease.check()?;
        let operation = DeltaOperation::Write {
            mode,
            partition_by: None,
            predicate: None,
        };
        let log = CommitData::new(actions, operation, std::collections::HashMap::new(), Vec::new())
            .get_bytes()
            .map_err(|e| failed(e.into()))?;
        let version = table.version().map_or(0, |version| version + 1);
        table
            .log_store()
            .write_commit_entry(version, CommitOrBytes::LogBytes(log), uuid::Uuid::new_v4())
            .await
            .map_err(|e| match e {
                TransactionError::VersionAlreadyExists(_) => Error::LeaseLost {
                    place: self.lake.location(),
                },
                e => failed(e.into()),
            })?;
        table.update_incremental(Some(version)).await.map_err(failed)?;
        if (head_of(&table) + 1) % CHECKPOINT_COMMITS == 0 {
            create_checkpoint(&table, None).await.map_err(failed)?;
        }
        self.lake.inner.open.put(layer, def, &table);
        self.tables.insert((layer, def.name), table);
        Ok(())
    }

    /// Makes what was written to `layer` current, all of it at once, under the given id. In a folder everything is on
    /// the disk before the pointer moves. The snapshot before it is kept, with those before that, as many as
    /// [`KEPT_SNAPSHOTS`] says.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Store`], [`Error::NoSpace`], [`Error::ReadOnly`] when the pointer cannot be replaced,
    /// [`Error::LeaseLost`] when another writer has taken over. Then nothing has changed for readers.
    pub fn commit(
        &mut self,
        layer: Layer,
        id: String,
        published_at: jiff::Timestamp,
        fingerprints: BTreeMap<String, String>,
    ) -> Result<Snapshot> {
        let snapshot = Snapshot {
            id,
            published_at: published_at.to_string(),
            tables: self.heads(layer).tables,
            fingerprints,
        };
        self.move_pointer(layer, snapshot.clone(), KEPT_SNAPSHOTS)?;
        info!(layer = layer.name(), id = snapshot.id, "moved the pointer");
        Ok(snapshot)
    }

    pub(crate) fn move_pointer(&mut self, layer: Layer, snapshot: Snapshot, keep: usize) -> Result<()> {
        self.lease.check()?;
        let read = self.pointers.entry(layer).or_default();
        let file = read.file.followed_by(snapshot, keep);
        *read = self.lake.inner.home.replace_pointer(layer, read, file)?;
        Ok(())
    }
}

/// An id for a snapshot or a run: sortable by time, and different for two in the same second.
pub fn new_id(at: jiff::Timestamp) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{}-{}", at.strftime("%Y%m%dT%H%M%SZ"), &random[..6])
}

pub(crate) fn head_of(table: &DeltaTable) -> i64 {
    table
        .version()
        .and_then(|version| i64::try_from(version).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::dataframe::DataFrame;

    /// Compiles, or does not: work on a lake may be spawned, and move between the threads of a runtime.
    #[allow(dead_code)]
    fn work_moves_between_threads(
        lake: &Lake,
        writer: &mut Writer,
        rows: DataFrame,
        stream: SendableRecordBatchStream,
    ) {
        fn moves<T: Send>(_: T) {}
        let (layer, table) = (Layer::ConcertDw, "customers");
        let optimize = crate::OptimizeOptions {
            full: false,
            wait: Duration::ZERO,
        };
        let vacuum = crate::VacuumOptions {
            keep: 1,
            dry_run: true,
            wait: Duration::ZERO,
        };
        moves(lake.writer(Duration::ZERO));
        moves(lake.optimize(&optimize));
        moves(lake.vacuum(&vacuum));
        moves(lake.batch_session(layer, &Snapshot::default()));
        moves(writer.append(layer, table, Vec::new()));
        moves(writer.replace_stream(layer, table, stream));
        moves(writer.merge(layer, table, rows));
    }
}
