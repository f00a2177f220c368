//! Files that outlive a power cut. A write to a folder may stand in the machine's memory for half a minute; this store
//! remembers what it wrote, and brings all of it to the disk when the lake asks, just before a pointer moves.

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart, local::LocalFileSystem, path::Path,
};
use std::{
    collections::BTreeSet,
    fs::File,
    io,
    ops::Range,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// How many files are brought to the disk at once. The disk orders them; one after the other they would each wait.
const SYNC_THREADS: usize = 8;

type Written = Arc<Mutex<BTreeSet<Path>>>;

/// A store over the whole machine's files that knows which of them may not be on the disk yet.
#[derive(Debug)]
pub(crate) struct Durable {
    files: LocalFileSystem,
    inner: Arc<dyn ObjectStore>,
    written: Written,
}

impl Durable {
    /// `inner` is `files`, or something around it.
    pub(crate) fn new(files: LocalFileSystem, inner: Arc<dyn ObjectStore>) -> Durable {
        Durable {
            files,
            inner,
            written: Written::default(),
        }
    }

    /// Brings what was written since the last call to the disk, with the folders that name it, up to `root`.
    ///
    /// # Errors
    /// The file or folder that could not be synced, and why. What was not synced is tried again by the next call.
    pub(crate) fn sync(&self, root: &FilePath) -> Result<(), (PathBuf, io::Error)> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut folders = BTreeSet::new();
        for path in &written {
            let Ok(file) = self.files.path_to_filesystem(path) else {
                continue;
            };
            let above = file.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
            folders.extend(above.map(FilePath::to_owned));
            paths.push(file);
        }
        // A folder's entry for a file is worth something once the file is there.
        let folders: Vec<PathBuf> = folders.into_iter().collect();
        for paths in [paths, folders] {
            sync_all(&paths)?;
        }
        self.written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|path| !written.contains(path));
        Ok(())
    }

    fn wrote(&self, path: &Path) {
        remember(&self.written, path);
    }
}

fn remember(written: &Written, path: &Path) {
    written
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(path.clone());
}

fn sync_all(paths: &[PathBuf]) -> Result<(), (PathBuf, io::Error)> {
    let part = paths.len().div_ceil(SYNC_THREADS).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = paths
            .chunks(part)
            .map(|paths| scope.spawn(|| paths.iter().try_for_each(|path| sync_one(path))))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err((PathBuf::new(), io::Error::other("a thread stopped"))))
        })
    })
}

fn sync_one(path: &FilePath) -> Result<(), (PathBuf, io::Error)> {
    match File::open(path).and_then(|file| file.sync_all()) {
        Ok(()) => Ok(()),
        // What was removed meanwhile needs no place on the disk. Not every system opens folders; there the file
        // system's own order has to do.
        Err(e) if e.kind() == io::ErrorKind::NotFound || (path.is_dir() && e.kind() != io::ErrorKind::StorageFull) => {
            Ok(())
        }
        Err(e) => Err((path.to_owned(), e)),
    }
}

impl std::fmt::Display for Durable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Durable({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Durable {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let put = self.inner.put_opts(location, payload, opts).await?;
        self.wrote(location);
        Ok(put)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Upload {
            inner: self.inner.put_multipart_opts(location, opts).await?,
            written: Arc::clone(&self.written),
            location: location.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await?;
        self.wrote(to);
        Ok(())
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await?;
        self.wrote(to);
        Ok(())
    }
}

#[derive(Debug)]
struct Upload {
    inner: Box<dyn MultipartUpload>,
    written: Written,
    location: Path,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let put = self.inner.complete().await?;
        remember(&self.written, &self.location);
        Ok(put)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt as _;

    #[tokio::test]
    async fn what_was_written_is_synced_once_and_what_is_gone_is_no_fault() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| Path::from_absolute_path(folder.path()).expect("a path").join(name);
        let store = Durable::new(LocalFileSystem::new(), Arc::new(LocalFileSystem::new()));
        store.put(&path("a"), "a".into()).await.expect("writes");
        store.put(&path("b"), "b".into()).await.expect("writes");
        store.delete(&path("b")).await.expect("deletes");
        let mut upload = store.put_multipart(&path("c")).await.expect("begins");
        upload.put_part("c".into()).await.expect("writes");
        let waiting = |store: &Durable| store.written.lock().expect("not poisoned").len();
        assert_eq!(waiting(&store), 2, "an unfinished upload is no file yet");
        upload.complete().await.expect("ends");
        assert_eq!(waiting(&store), 3);
        store.sync(folder.path()).expect("syncs");
        assert_eq!(waiting(&store), 0);
    }
}
