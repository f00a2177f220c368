//! Where a database lies on the disk: a folder with one small file that names everything, replaced by a rename, and
//! beside it the tables' files, which never change. What no snapshot names is removed.

use super::{Catalog, CatalogFile, DataFile};
use crate::error::RedshiftError;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::OwnedMutexGuard;

const CATALOG: &str = "catalog.json";
const DATA: &str = "data";
const LOAD_ERRORS: &str = "load_errors.jsonl";

/// How many faults of COPY are remembered for a database.
const LOAD_ERRORS_MAX: usize = 10_000;

/// The right to write to a database; one transaction has it at a time.
pub(crate) type WriteLock = OwnedMutexGuard<()>;

/// A fault that COPY met in a file: a row of `stl_load_errors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoadError {
    /// The number of the COPY.
    pub query: i64,
    /// RFC 3339, UTC.
    pub at: String,
    pub table_id: u32,
    pub table: String,
    pub file: String,
    pub line: i64,
    pub column: String,
    pub column_type: String,
    pub column_length: String,
    pub position: i64,
    pub raw_line: String,
    pub raw_field: String,
    pub code: i64,
    pub reason: String,
}

/// One database. It is made on the disk by its first write.
#[derive(Debug)]
pub(crate) struct Database {
    pub name: String,
    folder: PathBuf,
    head: Mutex<Arc<Catalog>>,
    write: Arc<tokio::sync::Mutex<()>>,
    /// Files that the head no longer names; they go when nobody reads them.
    retired: Mutex<Vec<Arc<DataFile>>>,
    load_errors: Mutex<VecDeque<LoadError>>,
}

fn io(what: &str, path: &Path, error: &std::io::Error) -> RedshiftError {
    RedshiftError::Storage(format!("cannot {what} {}: {error}", path.display()))
}

impl Database {
    /// Opens a database; where there is nothing yet it is empty.
    pub fn open(name: &str, folder: PathBuf) -> Result<Database, RedshiftError> {
        let path = folder.join(CATALOG);
        let catalog = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<CatalogFile>(&bytes)
                .map_err(|error| error.to_string())
                .and_then(CatalogFile::into_catalog)
                .map_err(|error| RedshiftError::Storage(format!("cannot read {}: {error}", path.display())))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Catalog::empty(),
            Err(error) => return Err(io("read", &path, &error)),
        };
        let mut load_errors = VecDeque::new();
        if let Ok(text) = fs::read_to_string(folder.join(LOAD_ERRORS)) {
            // A line that a stopped process left half written is no loss.
            load_errors.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
            while load_errors.len() > LOAD_ERRORS_MAX {
                load_errors.pop_front();
            }
        }
        let database = Database {
            name: name.to_owned(),
            folder,
            head: Mutex::new(Arc::new(catalog)),
            write: Arc::default(),
            retired: Mutex::default(),
            load_errors: Mutex::new(load_errors),
        };
        database.remove_strangers();
        Ok(database)
    }

    pub fn data_folder(&self) -> PathBuf {
        self.folder.join(DATA)
    }

    /// What is committed now.
    pub fn head(&self) -> Arc<Catalog> {
        Arc::clone(&self.head.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the right to write.
    ///
    /// # Errors
    /// Another transaction keeps it for longer than `wait`.
    pub async fn lock(&self, wait: Duration) -> Result<WriteLock, RedshiftError> {
        tokio::time::timeout(wait, Arc::clone(&self.write).lock_owned())
            .await
            .map_err(|_| {
                RedshiftError::Data(format!(
                    "could not obtain the lock of database \"{}\" in {} s: another transaction writes to it and has \
                     not ended",
                    self.name,
                    wait.as_secs()
                ))
            })
    }

    /// Replaces everything at once. The caller holds the lock.
    ///
    /// # Errors
    /// The disk does not take it; then nothing has changed.
    pub fn commit(&self, catalog: Catalog) -> Result<(), RedshiftError> {
        let data = self.data_folder();
        fs::create_dir_all(&data).map_err(|error| io("make", &data, &error))?;
        // A file's name must be on the disk before what names it.
        if let Ok(folder) = fs::File::open(&data) {
            folder.sync_all().map_err(|error| io("write", &data, &error))?;
        }
        let text = serde_json::to_vec(&CatalogFile::from(&catalog))
            .map_err(|error| RedshiftError::Storage(format!("cannot write the catalogue down: {error}")))?;
        replace(&self.folder.join(CATALOG), &text)?;
        let catalog = Arc::new(catalog);
        let before = {
            let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *head, Arc::clone(&catalog))
        };
        let kept: BTreeSet<&str> = catalog.files().map(|file| file.name.as_str()).collect();
        let gone: Vec<Arc<DataFile>> = before
            .files()
            .filter(|file| !kept.contains(file.name.as_str()))
            .map(Arc::clone)
            .collect();
        drop(before);
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).extend(gone);
        self.sweep();
        Ok(())
    }

    /// Removes retired files that nobody holds any more.
    pub fn sweep(&self) {
        let data = self.data_folder();
        self.retired
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|file| {
                let read = Arc::strong_count(file) > 1;
                if !read {
                    // What cannot be removed now is a stranger at the next start.
                    let _ = fs::remove_file(data.join(&file.name));
                }
                read
            });
    }

    /// Removes files that a stopped process wrote and did not commit.
    fn remove_strangers(&self) {
        let head = self.head();
        let kept: BTreeSet<&str> = head.files().map(|file| file.name.as_str()).collect();
        for entry in fs::read_dir(self.data_folder()).into_iter().flatten().flatten() {
            if !kept.contains(entry.file_name().to_string_lossy().as_ref()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Removes the whole database.
    pub fn remove(&self) -> Result<(), RedshiftError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", &self.folder, &error)),
            _ => Ok(()),
        }
    }

    /// Remembers what COPY met, whatever becomes of its transaction.
    pub fn add_load_errors(&self, errors: Vec<LoadError>) {
        if errors.is_empty() {
            return;
        }
        let mut text = String::new();
        for error in &errors {
            if let Ok(line) = serde_json::to_string(error) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        let written = fs::create_dir_all(&self.folder).and_then(|()| {
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.folder.join(LOAD_ERRORS))?
                .write_all(text.as_bytes())
        });
        if let Err(error) = written {
            tracing::warn!(database = self.name, %error, "cannot keep the errors of a COPY");
        }
        let mut kept = self.load_errors.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(errors);
        while kept.len() > LOAD_ERRORS_MAX {
            kept.pop_front();
        }
    }

    pub fn load_errors(&self) -> Vec<LoadError> {
        let kept = self.load_errors.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }
}

/// Replaces a small file so that a reader, and a machine after a power cut, finds the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), RedshiftError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| io("make", folder, &error))?;
    let new = path.with_extension("json.new");
    let mut file = fs::File::create(&new).map_err(|error| io("create", &new, &error))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(|error| io("write", &new, &error))?;
    fs::rename(&new, path).map_err(|error| io("replace", path, &error))?;
    if let Ok(folder) = fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read_again_and_files_that_nobody_names_are_removed() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("db");
        let database = Database::open("db", folder.clone()).expect("opens");
        assert!(!folder.join(CATALOG).exists());
        let mut catalog = (*database.head()).clone();
        catalog.schemas.insert("tour".to_owned(), "admin".to_owned());
        database.commit(catalog).expect("commits");
        fs::write(folder.join(DATA).join("stranger.parquet"), "x").expect("writes");
        let again = Database::open("db", folder.clone()).expect("opens");
        assert!(again.head().schemas.contains_key("tour"));
        assert_eq!(fs::read_dir(folder.join(DATA)).expect("reads").count(), 0);
        fs::write(folder.join(CATALOG), "{\"format\": 99}").expect("writes");
        let error = Database::open("db", folder).expect_err("damaged").to_string();
        assert!(error.contains("catalog.json"), "{error}");
    }
}
