//! Whether a snapshot can be read: its tables open at the versions that it names, and their files are there with the
//! sizes that the logs say. Nothing is read beyond the logs.

use crate::{
    Error, Lake, Result, Snapshot,
    schema::{Layer, TableDef},
    writer::{OPEN_AT_ONCE, head_of},
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use serde::Serialize;

/// How many problems of one table are told.
const MAX_PROBLEMS: usize = 3;

/// What a look at one table of a snapshot found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableFiles {
    pub layer: &'static str,
    pub table: &'static str,
    pub version: i64,
    /// The newest version. What lies past the snapshot was written and not published; the next writer takes it back.
    pub head: i64,
    pub files: u64,
    /// As the log says.
    pub bytes: u64,
    /// Empty if all is well; else what is wrong, at most three of it.
    pub problems: Vec<String>,
}

impl Lake {
    /// Looks at every table that the snapshot names. What is wrong stands in the answer and is no error: the point is
    /// to see all of it.
    pub async fn verify(&self, layer: Layer, snapshot: &Snapshot) -> Vec<TableFiles> {
        let mut found = Vec::new();
        for def in layer.tables() {
            let Some(version) = snapshot.tables.get(def.name).copied() else {
                continue;
            };
            let mut table = TableFiles {
                layer: layer.name(),
                table: def.name,
                version,
                head: version,
                files: 0,
                bytes: 0,
                problems: Vec::new(),
            };
            if let Err(error) = self.look_at(layer, def, &mut table).await {
                table.problems.push(format!("version {version} does not open: {error}"));
            }
            table.problems.truncate(MAX_PROBLEMS);
            found.push(table);
        }
        found
    }

    async fn look_at(&self, layer: Layer, def: &TableDef, found: &mut TableFiles) -> Result<()> {
        let failed = |e| Error::table("list the files of", layer, def.name, e);
        found.head = head_of(&self.open_at(layer, def.name, None).await?);
        let table = self.open_at(layer, def.name, Some(found.version)).await?;
        let files: Vec<(object_store::path::Path, u64)> = table
            .snapshot()
            .map_err(failed)?
            .snapshot()
            .file_views(table.log_store().as_ref(), None)
            .map_ok(|file| (file.object_store_path(), u64::try_from(file.size()).unwrap_or(0)))
            .try_collect()
            .await
            .map_err(failed)?;
        found.files = files.len() as u64;
        found.bytes = files.iter().map(|(_, bytes)| bytes).sum();
        let store = &table.log_store().object_store(None);
        let problems: Vec<Option<String>> = futures::stream::iter(files)
            .map(|(path, bytes)| {
                async move {
                    match store.head(&path).await {
                        Ok(meta) if meta.size == bytes => None,
                        Ok(meta) => Some(format!("{path} has {} bytes, and {bytes} were written", meta.size)),
                        Err(object_store::Error::NotFound { .. }) => Some(format!("{path} is not there")),
                        Err(error) => Some(format!("{path} cannot be looked at: {error}")),
                    }
                }
                .boxed()
            })
            .buffered(OPEN_AT_ONCE)
            .collect()
            .await;
        found.problems.extend(problems.into_iter().flatten());
        Ok(())
    }
}
