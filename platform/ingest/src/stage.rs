//! The staging folder of a load: what was read of each file, as Arrow files, until the whole load is settled. A file
//! that was staged to its end has a note beside it; a load that was stopped leaves those behind, and the next one that
//! asks for the same files takes them over instead of reading them once more.
//!
//! A folder belongs to the process that holds the lock in it. Nothing in it is flushed to the disk on purpose: what a
//! killed process wrote is still there, and what a power cut took is seen by its length and read again.

use crate::{
    Error, Result,
    collect::with_ordinals,
    disk::{Disk, DiskFile},
    mapping::Encoding,
    quarantine::Reading,
};
use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray},
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::{reader::FileReader, writer::FileWriter},
};
use concert_lake::new_id;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File, OpenOptions, TryLockError},
    io::{BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// What is staged by another version of this code is read again.
pub const FORMAT: u32 = 2;

/// How long the staged files of a load that nobody goes on with are kept.
const KEEP_UNFINISHED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many bits of an ordinal count the rows of one file: 10^12 of them. The file's place in the load is above.
const ORDINAL_BITS: u32 = 40;

/// How much is gathered before it is written, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

const ABOUT: &str = "run.json";
const LOCK: &str = "lock";
const DONE: &str = "done.json";

/// Who reads, in every row's lineage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: String,
    /// Microseconds since 1970-01-01, UTC.
    pub arrived_at: i64,
    /// How many files the run reads.
    files: usize,
}

impl Run {
    /// The two columns that name the run in every row that it writes.
    pub fn columns(&self, rows: usize) -> [ArrayRef; 2] {
        let ids: StringArray = std::iter::repeat_n(Some(self.id.as_str()), rows).collect();
        let at = TimestampMicrosecondArray::from(vec![self.arrived_at; rows]).with_timezone("UTC");
        [Arc::new(ids), Arc::new(at)]
    }
}

/// A load that was begun and not brought to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// How many files it reads.
    pub files: usize,
    /// How many of them are staged to their end.
    pub staged: usize,
    /// What its staging folder takes.
    pub bytes: u64,
    /// Whether a process is at it now.
    pub running: bool,
}

/// What was staged of one file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StagedFile {
    pub key: String,
    /// The file's name.
    pub source: String,
    /// The hash of what the file holds, unpacked.
    pub sha256: String,
    /// As it is stored.
    pub bytes: u64,
    pub records: u64,
    pub encoding: Encoding,
    pub notes: Vec<String>,
    pub raw: StagedBatches,
    pub refused: StagedBatches,
    pub tables: BTreeMap<String, StagedTable>,
    /// How it was read; none of records that are judged again.
    pub reading: Option<Reading>,
}

/// What was staged of one file for one table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StagedTable {
    pub records_in: u64,
    pub quarantined: u64,
    pub rows: StagedBatches,
    /// What the source calls the columns that a column of the model is made from.
    pub names: BTreeMap<String, String>,
}

/// A file of Arrow batches in the staging folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedBatches {
    /// Its name; none where there are no rows.
    file: Option<String>,
    pub rows: u64,
    pub bytes: u64,
}

pub struct Staging {
    folder: PathBuf,
    pub run: Run,
    /// What earlier attempts at this run have staged, by key.
    found: BTreeMap<String, StagedFile>,
    finished: bool,
    disk: Disk,
    _lock: File,
}

/// A folder for what a load keeps beside its staged files; it is gone with this value.
pub struct Scratch {
    folder: PathBuf,
    _lock: File,
}

impl Scratch {
    /// # Errors
    /// [`Error::Io`].
    pub fn new(root: &Path, disk: &Disk) -> Result<Scratch> {
        let folder = root.join(format!("scratch-{}", new_id(Timestamp::now())));
        let lock = make(&folder, disk)?;
        Ok(Scratch { folder, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next load.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Staging {
    /// Takes over the newest unfinished run that has staged one of `keys` to its end, or begins a new one. What nobody
    /// will go on with is removed. `is_published` says whether a run came to its end after all.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be made or written.
    pub fn open(root: &Path, disk: &Disk, keys: &[String], is_published: impl Fn(&str) -> bool) -> Result<Staging> {
        let wanted: HashSet<&str> = keys.iter().map(String::as_str).collect();
        let mut taken: Option<Staging> = None;
        for folder in folders(root)? {
            let Some(lock) = take_lock(&folder)? else { continue };
            let found = staged_in(&folder);
            let run = read_json::<Run>(&folder.join(ABOUT));
            let (Some(run), false) = (run, found.is_empty()) else {
                remove(&folder)?;
                continue;
            };
            if is_published(&run.id) {
                remove(&folder)?;
                continue;
            }
            let fits = found.iter().any(|file| wanted.contains(file.key.as_str()));
            if fits && taken.is_none() {
                taken = Some(Staging {
                    found: found.into_iter().map(|file| (file.key.clone(), file)).collect(),
                    run: Run {
                        files: keys.len(),
                        ..run
                    },
                    folder,
                    finished: false,
                    disk: disk.clone(),
                    _lock: lock,
                });
            } else if fits || is_old(&folder) {
                remove(&folder)?;
            }
        }
        let staging = match taken {
            Some(taken) => taken,
            None => {
                let now = Timestamp::now();
                let run = Run {
                    id: new_id(now),
                    arrived_at: now.as_microsecond(),
                    files: keys.len(),
                };
                let folder = root.join(&run.id);
                let lock = make(&folder, disk)?;
                Staging {
                    folder,
                    run,
                    found: BTreeMap::new(),
                    finished: false,
                    disk: disk.clone(),
                    _lock: lock,
                }
            }
        };
        write_json(disk, &staging.folder.join(ABOUT), &staging.run)?;
        Ok(staging)
    }

    /// What an earlier attempt has staged of this file.
    pub fn found(&self, key: &str) -> Option<&StagedFile> {
        self.found.get(key)
    }

    /// Whether this run was begun by an earlier attempt.
    pub fn is_resumed(&self) -> bool {
        !self.found.is_empty()
    }

    /// A writer of what is read of the file that stands at `index` in this load.
    pub fn writer(&self, index: usize, part: &str, schema: SchemaRef) -> StageWriter {
        StageWriter {
            path: self.folder.join(format!("{index:06}.{part}.arrow")),
            schema,
            disk: self.disk.clone(),
            next_ordinal: ordinal(index, 0),
            writer: None,
            rows: 0,
        }
    }

    /// A writer of what is put aside while the run is settled; a later attempt writes it anew.
    pub fn working(&self, name: &str, schema: SchemaRef) -> StageWriter {
        StageWriter {
            path: self.folder.join(format!("settle.{name}.arrow")),
            schema,
            disk: self.disk.clone(),
            next_ordinal: 0,
            writer: None,
            rows: 0,
        }
    }

    /// Says that the file at `index` is staged to its end.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn done(&self, index: usize, file: &StagedFile) -> Result<()> {
        write_json(&self.disk, &self.folder.join(format!("{index:06}.{DONE}")), file)
    }

    /// The batches of one staged file, one after the other; `columns` are those that are read, or all.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Staged`].
    pub fn read(&self, staged: &StagedBatches, columns: Option<Vec<usize>>) -> Result<BatchReader> {
        match &staged.file {
            None => Ok(BatchReader {
                path: self.folder.clone(),
                reader: None,
            }),
            Some(name) => BatchReader::open(self.folder.join(name), columns),
        }
    }

    /// Where one staged file is; none where nothing was staged.
    pub fn path_of(&self, staged: &StagedBatches) -> Option<PathBuf> {
        staged.file.as_ref().map(|name| self.folder.join(name))
    }

    /// The run is published: nothing here is needed any more.
    pub fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // An attempt that has staged nothing to its end has nothing to be gone on with. What cannot be removed now is
        // removed by the next load.
        if self.finished || staged_in(&self.folder).is_empty() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The loads that were begun and not brought to their end, the newest first.
///
/// # Errors
/// [`Error::Io`] when the staging folder cannot be read.
pub fn unfinished(root: &Path) -> Result<Vec<Unfinished>> {
    let mut found = Vec::new();
    for folder in folders(root)? {
        let Some(run) = read_json::<Run>(&folder.join(ABOUT)) else {
            continue;
        };
        let Ok(started_at) = Timestamp::from_microsecond(run.arrived_at) else {
            continue;
        };
        let bytes = fs::read_dir(&folder)
            .map(|entries| {
                let sizes = entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()));
                sizes.sum()
            })
            .unwrap_or(0);
        found.push(Unfinished {
            running: take_lock(&folder)?.is_none(),
            staged: staged_in(&folder).len(),
            run_id: run.id,
            started_at: started_at.to_string(),
            files: run.files,
            bytes,
        });
    }
    found.retain(|run| run.running || run.staged > 0);
    Ok(found)
}

/// Removes what unfinished loads have left, except those that a process is at. Gives the number of loads.
///
/// # Errors
/// [`Error::Io`].
pub fn discard(root: &Path) -> Result<usize> {
    let mut removed = 0;
    for folder in folders(root)? {
        if let Some(_lock) = take_lock(&folder)? {
            removed += usize::from(read_json::<Run>(&folder.join(ABOUT)).is_some());
            remove(&folder)?;
        }
    }
    Ok(removed)
}

/// The ordinal of row `row` of the file at `index`.
fn ordinal(index: usize, row: i64) -> i64 {
    (i64::try_from(index).unwrap_or(i64::MAX >> ORDINAL_BITS) << ORDINAL_BITS) | row
}

/// Writes batches that have no ordinals yet, and gives them theirs.
pub struct StageWriter {
    path: PathBuf,
    schema: SchemaRef,
    disk: Disk,
    next_ordinal: i64,
    writer: Option<FileWriter<BufWriter<DiskFile>>>,
    rows: u64,
}

impl StageWriter {
    /// Writes the batch with ordinals behind its columns.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk does not take it.
    pub fn write_numbered(&mut self, batch: &RecordBatch) -> Result<()> {
        let numbered = with_ordinals(batch, self.schema.clone(), self.next_ordinal).map_err(|e| self.failed(e))?;
        self.next_ordinal += i64::try_from(batch.num_rows()).unwrap_or(i64::MAX);
        self.write(&numbered)
    }

    /// # Errors
    /// [`Error::Io`] when the disk does not take it.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.writer.is_none() {
            let file = self.disk.create(&self.path)?;
            let buffered = BufWriter::with_capacity(BUFFER_BYTES, file);
            self.writer = Some(FileWriter::try_new(buffered, &self.schema).map_err(|e| self.failed(e))?);
        }
        if let Some(writer) = &mut self.writer {
            let written = writer.write(batch);
            written.map_err(|e| self.failed(e))?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// # Errors
    /// [`Error::Io`] when the disk does not take the rest of it.
    pub fn finish(mut self) -> Result<StagedBatches> {
        let Some(writer) = self.writer.take() else {
            return Ok(StagedBatches::default());
        };
        let mut buffered = writer.into_inner().map_err(|e| self.failed(e))?;
        buffered.flush().map_err(|e| Error::io("write", &self.path, e))?;
        let about = buffered.get_ref().metadata();
        Ok(StagedBatches {
            file: self.path.file_name().map(|name| name.to_string_lossy().into_owned()),
            rows: self.rows,
            bytes: about.map_err(|e| Error::io("write", &self.path, e))?.len(),
        })
    }

    fn failed(&self, e: ArrowError) -> Error {
        match e {
            ArrowError::IoError(_, source) => Error::io("write", &self.path, source),
            source => Error::Staged {
                path: self.path.clone(),
                source,
            },
        }
    }
}

/// The batches of a staged file.
pub struct BatchReader {
    path: PathBuf,
    reader: Option<FileReader<BufReader<File>>>,
}

impl BatchReader {
    /// # Errors
    /// [`Error::Io`], [`Error::Staged`].
    pub fn open(path: PathBuf, columns: Option<Vec<usize>>) -> Result<BatchReader> {
        let file = File::open(&path).map_err(|e| Error::io("read", &path, e))?;
        let reader = FileReader::try_new(BufReader::new(file), columns).map_err(|source| Error::Staged {
            path: path.clone(),
            source,
        })?;
        Ok(BatchReader {
            path,
            reader: Some(reader),
        })
    }
}

impl Iterator for BatchReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        let batch = self.reader.as_mut()?.next()?;
        Some(batch.map_err(|source| Error::Staged {
            path: self.path.clone(),
            source,
        }))
    }
}

/// The folders in the staging folder, the newest first.
fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::io("read the folder", root, e);
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    Ok(found)
}

fn make(folder: &Path, disk: &Disk) -> Result<File> {
    disk.make_folder(folder)?;
    take_lock(folder)?.ok_or_else(|| {
        let busy = std::io::Error::new(std::io::ErrorKind::WouldBlock, "another process holds it");
        Error::io("lock", folder, busy)
    })
}

/// The lock of a folder; none if another process holds it, or the folder has just gone.
fn take_lock(folder: &Path) -> Result<Option<File>> {
    let path = folder.join(LOCK);
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("open", &path, e)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(Error::io("lock", &path, e)),
    }
}

fn remove(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).map_err(|e| Error::io("remove", folder, e))
}

fn is_old(folder: &Path) -> bool {
    let changed = fs::metadata(folder).and_then(|about| about.modified());
    let age = changed.map(|changed| SystemTime::now().duration_since(changed).unwrap_or_default());
    age.is_ok_and(|age| age > KEEP_UNFINISHED)
}

/// What a folder holds that was staged to its end, and is still whole.
fn staged_in(folder: &Path) -> Vec<StagedFile> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let is_whole = |staged: &StagedBatches| match &staged.file {
        None => true,
        Some(name) => fs::metadata(folder.join(name)).is_ok_and(|about| about.len() == staged.bytes),
    };
    let mut found: Vec<StagedFile> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_string_lossy().into_owned();
            name.ends_with(DONE).then(|| read_json::<StagedFile>(&path))?
        })
        .filter(|file| {
            let tables = file.tables.values().map(|table| &table.rows);
            tables.chain([&file.raw, &file.refused]).all(is_whole)
        })
        .collect();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

/// What does not read is as good as not there: it is made again.
fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Writes a note at once: it is there whole, or not at all.
fn write_json<T: Serialize>(disk: &Disk, path: &Path, value: &T) -> Result<()> {
    let failed = |e| Error::io("write", path, e);
    let new = path.with_extension("new");
    let text = serde_json::to_vec(value).map_err(|e| failed(e.into()))?;
    disk.write(&new, &text)?;
    fs::rename(&new, path).map_err(failed)
}
