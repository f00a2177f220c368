//! Where a load's bytes come from: files and folders of this machine, standard input, and object stores
//! (`s3://bucket/prefix`). Every one of them becomes a [`DataFile`], which is read as a stream.

use crate::{Error, Result, disk::Disk};
use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use object_store::{GetOptions, ObjectStore, ObjectStoreExt as _, path::Path as ObjectPath};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};
use tokio::runtime::Handle;

/// The name under which standard input is asked for and traced.
pub const STANDARD_INPUT: &str = "-";

/// A file of this load and the name that its records are traced by. Standard input is one too: it is put into a
/// file of the staging folder first, since it can be read only once and a mapping may read it for several tables.
#[derive(Clone, Debug)]
pub struct DataFile {
    /// Where it is; of an object, its address.
    pub path: PathBuf,
    pub name: String,
    object: Option<Arc<Object>>,
}

impl PartialEq for DataFile {
    fn eq(&self, other: &DataFile) -> bool {
        self.path == other.path
    }
}

#[derive(Debug)]
struct Object {
    store: Arc<dyn ObjectStore>,
    location: ObjectPath,
    bytes: u64,
    /// What the store calls this version of it.
    tag: Option<String>,
    changed_at: i64,
    runtime: Handle,
    /// Where a copy is put, if its format cannot be read as a stream.
    scratch: PathBuf,
    disk: Disk,
}

impl DataFile {
    pub fn new(path: PathBuf) -> DataFile {
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        DataFile {
            path,
            name,
            object: None,
        }
    }

    /// How many bytes it has as it is stored.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn bytes(&self) -> Result<u64> {
        match &self.object {
            Some(object) => Ok(object.bytes),
            None => Ok(std::fs::metadata(&self.path)
                .map_err(|e| Error::io("read", &self.path, e))?
                .len()),
        }
    }

    /// What tells whether it is still the file that it was: its address, size, and time of change or version. None of
    /// standard input, which nobody can read twice.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn identity(&self) -> Result<Option<String>> {
        if self.name == STANDARD_INPUT {
            return Ok(None);
        }
        let (bytes, version) = match &self.object {
            Some(object) => {
                let version = object.tag.clone().unwrap_or_else(|| object.changed_at.to_string());
                (object.bytes, version)
            }
            None => {
                let failed = |e| Error::io("read", &self.path, e);
                let about = std::fs::metadata(&self.path).map_err(failed)?;
                let changed = about.modified().map_err(failed)?;
                let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
                (about.len(), since.as_nanos().to_string())
            }
        };
        let path = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        Ok(Some(format!("{}\u{1f}{bytes}\u{1f}{version}", path.display())))
    }

    /// Opens it for reading from its first byte.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn reader(&self) -> Result<Box<dyn Read + Send>> {
        let failed = |e| Error::io("read", &self.path, e);
        match &self.object {
            None => Ok(Box::new(File::open(&self.path).map_err(failed)?)),
            Some(object) => {
                let stream = object.stream().map_err(failed)?;
                Ok(Box::new(ObjectReader {
                    runtime: object.runtime.clone(),
                    stream,
                    current: Bytes::new(),
                }))
            }
        }
    }

    /// Opens it for reading anywhere in it. An object is copied into the load's scratch folder for that, once.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn local(&self) -> Result<File> {
        let failed = |e| Error::io("read", &self.path, e);
        let Some(object) = &self.object else {
            return File::open(&self.path).map_err(failed);
        };
        let name = hex::encode(&Sha256::digest(self.path.to_string_lossy().as_bytes())[..16]);
        let copy = object.scratch.join(name);
        if !std::fs::metadata(&copy).is_ok_and(|about| about.len() == object.bytes) {
            let mut reader = self.reader()?;
            let mut file = object.disk.create(&copy)?;
            io::copy(&mut reader, &mut file).map_err(|e| Error::io("copy an object into", &copy, e))?;
        }
        File::open(&copy).map_err(|e| Error::io("read", &copy, e))
    }
}

impl Object {
    fn stream(&self) -> io::Result<BoxStream<'static, object_store::Result<Bytes>>> {
        let options = GetOptions {
            // A load reads a file at least twice: its header, then all of it. Both must be the same file.
            if_match: self.tag.clone(),
            ..GetOptions::default()
        };
        let got = self
            .runtime
            .block_on(self.store.get_opts(&self.location, options))
            .map_err(io::Error::other)?;
        Ok(got.into_stream())
    }
}

struct ObjectReader {
    runtime: Handle,
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    current: Bytes,
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.runtime.block_on(self.stream.next()) {
                Some(next) => self.current = next.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = self.current.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}

/// The files behind what was named: a folder, or an address that ends like one, stands for the files in it, in the order
/// of their names. Blocks; `scratch` is a folder for what cannot be read where it is.
///
/// # Errors
/// [`Error::Io`], [`Error::NoFiles`], [`Error::Lake`] for an address that makes no sense.
pub fn expand(paths: &[PathBuf], scratch: &Path, disk: &Disk, runtime: &Handle) -> Result<Vec<DataFile>> {
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() == STANDARD_INPUT {
            files.push(standard_input(scratch, disk)?);
            continue;
        }
        if let Some(address) = path.to_str().filter(|text| text.contains("://")) {
            files.append(&mut objects(address, scratch, disk, runtime)?);
            continue;
        }
        let about = std::fs::metadata(path).map_err(|e| Error::io("read", path, e))?;
        if !about.is_dir() {
            files.push(DataFile::new(path.clone()));
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|e| Error::io("read the folder", path, e))? {
            let entry = entry.map_err(|e| Error::io("read the folder", path, e))?.path();
            let file = DataFile::new(entry);
            if file.path.is_file() && !file.name.starts_with('.') {
                inside.push(file);
            }
        }
        inside.sort_by(|a, b| a.path.cmp(&b.path));
        files.append(&mut inside);
    }
    if files.is_empty() {
        Err(Error::NoFiles)
    } else {
        Ok(files)
    }
}

fn objects(address: &str, scratch: &Path, disk: &Disk, runtime: &Handle) -> Result<Vec<DataFile>> {
    let (store, at) = concert_lake::store(address)?;
    let failed = |e: object_store::Error| Error::io("read", Path::new(address), io::Error::other(e));
    let file = |about: object_store::ObjectMeta, path: String| DataFile {
        name: about.location.filename().unwrap_or_default().to_owned(),
        path: PathBuf::from(path),
        object: Some(Arc::new(Object {
            store: Arc::clone(&store),
            bytes: about.size,
            tag: about.e_tag,
            changed_at: about.last_modified.timestamp_micros(),
            location: about.location,
            runtime: runtime.clone(),
            scratch: scratch.to_owned(),
            disk: disk.clone(),
        })),
    };
    if !address.ends_with('/') {
        match runtime.block_on(store.head(&at)) {
            Ok(about) => return Ok(vec![file(about, address.to_owned())]),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(e) => return Err(failed(e)),
        }
    }
    let listed = runtime.block_on(store.list_with_delimiter(Some(&at))).map_err(failed)?;
    let folder = address.trim_end_matches('/');
    let mut found: Vec<DataFile> = listed
        .objects
        .into_iter()
        .filter_map(|about| {
            let name = about.location.filename()?.to_owned();
            (!name.starts_with('.')).then(|| file(about, format!("{folder}/{name}")))
        })
        .collect();
    if found.is_empty() {
        let nothing = io::Error::new(
            io::ErrorKind::NotFound,
            "there is no object of that name or in a folder of it",
        );
        return Err(Error::io("read", Path::new(address), nothing));
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// All of standard input, put into a file of `scratch`.
///
/// # Errors
/// [`Error::Io`].
pub fn standard_input(scratch: &Path, disk: &Disk) -> Result<DataFile> {
    spooled(&mut io::stdin().lock(), scratch, disk)
}

fn spooled(input: &mut impl Read, scratch: &Path, disk: &Disk) -> Result<DataFile> {
    let path = scratch.join("standard-input");
    let mut file = disk.create(&path)?;
    io::copy(input, &mut file).map_err(|e| Error::io("put standard input into", &path, e))?;
    Ok(DataFile {
        path,
        name: STANDARD_INPUT.to_owned(),
        object: None,
    })
}
