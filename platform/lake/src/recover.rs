//! What a new holder of the lease does first: it makes the tables that are missing, and takes back what a stopped
//! writer wrote without publishing it.

use crate::{
    Error, Lake, Result, Writer,
    schema::{Layer, TableDef},
    writer::{OPEN_AT_ONCE, head_of},
};
use deltalake::{
    DeltaTable, DeltaTableError,
    kernel::{StructType, engine::arrow_conversion::TryIntoKernel as _, transaction::CommitProperties},
};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, ObjectStoreExt as _, path::Path};
use tracing::warn;

impl Writer {
    pub(crate) async fn recover(&mut self, layer: Layer) -> Result<()> {
        let pointer = self.lake.inner.home.pointer(layer)?;
        let published = pointer.file.snapshot().cloned();
        let lake = &self.lake;
        let published_of = |def: &TableDef| published.as_ref().and_then(|s| s.tables.get(def.name).copied());
        // Made one by one, not by the stream: the compiler could not tell then that the whole may move between threads.
        let mut recovering = Vec::new();
        for def in layer.tables() {
            let published = published_of(def);
            recovering.push(async move {
                let (table, restored) = recover_table(lake, layer, def, published).await?;
                Ok::<_, Error>((def, table, restored))
            });
        }
        let tables: Vec<(&'static TableDef, DeltaTable, bool)> = futures::stream::iter(recovering)
            .buffered(OPEN_AT_ONCE)
            .try_collect()
            .await?;
        let mut moved = published.clone();
        for (def, table, restored) in tables {
            // The restored head has the published content under a new number. Naming it keeps the next writer from
            // restoring it again.
            if restored && let Some(snapshot) = &mut moved {
                snapshot.tables.insert(def.name.to_owned(), head_of(&table));
            }
            self.lake.inner.open.put(layer, def, &table);
            self.tables.insert((layer, def.name), table);
        }
        self.pointers.insert(layer, pointer);
        match moved {
            Some(snapshot) if Some(&snapshot) != published.as_ref() => self.move_pointer(layer, snapshot, usize::MAX),
            _ => Ok(()),
        }
    }
}

/// Opens a table with its published content at its head, and says whether it had to be restored for that.
async fn recover_table(
    lake: &Lake,
    layer: Layer,
    def: &'static TableDef,
    published: Option<i64>,
) -> Result<(DeltaTable, bool)> {
    let mut opened = lake.open_or_create(layer, def).await;
    if let Err(Error::Table { .. }) = &opened
        && cut_log(lake, layer, def, published).await?
    {
        opened = lake.open_or_create(layer, def).await;
    }
    let table = opened?;
    // What the pointer does not name was never published: the version that its creation made is empty.
    let published = published.unwrap_or(0);
    let head = head_of(&table);
    if head <= published {
        return Ok((table, false));
    }
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
        // Kept snapshots need the log for as long as they are kept; vacuum shortens it.
        .with_commit_properties(CommitProperties::default().with_cleanup_expired_logs(Some(false)))
        .await
        .map_err(|e| Error::table("restore", layer, def.name, e))?;
    Ok((restored, true))
}

/// A power cut can leave the end of a table's log empty or torn, and such a table does not open. What is torn was
/// never published, since a pointer moves only when all before it is on the disk: it is removed, and so is all after
/// it. Says whether anything was.
async fn cut_log(lake: &Lake, layer: Layer, def: &TableDef, published: Option<i64>) -> Result<bool> {
    let store = lake.inner.home.table(layer, def.name)?.object_store();
    let failed = |e: object_store::Error| Error::table("mend the log of", layer, def.name, e.into());
    let objects: Vec<ObjectMeta> = store
        .list(Some(&Path::from("_delta_log")))
        .try_collect()
        .await
        .map_err(failed)?;
    let mut entries: Vec<(i64, Path)> = objects
        .into_iter()
        .filter_map(|object| Some((log_version(&object.location)?, object.location)))
        .filter(|(version, _)| published.is_none_or(|published| *version > published))
        .collect();
    entries.sort();
    let mut torn = None;
    for (version, path) in &entries {
        if path.extension() != Some("json") {
            continue;
        }
        let text = store.get(path).await.map_err(failed)?.bytes().await.map_err(failed)?;
        let whole = !text.is_empty()
            && serde_json::Deserializer::from_slice(&text)
                .into_iter::<serde::de::IgnoredAny>()
                .all(|action| action.is_ok());
        if !whole {
            torn = Some(*version);
            break;
        }
    }
    let Some(torn) = torn else { return Ok(false) };
    warn!(
        layer = layer.name(),
        table = def.name,
        version = torn,
        "removing the torn end of a log"
    );
    // From the end, so that a stop in between leaves a log without gaps.
    for (_, path) in entries.iter().rev().filter(|(version, _)| *version >= torn) {
        store.delete(path).await.map_err(failed)?;
    }
    // It is only a hint, and may name a checkpoint that is gone.
    match store.delete(&Path::from("_delta_log/_last_checkpoint")).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(true),
        Err(e) => Err(failed(e)),
    }
}

/// The version that a file of a log belongs to: `_delta_log/00000000000000000007.json` or a checkpoint of it.
pub(crate) fn log_version(path: &Path) -> Option<i64> {
    let name = path.filename()?;
    let (digits, _) = name.split_once('.')?;
    if digits.len() == 20 { digits.parse().ok() } else { None }
}

impl Lake {
    /// Opens the newest version of a table and creates the table, empty, where it is missing.
    async fn open_or_create(&self, layer: Layer, def: &TableDef) -> Result<DeltaTable> {
        match self.open_at(layer, def.name, None).await {
            Err(Error::Table { source, .. }) if matches!(*source, DeltaTableError::NotATable(_)) => {
                let schema: StructType =
                    def.arrow_schema()
                        .as_ref()
                        .try_into_kernel()
                        .map_err(|source| Error::Arrow {
                            what: format!("schema of {}", def.name),
                            source,
                        })?;
                deltalake::operations::create::CreateBuilder::new()
                    .with_log_store(self.inner.home.table(layer, def.name)?.log_store())
                    .with_table_name(def.name)
                    .with_columns(schema.fields().cloned())
                    .await
                    .map_err(|e| Error::table("create", layer, def.name, e))
            }
            other => other,
        }
    }
}
