//! Where files end up: a folder, or a place in an object store. Nothing has its final name before everything is
//! written, and a run that was stopped is recognised by the next one, which then takes its place.
//!
//! In a folder, files grow in `.concert-generate.partial` and are renamed at the end. In a store, uploads become
//! visible when they are completed, all at the end; the object `.concert-generate.partial` says that a run is at it.
//! `.concert-generate.json` says what was made, so that the same run may be repeated over itself.

use crate::{GenerateError, Target};
use futures::StreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, WriteMultipart, path::Path as ObjectPath};
use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::runtime::Runtime;

/// Says what a folder's data was made of.
pub const MANIFEST: &str = ".concert-generate.json";
/// A folder of unfinished files, or in a store an object beside them.
const PARTIAL: &str = ".concert-generate.partial";
/// The folder of what is known about damaged data; a folder is not read by `concert ingest`.
pub const TRUTH: &str = "_truth";

const BUFFER_BYTES: usize = 1 << 18;
/// A part of an upload, and how many are under way at once.
const PART_BYTES: usize = 8 << 20;
const PARTS_UNDER_WAY: usize = 3;
/// The largest manifest that is read.
const MAX_MANIFEST_BYTES: u64 = 1 << 16;

/// A place that is ready to be written to.
pub enum Output {
    Folder(Folder),
    Store(Store),
}

/// A file that is being written.
pub enum Sink {
    File { path: PathBuf, writer: BufWriter<File> },
    Upload(Upload),
}

pub struct Upload {
    runtime: Arc<Runtime>,
    /// None once it is completed.
    parts: Option<WriteMultipart>,
}

impl Drop for Upload {
    /// What is not completed would be kept, invisible, and paid for.
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            let _inside = self.runtime.enter();
            let _ = self.runtime.block_on(parts.abort());
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::File { writer, .. } => writer.write(bytes),
            Sink::Upload(upload) => {
                let _inside = upload.runtime.enter();
                if let Some(parts) = &mut upload.parts {
                    parts.write(bytes);
                    // What is under way is held in memory.
                    upload.runtime.block_on(parts.wait_for_capacity(PARTS_UNDER_WAY))?;
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::File { writer, .. } => writer.flush(),
            Sink::Upload(_) => Ok(()),
        }
    }
}

impl Output {
    /// Looks whether `target` may be written to. `known` are the names that a run can write, `manifest` says what
    /// this one makes.
    ///
    /// # Errors
    /// [`GenerateError::NotEmpty`], [`GenerateError::OtherData`], [`GenerateError::Busy`], [`GenerateError::Write`],
    /// [`GenerateError::Store`].
    pub fn open(
        target: &Target,
        manifest: &str,
        known: BTreeSet<String>,
        overwrite: bool,
    ) -> Result<Output, GenerateError> {
        match target {
            Target::Folder(path) => Folder::open(path, manifest, known, overwrite).map(Output::Folder),
            Target::Store { store, prefix, url } => {
                Store::open(store, prefix, url, manifest, known, overwrite).map(Output::Store)
            }
        }
    }

    /// Begins a file. Its name may hold one folder.
    ///
    /// # Errors
    /// As [`Output::open`].
    pub fn create(&self, name: &str) -> Result<Sink, GenerateError> {
        match self {
            Output::Folder(folder) => folder.create(name),
            Output::Store(store) => store.create(name),
        }
    }

    /// Gives all files their names.
    ///
    /// # Errors
    /// As [`Output::open`]. The next run then takes this one's place.
    pub fn commit(self, files: Vec<(String, Sink)>, manifest: &str) -> Result<(), GenerateError> {
        match self {
            Output::Folder(folder) => folder.commit(files, manifest),
            Output::Store(store) => store.commit(files, manifest),
        }
    }

    /// What went wrong with the file `name`.
    pub fn failed(&self, name: &str, source: io::Error) -> GenerateError {
        match self {
            Output::Folder(folder) => write_error(&folder.path.join(name))(source),
            Output::Store(store) => GenerateError::Store {
                what: "write",
                location: format!("{}/{name}", store.url),
                source: match source.downcast::<object_store::Error>() {
                    Ok(error) => error,
                    Err(error) => object_store::Error::Generic {
                        store: "generate",
                        source: error.into(),
                    },
                },
            },
        }
    }
}

/// Decides whether a place that holds `inside` may be written to.
fn judge(
    place: &str,
    inside: &BTreeSet<String>,
    known: &BTreeSet<String>,
    finished: Option<&str>,
    interrupted: bool,
    manifest: &str,
    overwrite: bool,
) -> Result<(), GenerateError> {
    if let Some(name) = inside.iter().find(|name| !known.contains(*name)) {
        return Err(GenerateError::NotEmpty {
            place: place.to_owned(),
            name: name.clone(),
        });
    }
    let ours = interrupted || finished == Some(manifest);
    if inside.is_empty() || ours || overwrite {
        return Ok(());
    }
    Err(GenerateError::OtherData {
        place: place.to_owned(),
    })
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> GenerateError + use<> {
    let path = path.to_owned();
    |source| GenerateError::Write { path, source }
}

pub struct Folder {
    path: PathBuf,
    partial: PathBuf,
    known: BTreeSet<String>,
    /// The folder was not there before.
    is_new: bool,
    /// The folder is between two states, from this run or from one before.
    committing: bool,
    /// Held while the run goes on; the system gives it up when the process ends, however it ends.
    _lock: File,
}

impl Folder {
    fn open(path: &Path, manifest: &str, known: BTreeSet<String>, overwrite: bool) -> Result<Folder, GenerateError> {
        let is_new = !path.exists();
        fs::create_dir_all(path).map_err(write_error(path))?;
        let partial = path.join(PARTIAL);
        let interrupted = partial.exists();
        let mut inside = BTreeSet::new();
        let read = |folder: &Path, before: &str, inside: &mut BTreeSet<String>| -> io::Result<()> {
            for entry in fs::read_dir(folder)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                let is_truth = before.is_empty() && name == TRUTH;
                if !name.starts_with('.') && !is_truth {
                    inside.insert(format!("{before}{name}"));
                }
            }
            Ok(())
        };
        read(path, "", &mut inside).map_err(write_error(path))?;
        let truth = path.join(TRUTH);
        if truth.is_dir() {
            read(&truth, &format!("{TRUTH}/"), &mut inside).map_err(write_error(&truth))?;
        }
        let finished = fs::read_to_string(path.join(MANIFEST)).ok();
        let place = path.display().to_string();
        judge(
            &place,
            &inside,
            &known,
            finished.as_deref(),
            interrupted,
            manifest,
            overwrite,
        )?;

        fs::create_dir_all(&partial).map_err(write_error(&partial))?;
        let lock_path = partial.join("lock");
        let lock = File::create(&lock_path).map_err(write_error(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(GenerateError::Busy { place }),
            Err(TryLockError::Error(source)) => return Err(write_error(&lock_path)(source)),
        }
        let folder = Folder {
            path: path.to_owned(),
            partial,
            known,
            is_new,
            committing: interrupted,
            _lock: lock,
        };
        fs::create_dir_all(folder.partial.join(TRUTH)).map_err(write_error(&folder.partial))?;
        Ok(folder)
    }

    fn create(&self, name: &str) -> Result<Sink, GenerateError> {
        let path = self.partial.join(name);
        let file = File::create(&path).map_err(write_error(&path))?;
        Ok(Sink::File {
            path,
            writer: BufWriter::with_capacity(BUFFER_BYTES, file),
        })
    }

    fn commit(mut self, files: Vec<(String, Sink)>, manifest: &str) -> Result<(), GenerateError> {
        let mut names = BTreeSet::new();
        for (name, sink) in files {
            if let Sink::File { path, writer } = sink {
                let file = writer.into_inner().map_err(|e| write_error(&path)(e.into_error()))?;
                file.sync_all().map_err(write_error(&path))?;
                names.insert(name);
            }
        }
        let manifest_path = self.partial.join(MANIFEST);
        fs::write(&manifest_path, manifest).map_err(write_error(&manifest_path))?;
        // From here on the folder is between two states; the next run finishes what this one does not.
        self.committing = true;
        for name in self.known.difference(&names) {
            let path = self.path.join(name);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(write_error(&path)(source)),
                _ => {}
            }
        }
        let truth = self.path.join(TRUTH);
        if names.iter().any(|name| name.starts_with(TRUTH)) {
            fs::create_dir_all(&truth).map_err(write_error(&truth))?;
        } else if truth.is_dir() {
            fs::remove_dir(&truth).map_err(write_error(&truth))?;
        }
        for name in names.iter().map(String::as_str).chain([MANIFEST]) {
            let path = self.path.join(name);
            fs::rename(self.partial.join(name), &path).map_err(write_error(&path))?;
        }
        fs::remove_dir_all(&self.partial).map_err(write_error(&self.partial))?;
        // The names are on disk when the folder is; where a folder cannot be opened, they will be soon.
        if let Ok(folder) = File::open(&self.path) {
            let _ = folder.sync_all();
        }
        self.is_new = false;
        Ok(())
    }
}

impl Drop for Folder {
    /// After an error nothing is left of the run; what cannot be removed is taken over by the next one.
    fn drop(&mut self) {
        if !self.committing {
            let _ = fs::remove_dir_all(&self.partial);
            if self.is_new {
                let _ = fs::remove_dir(&self.path);
            }
        }
    }
}

pub struct Store {
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    url: String,
    /// Objects of an earlier run that this one replaces or removes.
    inside: BTreeSet<String>,
    committing: bool,
    runtime: Arc<Runtime>,
}

impl Store {
    fn open(
        store: &Arc<dyn ObjectStore>,
        prefix: &ObjectPath,
        url: &str,
        manifest: &str,
        known: BTreeSet<String>,
        overwrite: bool,
    ) -> Result<Store, GenerateError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|source| GenerateError::Write {
                path: url.into(),
                source,
            })?;
        let mut output = Store {
            store: Arc::clone(store),
            prefix: prefix.clone(),
            url: url.trim_end_matches('/').to_owned(),
            inside: BTreeSet::new(),
            // Nothing is to be cleared away before something was put there.
            committing: true,
            runtime: Arc::new(runtime),
        };
        output.inside = output.list()?;
        let interrupted = output.inside.remove(PARTIAL);
        let finished = if output.inside.remove(MANIFEST) {
            output.manifest()?
        } else {
            None
        };
        let hidden = |name: &String| name.split('/').any(|part| part.starts_with('.'));
        output.inside.retain(|name| !hidden(name));
        judge(
            &output.url,
            &output.inside,
            &known,
            finished.as_deref(),
            interrupted,
            manifest,
            overwrite,
        )?;
        output.put(PARTIAL, manifest)?;
        output.committing = interrupted;
        Ok(output)
    }

    fn path(&self, name: &str) -> ObjectPath {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn failed(&self, what: &'static str, name: &str) -> impl FnOnce(object_store::Error) -> GenerateError + use<> {
        let location = format!("{}/{name}", self.url);
        move |source| GenerateError::Store { what, location, source }
    }

    fn list(&self) -> Result<BTreeSet<String>, GenerateError> {
        self.runtime.block_on(async {
            let mut objects = self.store.list(Some(&self.prefix));
            let mut names = BTreeSet::new();
            while let Some(object) = objects.next().await {
                let object = object.map_err(self.failed("list", ""))?;
                if let Some(parts) = object.location.prefix_match(&self.prefix) {
                    let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
                    names.insert(parts.join("/"));
                }
            }
            Ok(names)
        })
    }

    fn manifest(&self) -> Result<Option<String>, GenerateError> {
        let path = self.path(MANIFEST);
        self.runtime.block_on(async {
            let found = self.store.get(&path).await.map_err(self.failed("read", MANIFEST))?;
            if found.meta.size > MAX_MANIFEST_BYTES {
                return Ok(None);
            }
            let bytes = found.bytes().await.map_err(self.failed("read", MANIFEST))?;
            Ok(String::from_utf8(bytes.to_vec()).ok())
        })
    }

    fn put(&self, name: &str, text: &str) -> Result<(), GenerateError> {
        let payload = PutPayload::from(text.as_bytes().to_vec());
        let path = self.path(name);
        let put = self.store.put(&path, payload);
        self.runtime
            .block_on(put)
            .map(|_| ())
            .map_err(self.failed("write", name))
    }

    fn delete(&self, name: &str) -> Result<(), GenerateError> {
        match self.runtime.block_on(self.store.delete(&self.path(name))) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.failed("remove", name)(source)),
        }
    }

    fn create(&self, name: &str) -> Result<Sink, GenerateError> {
        let path = self.path(name);
        let begun = self.runtime.block_on(self.store.put_multipart(&path));
        let upload = begun.map_err(self.failed("write", name))?;
        Ok(Sink::Upload(Upload {
            runtime: Arc::clone(&self.runtime),
            parts: Some(WriteMultipart::new_with_chunk_size(upload, PART_BYTES)),
        }))
    }

    fn commit(mut self, files: Vec<(String, Sink)>, manifest: &str) -> Result<(), GenerateError> {
        // From here on the prefix is between two states; the next run finishes what this one does not.
        self.committing = true;
        for (name, sink) in files {
            if let Sink::Upload(mut upload) = sink
                && let Some(parts) = upload.parts.take()
            {
                let _inside = self.runtime.enter();
                self.runtime
                    .block_on(parts.finish())
                    .map_err(self.failed("write", &name))?;
                self.inside.remove(&name);
            }
        }
        for name in &self.inside {
            self.delete(name)?;
        }
        self.put(MANIFEST, manifest)?;
        self.delete(PARTIAL)
    }
}

impl Drop for Store {
    /// After an error that came before any object was completed, the prefix is as it was.
    fn drop(&mut self) {
        if !self.committing {
            let _ = self.delete(PARTIAL);
        }
    }
}
