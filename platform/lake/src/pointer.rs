//! The pointer: the one small file that says which version of each table is current. It is replaced by a rename, so
//! a reader sees the old snapshot or the new one, and a stopped process leaves one of them.

use crate::{Error, Result};
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
    /// What each table was made from, so that a run that would make the same again can leave it alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fingerprints: BTreeMap<String, String>,
}

pub(crate) fn read(path: &Path) -> Result<Option<Snapshot>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| Error::Pointer {
                path: path.to_owned(),
                source,
            }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// Replaces the pointer. Only the holder of the lease calls this, so one name for the temporary file is enough.
pub(crate) fn replace(path: &Path, snapshot: &Snapshot) -> Result<()> {
    let temporary = path.with_extension("json.new");
    let text = serde_json::to_vec_pretty(snapshot).map_err(|source| Error::Pointer {
        path: temporary.clone(),
        source,
    })?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_replaced_and_reads_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.json");
        assert_eq!(read(&path).expect("reads"), None);
        let mut snapshot = Snapshot {
            id: "one".into(),
            ..Snapshot::default()
        };
        replace(&path, &snapshot).expect("writes");
        snapshot.tables.insert("concerts".into(), 3);
        replace(&path, &snapshot).expect("writes again");
        assert_eq!(read(&path).expect("reads"), Some(snapshot));
    }

    #[test]
    fn a_damaged_pointer_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("p.json");
        fs::write(&path, b"{\"id\": ").expect("writes");
        let message = read(&path).expect_err("refused").to_string();
        assert!(message.contains("p.json"), "{message}");
    }
}
