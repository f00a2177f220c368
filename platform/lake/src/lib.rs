//! The lake: Delta tables in a folder or a bucket, one small file per layer that says which version of each table is
//! current, and DataFusion sessions that read exactly those versions.
//!
//! `concert-ingest` writes the layer [`Layer::Clean`], `concert-refine` writes [`Layer::ConcertDw`]; both do so
//! through a [`Writer`], which holds the lake's only lease. Readers never wait: they open the last snapshot. How it
//! all lies on the disk, and what is guaranteed when something fails, is told in docs/lake.md.

mod durable;
mod error;
#[doc(hidden)]
pub mod fault;
mod files;
mod history;
mod home;
mod lease;
mod maintain;
mod merge;
mod pointer;
mod recover;
pub mod schema;
mod session;
mod state;
mod store;
pub mod time;
mod trace;
mod verify;
mod writer;

pub use error::{Error, Result};
pub use files::{Staged, TableWriter};
pub use maintain::{OptimizeOptions, Optimized, OptimizedTable, VacuumOptions, Vacuumed, VacuumedTable};
pub use merge::Merged;
pub use pointer::Snapshot;
pub use session::{CATALOG, DEFAULT_MEMORY_MB};
pub use state::{CURRENCY_DIMENSION, Quarantined};
pub use store::store;
pub use trace::{QuarantineCount, Run, RunCounts, RunFile, RunRule, Traced};
pub use verify::TableFiles;
pub use writer::{KEPT_SNAPSHOTS, Writer, new_id};

use deltalake::DeltaTable;
use fault::Faults;
use home::Home;
pub use schema::Layer;
use session::{OpenTables, Runtime};
use std::{path::Path, sync::Arc, time::Duration};
use store::Place;

/// A handle on one lake. Cloning is cheap; clones share the cache of opened tables and the memory for statements.
#[derive(Clone, Debug)]
pub struct Lake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    home: Home,
    open: OpenTables,
    runtime: Runtime,
}

impl Lake {
    /// Opens the lake in `home/lake` and creates its folders. The tables themselves are made by the first
    /// [`Writer`].
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::NoSpace`], [`Error::ReadOnly`] when the folder cannot be made.
    pub fn open(home: &Path) -> Result<Lake> {
        let folder = home.join("lake");
        let folder = std::path::absolute(&folder).map_err(|e| Error::io("find", &folder, e))?;
        Lake::in_place(Place::Local(folder), None, None)
    }

    /// Opens the lake whose tables are in this folder, or under `s3://bucket/prefix`. [`store`] says how S3 is reached,
    /// and how a folder stands for it.
    ///
    /// # Errors
    /// [`Error::Location`] when the address names nothing that can be opened, [`Error::Store`] when AWS's settings are
    /// wrong, and as [`Lake::open`] for a folder. Nothing is sent yet.
    pub fn at(location: &str) -> Result<Lake> {
        Lake::open_with(location, None, None)
    }

    /// [`Lake::at`], on files that can be made to fail, and with another life of a bucket's lease.
    #[doc(hidden)]
    pub fn open_with(location: &str, faults: Option<Faults>, lease_ttl: Option<Duration>) -> Result<Lake> {
        let place = Place::parse(location, store::s3_dir().as_deref())?;
        Lake::in_place(place, faults, lease_ttl)
    }

    fn in_place(place: Place, faults: Option<Faults>, lease_ttl: Option<Duration>) -> Result<Lake> {
        Ok(Lake {
            inner: Arc::new(Inner {
                home: Home::open(place, faults, lease_ttl.unwrap_or(lease::LEASE_TTL))?,
                open: OpenTables::default(),
                runtime: Runtime::default(),
            }),
        })
    }

    /// Where the tables, the pointers and the lease are: a folder, or `s3://bucket/prefix`.
    pub fn location(&self) -> String {
        self.inner.home.name()
    }

    /// How the files of this lake fail, if a test made them. What stages beside the lake fails alike.
    #[doc(hidden)]
    pub fn faults(&self) -> Option<Faults> {
        self.inner.home.faults()
    }

    /// The published snapshot of `concert_dw`; none before the first publication.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Store`] or [`Error::Pointer`] when the pointer cannot be read.
    pub fn snapshot(&self) -> Result<Option<Snapshot>> {
        self.layer_snapshot(Layer::ConcertDw)
    }

    /// The current snapshot of a layer; none before anything was committed to it. In a bucket this is a request, and
    /// the caller's thread waits for it.
    ///
    /// # Errors
    /// As [`Lake::snapshot`].
    pub fn layer_snapshot(&self, layer: Layer) -> Result<Option<Snapshot>> {
        Ok(self.inner.home.pointer(layer)?.file.snapshot().cloned())
    }

    async fn open_at(&self, layer: Layer, table: &str, version: Option<i64>) -> Result<DeltaTable> {
        let mut handle = self.inner.home.table(layer, table)?;
        let loaded = match version {
            None => handle.load().await,
            Some(version) => {
                let version = u64::try_from(version).map_err(|_| Error::NegativeVersion {
                    table: table.to_owned(),
                    version,
                })?;
                handle.load_version(version).await
            }
        };
        loaded.map_err(|e| Error::table("open", layer, table, e))?;
        Ok(handle)
    }
}
