//! Where a lake lives: a folder or a prefix of a bucket. The two differ in how a pointer is replaced, how the lease is
//! held and what makes a file durable; this module is the only one that knows which of them a lake is in.

use crate::{
    Error, Result,
    durable::Durable,
    fault::Faults,
    lease::Lease,
    pointer::{self, Pointer, PointerFile},
    schema::Layer,
    store::{self, Place},
};
use deltalake::{
    DeltaTable, DeltaTableBuilder,
    logstore::{
        LogStore, LogStoreFactory, ObjectStoreFactory, ObjectStoreRef, StorageConfig, default_logstore,
        logstore_factories, object_store_factories,
    },
};
use object_store::{ObjectStore, local::LocalFileSystem, path::Path as ObjectPath};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Once},
    time::Duration,
};
use url::Url;

/// The folder for what a statement spills, beside the layers.
const TEMPORARY: &str = "tmp";

#[derive(Debug)]
pub(crate) struct Home {
    /// Ends with a slash.
    url: Url,
    /// What every file of a table goes through. Its root is the machine's or the bucket's.
    store: Arc<dyn ObjectStore>,
    medium: Medium,
    faults: Option<Faults>,
}

#[derive(Debug)]
enum Medium {
    Folder { root: PathBuf, files: Arc<Durable> },
    Bucket { prefix: ObjectPath, lease_ttl: Duration },
}

impl Home {
    /// Opens a folder, and makes it where it is missing, or a bucket's prefix, to which nothing is sent.
    pub(crate) fn open(place: Place, faults: Option<Faults>, lease_ttl: Duration) -> Result<Home> {
        register();
        let around = |store: Arc<dyn ObjectStore>| match &faults {
            Some(faults) => faults.around(store),
            None => store,
        };
        match place {
            Place::Local(root) => {
                for folder in [root.clone()]
                    .into_iter()
                    .chain(Layer::ALL.map(|layer| root.join(layer.name())))
                {
                    make_folder(&folder)?;
                }
                // Delta tables are addressed by absolute URLs, whatever folder the command was started in.
                let root = root
                    .canonicalize()
                    .map_err(|e| Error::io("find the folder", &root, e))?;
                let url = Url::from_directory_path(&root).map_err(|()| Error::Path { path: root.clone() })?;
                let local = LocalFileSystem::new();
                let files = Arc::new(Durable::new(local.clone(), around(Arc::new(local))));
                Ok(Home {
                    url,
                    store: Arc::clone(&files) as _,
                    medium: Medium::Folder { root, files },
                    faults,
                })
            }
            Place::Bucket { bucket, path } => {
                let text = format!("s3://{bucket}/{path}");
                let url = Url::parse(&format!("{}/", text.trim_end_matches('/'))).map_err(|e| Error::Location {
                    location: text,
                    reason: e.to_string(),
                })?;
                Ok(Home {
                    url,
                    store: around(store::s3(&bucket)?),
                    medium: Medium::Bucket {
                        prefix: path,
                        lease_ttl,
                    },
                    faults,
                })
            }
        }
    }

    pub(crate) fn faults(&self) -> Option<Faults> {
        self.faults.clone()
    }

    /// For people: the folder, or `s3://bucket/prefix`.
    pub(crate) fn name(&self) -> String {
        match &self.medium {
            Medium::Folder { root, .. } => root.display().to_string(),
            Medium::Bucket { .. } => self.url.as_str().trim_end_matches('/').to_owned(),
        }
    }

    /// Where statements spill: beside a folder's tables, where there is most likely room for them.
    pub(crate) fn temporary(&self) -> PathBuf {
        match &self.medium {
            Medium::Folder { root, .. } => root.join(TEMPORARY),
            Medium::Bucket { .. } => std::env::temp_dir(),
        }
    }

    /// Files that a killed process had begun to write into a folder: the store writes under another name first, which
    /// it does not list.
    pub(crate) fn leftovers(&self, layer: Layer, table: &str) -> Vec<(PathBuf, u64)> {
        let Medium::Folder { root, .. } = &self.medium else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut folders = vec![root.join(layer.name()).join(table)];
        while let Some(folder) = folders.pop() {
            // What cannot be read is left where it is.
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let Ok(meta) = entry.metadata() else { continue };
                if meta.is_dir() {
                    folders.push(entry.path());
                } else if is_leftover(&entry.file_name().to_string_lossy()) {
                    found.push((entry.path(), meta.len()));
                }
            }
        }
        found
    }

    /// Removes temporary files of processes that were killed.
    pub(crate) fn remove_old_temporary(&self, age: Duration) {
        let Medium::Folder { root, .. } = &self.medium else {
            return;
        };
        for entry in std::fs::read_dir(root.join(TEMPORARY)).into_iter().flatten().flatten() {
            let modified = entry.metadata().and_then(|meta| meta.modified());
            if modified.is_ok_and(|at| at.elapsed().is_ok_and(|elapsed| elapsed > age)) {
                // Another vacuum may be doing the same; what stays is found by the next.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    pub(crate) fn table_url(&self, layer: Layer, table: &str) -> Result<Url> {
        let path = format!("{}/{table}/", layer.name());
        if let Medium::Folder { root, .. } = &self.medium {
            make_folder(&root.join(&path))?;
        }
        self.url.join(&path).map_err(|e| Error::Location {
            location: path,
            reason: e.to_string(),
        })
    }

    /// A handle on a table that is not loaded yet.
    pub(crate) fn table(&self, layer: Layer, table: &str) -> Result<DeltaTable> {
        let url = self.table_url(layer, table)?;
        DeltaTableBuilder::from_url(url.clone())
            .and_then(|builder| builder.with_storage_backend(Arc::clone(&self.store), url).build())
            .map_err(|e| Error::table("open", layer, table, e))
    }

    pub(crate) fn pointer(&self, layer: Layer) -> Result<Pointer> {
        let name = pointer_name(layer);
        match &self.medium {
            Medium::Folder { root, .. } => pointer::read_file(&root.join(name)),
            Medium::Bucket { prefix, .. } => {
                let (store, path, place) = (
                    Arc::clone(&self.store),
                    prefix.clone().join(name),
                    self.pointer_place(layer),
                );
                store::wait(async move { pointer::read_object(&store, &path, &place).await })?
            }
        }
    }

    /// Makes everything durable that was written, then replaces the pointer that was `read`.
    pub(crate) fn replace_pointer(&self, layer: Layer, read: &Pointer, file: PointerFile) -> Result<Pointer> {
        let name = pointer_name(layer);
        match &self.medium {
            Medium::Folder { root, files } => {
                files
                    .sync(root)
                    .map_err(|(path, e)| Error::io("bring to the disk", &path, e))?;
                pointer::replace_file(&root.join(name), &file, self.faults.as_ref())?;
                Ok(Pointer { file, version: None })
            }
            Medium::Bucket { prefix, .. } => {
                let (store, path, place) = (
                    Arc::clone(&self.store),
                    prefix.clone().join(name),
                    self.pointer_place(layer),
                );
                let read = read.clone();
                store::wait(async move { pointer::replace_object(&store, &path, &place, &read, file).await })?
            }
        }
    }

    fn pointer_place(&self, layer: Layer) -> String {
        format!("{}{}", self.url, pointer_name(layer))
    }

    /// Takes the writer's lease, waiting for at most `wait`.
    pub(crate) async fn lease(&self, wait: Duration) -> Result<Lease> {
        match &self.medium {
            Medium::Folder { root, .. } => Lease::of_folder(root, wait, self.faults.as_ref()).await,
            Medium::Bucket { prefix, lease_ttl } => {
                let (lease, from_the_dead) =
                    Lease::of_bucket(Arc::clone(&self.store), prefix, &self.name(), *lease_ttl, wait).await?;
                if from_the_dead {
                    for layer in Layer::ALL {
                        self.fence(layer)?;
                    }
                }
                Ok(lease)
            }
        }
    }

    /// Changes the pointer, so that one who read it before cannot replace it any more.
    fn fence(&self, layer: Layer) -> Result<()> {
        loop {
            let read = self.pointer(layer)?;
            let mut file = read.file.clone();
            file.fence += 1;
            match self.replace_pointer(layer, &read, file) {
                Ok(_) => return Ok(()),
                // The other one was a moment earlier: what it published stands, and it is fenced off now.
                Err(Error::LeaseLost { .. }) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

fn pointer_name(layer: Layer) -> String {
    format!("{}.json", layer.name())
}

/// The store's name for a file that is not complete: the file's own with `#` and a number.
fn is_leftover(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn make_folder(folder: &Path) -> Result<()> {
    // A folder that is there may lie on a disk that takes no more.
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, e))
}

/// Teaches deltalake `s3://`. Its own support brings a second AWS client and a lock table, neither of which is needed
/// now that S3 puts an object only if it is not there yet.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Ok(scheme) = Url::parse("s3://") {
            logstore_factories().insert(scheme.clone(), Arc::new(S3Factory));
            object_store_factories().insert(scheme, Arc::new(S3Factory));
        }
    });
}

struct S3Factory;

impl ObjectStoreFactory for S3Factory {
    fn parse_url_opts(
        &self,
        url: &Url,
        _config: &StorageConfig,
    ) -> deltalake::DeltaResult<(ObjectStoreRef, ObjectPath)> {
        let failed = |e: Error| deltalake::DeltaTableError::GenericError { source: Box::new(e) };
        let bucket = url.host_str().unwrap_or_default();
        let path = ObjectPath::from_url_path(url.path())?;
        Ok((store::bucket(bucket).map_err(failed)?, path))
    }
}

impl LogStoreFactory for S3Factory {
    fn with_options(
        &self,
        prefixed_store: ObjectStoreRef,
        root_store: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> deltalake::DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed_store, root_store, location, options))
    }
}
