//! The pointer: the one small file of a layer that says which version of each table is current, and which snapshots
//! before it are kept. It is replaced as a whole, by a rename in a folder and by a conditional put in a bucket, so a
//! reader sees the old snapshot or the new one, and a stopped process leaves one of them.

use crate::{Error, Result, fault::Faults};
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion, path::Path as ObjectPath};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, io::Write as _, path::Path};

/// One consistent state of a layer's tables.
///
/// The default is the state before the first publication: no id, and every table empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Changes exactly when the content of a table changes.
    pub id: String,
    /// RFC 3339, UTC.
    pub published_at: String,
    /// The Delta version of each table. A table that is not named is empty.
    pub tables: BTreeMap<String, i64>,
    /// What each table was made from, so that a run that would make the same again can leave it alone. Only the
    /// current snapshot has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fingerprints: BTreeMap<String, String>,
}

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PointerFile {
    /// Without an id where a bucket's lease was taken over before anything was published.
    #[serde(flatten)]
    pub current: Snapshot,
    /// The snapshots before it, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Snapshot>,
    /// Goes up when a bucket's lease is taken from a holder that died: one that only slept then finds the pointer
    /// changed, and cannot move it any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fence: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl PointerFile {
    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        Some(&self.current).filter(|snapshot| !snapshot.id.is_empty())
    }

    /// Every kept snapshot, the current one first.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.snapshot().into_iter().chain(&self.history)
    }

    /// The pointer after `snapshot` is published, keeping at most `keep` snapshots in all.
    pub(crate) fn followed_by(&self, snapshot: Snapshot, keep: usize) -> PointerFile {
        let history = self
            .snapshots()
            .filter(|before| before.id != snapshot.id)
            .take(keep.saturating_sub(1))
            .map(|before| Snapshot {
                fingerprints: BTreeMap::new(),
                ..before.clone()
            })
            .collect();
        PointerFile {
            current: snapshot,
            history,
            fence: self.fence,
        }
    }

    fn parse(bytes: &[u8], place: &str) -> Result<PointerFile> {
        serde_json::from_slice(bytes).map_err(|source| Error::Pointer {
            place: place.to_owned(),
            source,
        })
    }

    fn text(&self, place: &str) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|source| Error::Pointer {
            place: place.to_owned(),
            source,
        })
    }
}

/// A pointer as it was read, with what a conditional put needs to replace exactly this one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pointer {
    pub file: PointerFile,
    /// None in a folder, and where there was no object.
    pub version: Option<UpdateVersion>,
}

/// Reads a folder's pointer; the default where there is none.
pub(crate) fn read_file(path: &Path) -> Result<Pointer> {
    match fs::read(path) {
        Ok(bytes) => Ok(Pointer {
            file: PointerFile::parse(&bytes, &path.display().to_string())?,
            version: None,
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Pointer::default()),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// Replaces a folder's pointer. Only the holder of the lease calls this, so one name for the temporary file is enough.
pub(crate) fn replace_file(path: &Path, file: &PointerFile, faults: Option<&Faults>) -> Result<()> {
    let temporary = path.with_extension("json.new");
    let text = file.text(&path.display().to_string())?;
    if let Some(faults) = faults {
        faults
            .write(text.len())
            .map_err(|e| Error::io("write", &temporary, e))?;
    }
    let mut file = fs::File::create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(|e| Error::io("write", &temporary, e))?;
    fs::rename(&temporary, path).map_err(|e| Error::io("replace", path, e))?;
    // The rename itself must survive a power cut. Folders cannot be opened for this on every system; there the
    // file system's own order has to do.
    if let Some(folder) = path.parent()
        && let Ok(folder) = fs::File::open(folder)
    {
        folder.sync_all().map_err(|e| Error::io("write", path, e))?;
    }
    Ok(())
}

/// Reads a bucket's pointer; the default where there is none.
pub(crate) async fn read_object(store: &dyn ObjectStore, path: &ObjectPath, place: &str) -> Result<Pointer> {
    let failed = |e| Error::store("read", place, e);
    let found = match store.get(path).await {
        Ok(found) => found,
        Err(object_store::Error::NotFound { .. }) => return Ok(Pointer::default()),
        Err(e) => return Err(failed(e)),
    };
    let version = Some(UpdateVersion {
        e_tag: found.meta.e_tag.clone(),
        version: found.meta.version.clone(),
    });
    let bytes = found.bytes().await.map_err(failed)?;
    Ok(Pointer {
        file: PointerFile::parse(&bytes, place)?,
        version,
    })
}

/// Replaces a bucket's pointer if it still is the one that was read, and gives what it is then.
///
/// # Errors
/// [`Error::LeaseLost`] when another writer has replaced it since.
pub(crate) async fn replace_object(
    store: &dyn ObjectStore,
    path: &ObjectPath,
    place: &str,
    read: &Pointer,
    file: PointerFile,
) -> Result<Pointer> {
    let mode = match &read.version {
        Some(version) => PutMode::Update(version.clone()),
        None => PutMode::Create,
    };
    let text = file.text(place)?;
    match store.put_opts(path, text.into(), PutOptions::from(mode)).await {
        Ok(put) => Ok(Pointer {
            file,
            version: Some(put.into()),
        }),
        Err(object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. }) => {
            // An answer that was lost on its way is asked for again, and then meets its own success.
            let now = read_object(store, path, place).await?;
            if now.file == file {
                Ok(now)
            } else {
                Err(Error::LeaseLost {
                    place: place.to_owned(),
                })
            }
        }
        Err(e) => Err(Error::store("write", place, e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    fn snapshot(id: &str) -> Snapshot {
        Snapshot {
            id: id.to_owned(),
            fingerprints: BTreeMap::from([("concerts".to_owned(), "hash".to_owned())]),
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_pointer_is_replaced_and_reads_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.json");
        assert_eq!(read_file(&path).expect("reads").file.snapshot(), None);
        let mut file = PointerFile::default().followed_by(snapshot("one"), 3);
        replace_file(&path, &file, None).expect("writes");
        file.current.tables.insert("concerts".into(), 3);
        replace_file(&path, &file, None).expect("writes again");
        assert_eq!(read_file(&path).expect("reads").file, file);
    }

    #[test]
    fn a_pointer_from_before_there_was_a_history_reads() {
        let text = br#"{"id": "one", "published_at": "1970-01-01T00:00:00Z", "tables": {"concerts": 3}}"#;
        let file = PointerFile::parse(text, "p.json").expect("reads");
        assert_eq!(file.current.tables["concerts"], 3);
        assert_eq!(file.snapshots().count(), 1);
    }

    #[test]
    fn the_last_snapshots_are_kept_the_newest_first() {
        let mut file = PointerFile::default();
        for id in ["one", "two", "three", "four"] {
            file = file.followed_by(snapshot(id), 3);
        }
        let ids = |file: &PointerFile| file.snapshots().map(|s| s.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&file), ["four", "three", "two"]);
        assert!(file.history.iter().all(|s| s.fingerprints.is_empty()));
        // The same content under new versions, as after compaction, is no further snapshot.
        assert_eq!(ids(&file.followed_by(snapshot("four"), 3)), ["four", "three", "two"]);
    }

    #[test]
    fn a_damaged_pointer_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.json");
        fs::write(&path, b"{\"id\": ").expect("writes");
        let message = read_file(&path).expect_err("refused").to_string();
        assert!(message.contains("p.json"), "{message}");
    }

    #[tokio::test]
    async fn of_two_who_replace_the_same_pointer_one_is_told() {
        let store = InMemory::new();
        let path = ObjectPath::from("p.json");
        let nothing = read_object(&store, &path, "p").await.expect("reads");
        let one = PointerFile::default().followed_by(snapshot("one"), 3);
        let first = replace_object(&store, &path, "p", &nothing, one.clone())
            .await
            .expect("creates");
        // Asked again because the answer was lost.
        let again = replace_object(&store, &path, "p", &nothing, one)
            .await
            .expect("is what was asked for");
        assert_eq!(again.version, first.version);
        let two = first.file.followed_by(snapshot("two"), 3);
        replace_object(&store, &path, "p", &first, two.clone())
            .await
            .expect("moves");
        let late = first.file.followed_by(snapshot("late"), 3);
        let error = replace_object(&store, &path, "p", &first, late)
            .await
            .expect_err("too late");
        assert!(matches!(error, Error::LeaseLost { .. }), "{error}");
        assert_eq!(read_object(&store, &path, "p").await.expect("reads").file, two);
    }
}
