//! Keeping a lake small and quick: `optimize` makes few large sorted files of many small ones, `vacuum` removes what
//! no kept snapshot names. Neither changes what is published.

use crate::{
    Error, Lake, Result, Writer,
    files::FILE_BYTES,
    merge::removals,
    recover::log_version,
    schema::{Layer, TableDef},
    session::{self, Joins},
};
use datafusion::logical_expr::{Expr, ident};
use deltalake::{DeltaTable, checkpoints::create_checkpoint, kernel::Action, protocol::SaveMode};
use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStoreExt as _, path::Path};
use serde::Serialize;
use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

/// A file below this size is put together with others: half of what a file is written to.
const SMALL_FILE_BYTES: u64 = FILE_BYTES.get() / 2;

/// A log is shortened when vacuum finds at least this many versions that no kept snapshot needs.
const LOG_VERSIONS: i64 = 20;

/// Temporary files this old belong to a process that was killed.
const OLD_TEMPORARY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Copy, Debug)]
pub struct OptimizeOptions {
    /// Writes every file anew and in order, not only small ones.
    pub full: bool,
    /// How long to wait for another writer.
    pub wait: Duration,
}

/// What `optimize` did: the tables that it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Optimized {
    pub tables: Vec<OptimizedTable>,
    pub files_before: u64,
    pub files_after: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OptimizedTable {
    pub layer: &'static str,
    pub table: &'static str,
    pub rows: u64,
    /// Of the files that were written anew, not of those that stayed.
    pub files_before: u64,
    pub files_after: u64,
    pub bytes_before: u64,
    pub bytes_after: u64,
}

#[derive(Clone, Copy, Debug)]
pub struct VacuumOptions {
    /// How many snapshots of each layer are kept, the current one among them; at least 1.
    pub keep: usize,
    /// Only says what would be removed.
    pub dry_run: bool,
    /// How long to wait for another writer.
    pub wait: Duration,
}

/// What `vacuum` removed, or would remove.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Vacuumed {
    pub dry_run: bool,
    /// Of `concert_dw`.
    pub snapshots_kept: usize,
    pub snapshots_forgotten: usize,
    pub tables: Vec<VacuumedTable>,
    pub files: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VacuumedTable {
    pub layer: &'static str,
    pub table: &'static str,
    pub files: u64,
    pub bytes: u64,
}

impl Lake {
    /// Puts small files together, in the order of the table's day and key, so that a scan opens few files and skips
    /// most of them. The content and the id of the published snapshots stay; the space of the old files is free after
    /// the next [`Lake::vacuum`].
    ///
    /// # Errors
    /// [`Error::LeaseHeld`] when another process writes; [`Error::NoSpace`] and what else a write can meet. The
    /// published snapshots are as they were then, or optimised.
    pub async fn optimize(&self, options: &OptimizeOptions) -> Result<Optimized> {
        let mut writer = self.writer(options.wait).await?;
        let mut all = Optimized::default();
        for layer in Layer::ALL {
            let snapshot = writer.snapshot(layer);
            if snapshot.id.is_empty() {
                continue;
            }
            let mut changed = false;
            for def in layer.tables() {
                if let Some(table) = writer.compact(layer, def, options.full).await? {
                    all.files_before += table.files_before;
                    all.files_after += table.files_after;
                    all.bytes_before += table.bytes_before;
                    all.bytes_after += table.bytes_after;
                    all.tables.push(table);
                    changed = true;
                }
            }
            if changed {
                let mut snapshot = snapshot;
                snapshot.tables = writer.heads(layer).tables;
                writer.move_pointer(layer, snapshot, usize::MAX)?;
            }
        }
        Ok(all)
    }

    /// Forgets all but the last `keep` snapshots, then removes the files that no remaining one names, the ends of
    /// logs that none needs, and what killed processes left behind. A statement that began on a forgotten snapshot and
    /// is still running may fail; asked again it runs on a newer one.
    ///
    /// # Errors
    /// [`Error::LeaseHeld`] when another process writes; [`Error::Table`] when a kept snapshot does not open, before
    /// anything of that table is removed.
    pub async fn vacuum(&self, options: &VacuumOptions) -> Result<Vacuumed> {
        let keep = options.keep.max(1);
        let mut writer = self.writer(options.wait).await?;
        let mut all = Vacuumed {
            dry_run: options.dry_run,
            ..Vacuumed::default()
        };
        for layer in Layer::ALL {
            let pointer = writer.pointers.entry(layer).or_default();
            let kept = pointer.file.snapshots().take(keep).cloned().collect::<Vec<_>>();
            let forgotten = pointer.file.snapshots().count() - kept.len();
            if layer == Layer::ConcertDw {
                (all.snapshots_kept, all.snapshots_forgotten) = (kept.len(), forgotten);
            }
            // First the pointer, then the files: nobody is ever pointed to a file that is gone.
            if forgotten > 0
                && !options.dry_run
                && let Some(current) = kept.first()
            {
                writer.move_pointer(layer, current.clone(), keep)?;
            }
            for def in layer.tables() {
                let versions: BTreeSet<i64> = kept
                    .iter()
                    .filter_map(|snapshot| snapshot.tables.get(def.name).copied())
                    .collect();
                let table = writer.sweep(layer, def, versions, options.dry_run).await?;
                all.files += table.files;
                all.bytes += table.bytes;
                if table.files > 0 {
                    all.tables.push(table);
                }
            }
        }
        if !options.dry_run {
            self.inner.home.remove_old_temporary(OLD_TEMPORARY);
        }
        Ok(all)
    }
}

impl Writer {
    /// Writes the small files of a table anew, or all of them; none if there is nothing to gain.
    async fn compact(&mut self, layer: Layer, def: &'static TableDef, full: bool) -> Result<Option<OptimizedTable>> {
        let (_, table) = self.table(layer, def.name)?;
        let failed = |e| Error::table("read", layer, def.name, e);
        let mut files: Vec<(String, u64)> = table
            .snapshot()
            .map_err(failed)?
            .snapshot()
            .file_views(table.log_store().as_ref(), None)
            .map_ok(|file| (file.path().into_owned(), u64::try_from(file.size()).unwrap_or(0)))
            .try_collect()
            .await
            .map_err(failed)?;
        files.retain(|(_, bytes)| full || *bytes < SMALL_FILE_BYTES);
        if files.is_empty() || (files.len() == 1 && !full) {
            return Ok(None);
        }
        let bytes_before = files.iter().map(|(_, bytes)| bytes).sum();
        let paths: BTreeSet<String> = files.into_iter().map(|(path, _)| path).collect();
        let selected: Vec<String> = paths.iter().cloned().collect();
        let provider = session::scan(layer, def, &table, |scan| scan.with_file_paths(selected)).await?;
        let failed = |e| Error::query(format!("sort {}.{}", layer.name(), def.name), e);
        let rows = self
            .lake
            .work_session(Joins::Sorting)?
            .read_table(provider)
            .and_then(|rows| rows.sort(def.sort_order()))
            .map_err(failed)?
            .execute_stream()
            .await
            .map_err(failed)?;
        let staged = self.stage_stream(layer, def.name, rows).await?;
        let optimized = OptimizedTable {
            layer: layer.name(),
            table: def.name,
            rows: staged.rows(),
            files_before: paths.len() as u64,
            files_after: staged.files() as u64,
            bytes_before,
            bytes_after: staged.bytes(),
        };
        let mut actions = removals(layer, def, &table, &paths, false).await?;
        actions.extend(staged.adds.into_iter().map(|mut add| {
            add.data_change = false;
            Action::Add(add)
        }));
        self.commit_files(layer, def, actions, SaveMode::Append).await?;
        Ok(Some(optimized))
    }

    /// Removes the files of a table that none of these versions names. Its head is always kept.
    async fn sweep(
        &mut self,
        layer: Layer,
        def: &'static TableDef,
        mut versions: BTreeSet<i64>,
        dry_run: bool,
    ) -> Result<VacuumedTable> {
        let (_, head) = self.table(layer, def.name)?;
        let failed = |e| Error::table("vacuum", layer, def.name, e);
        versions.insert(crate::writer::head_of(&head));
        let oldest = versions.first().copied().unwrap_or(0);
        let named = self.named(layer, def, &versions).await?;
        let store = head.object_store();
        let objects: Vec<ObjectMeta> = store
            .list(None)
            .try_collect()
            .await
            .map_err(|e: object_store::Error| failed(e.into()))?;
        let mut doomed = Vec::new();
        let mut old_log = Vec::new();
        for object in objects {
            if !object.location.as_ref().starts_with("_delta_log") {
                if !named.contains(&object.location) {
                    doomed.push(object);
                }
            } else if log_version(&object.location).is_some_and(|version| version < oldest) {
                old_log.push(object);
            }
        }
        let old_versions = old_log.iter().filter_map(|object| log_version(&object.location));
        let shorten = old_versions.min().is_some_and(|first| oldest - first >= LOG_VERSIONS);
        if shorten {
            if !dry_run {
                // The log then begins with the sum of all before it.
                let table = self.lake.open_at(layer, def.name, Some(oldest)).await?;
                create_checkpoint(&table, None).await.map_err(failed)?;
            }
            old_log.sort_by(|a, b| a.location.cmp(&b.location));
            doomed.append(&mut old_log);
        }
        let leftovers = self.lake.inner.home.leftovers(layer, def.name);
        let swept = VacuumedTable {
            layer: layer.name(),
            table: def.name,
            files: (doomed.len() + leftovers.len()) as u64,
            bytes: doomed.iter().map(|object| object.size).sum::<u64>()
                + leftovers.iter().map(|(_, bytes)| bytes).sum::<u64>(),
        };
        if !dry_run {
            self.lease.check()?;
            for object in &doomed {
                match store.delete(&object.location).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(e) => return Err(failed(e.into())),
                }
            }
            for (path, _) in &leftovers {
                std::fs::remove_file(path).map_err(|e| Error::io("remove", path, e))?;
            }
        }
        Ok(swept)
    }

    /// The files that these versions of a table name.
    async fn named(&self, layer: Layer, def: &TableDef, versions: &BTreeSet<i64>) -> Result<HashSet<Path>> {
        let failed = |e| Error::table("read the versions of", layer, def.name, e);
        let mut named = HashSet::new();
        let mut table: Option<DeltaTable> = None;
        for version in versions {
            // From one version to the next only what lies between is read.
            let opened = match table.take() {
                None => self.lake.open_at(layer, def.name, Some(*version)).await?,
                Some(mut before) => {
                    let version = u64::try_from(*version).map_err(|_| Error::NegativeVersion {
                        table: def.name.to_owned(),
                        version: *version,
                    })?;
                    before.update_incremental(Some(version)).await.map_err(failed)?;
                    before
                }
            };
            let files: Vec<Path> = opened
                .snapshot()
                .map_err(failed)?
                .snapshot()
                .file_views(opened.log_store().as_ref(), None)
                .map_ok(|file| file.object_store_path())
                .try_collect()
                .await
                .map_err(failed)?;
            named.extend(files);
            table = Some(opened);
        }
        Ok(named)
    }
}

impl TableDef {
    /// The columns that a table's rows are best sorted by: its day, if it has one, since most questions are about a
    /// period, then its key.
    pub fn order(&self) -> Vec<&'static str> {
        let mut order: Vec<&str> = self.day.into_iter().collect();
        order.extend(self.key.iter().filter(|column| Some(**column) != self.day));
        order
    }

    /// [`TableDef::order`] for DataFusion: ascending, nulls first.
    pub fn sort_order(&self) -> Vec<datafusion::logical_expr::SortExpr> {
        self.order()
            .into_iter()
            .map(|column| Expr::sort(ident(column), true, true))
            .collect()
    }
}
