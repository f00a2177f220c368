//! The lake: Delta tables in a folder, one small file per layer that says which version of each table is current,
//! and DataFusion sessions that read exactly those versions.
//!
//! `concert-ingest` writes the layer [`Layer::Clean`], `concert-refine` writes [`Layer::ConcertDw`]; both do so
//! through a [`Writer`], which holds the lake's only lease. Readers never wait: they open the last snapshot.

mod error;
mod pointer;
pub mod schema;
mod session;
mod state;
mod store;
pub mod time;
mod trace;
mod writer;

pub use error::{Error, Result};
pub use pointer::Snapshot;
pub use session::CATALOG;
pub use state::{CURRENCY_DIMENSION, Quarantined};
pub use store::store;
pub use trace::{QuarantineCount, Run, RunCounts, RunFile, Traced};
pub use writer::{Writer, new_id};

use deltalake::{DeltaTable, DeltaTableBuilder, kernel::engine::arrow_conversion::TryIntoKernel as _};
pub use schema::Layer;
use schema::TableDef;
use session::ProviderCache;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use url::Url;

/// A handle on the lake under one home folder. Cloning is cheap; clones share the cache of opened tables.
#[derive(Clone, Debug)]
pub struct Lake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    providers: ProviderCache,
}

impl Lake {
    /// Opens the lake in `home/lake` and creates its folders. The tables themselves are made by the first
    /// [`Writer`].
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be made.
    pub fn open(home: &Path) -> Result<Lake> {
        let root = home.join("lake");
        std::fs::create_dir_all(&root).map_err(|e| Error::io("make the folder", &root, e))?;
        // Delta tables are addressed by absolute URLs, whatever folder the command was started in.
        let root = root
            .canonicalize()
            .map_err(|e| Error::io("find the folder", &root, e))?;
        for layer in Layer::ALL {
            let folder = root.join(layer.name());
            std::fs::create_dir_all(&folder).map_err(|e| Error::io("make the folder", &folder, e))?;
        }
        Ok(Lake {
            inner: Arc::new(Inner {
                root,
                providers: ProviderCache::default(),
            }),
        })
    }

    /// The folder that holds the tables, the pointers and the lock.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// The published snapshot of `concert_dw`; none before the first publication.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Pointer`] when the pointer file cannot be read.
    pub fn snapshot(&self) -> Result<Option<Snapshot>> {
        self.layer_snapshot(Layer::ConcertDw)
    }

    /// The current snapshot of a layer; none before anything was committed to it.
    ///
    /// # Errors
    /// As [`Lake::snapshot`].
    pub fn layer_snapshot(&self, layer: Layer) -> Result<Option<Snapshot>> {
        pointer::read(&self.pointer_path(layer))
    }

    fn pointer_path(&self, layer: Layer) -> PathBuf {
        self.root().join(format!("{}.json", layer.name()))
    }

    fn table_url(&self, layer: Layer, table: &str) -> Result<Url> {
        let folder = self.root().join(layer.name()).join(table);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("make the folder", &folder, e))?;
        Url::from_directory_path(&folder).map_err(|()| Error::Path { path: folder })
    }

    async fn open_at(&self, layer: Layer, table: &str, version: Option<i64>) -> Result<DeltaTable> {
        let mut builder = DeltaTableBuilder::from_url(self.table_url(layer, table)?)
            .map_err(|e| Error::table("open", layer, table, e))?;
        if let Some(version) = version {
            let version = u64::try_from(version).map_err(|_| Error::NegativeVersion {
                table: table.to_owned(),
                version,
            })?;
            builder = builder.with_version(version);
        }
        builder.load().await.map_err(|e| Error::table("open", layer, table, e))
    }

    /// Opens the newest version of a table and creates the table, empty, where it is missing.
    async fn open_or_create(&self, layer: Layer, def: &TableDef) -> Result<DeltaTable> {
        match self.open_at(layer, def.name, None).await {
            Err(Error::Table { source, .. }) if matches!(*source, deltalake::DeltaTableError::NotATable(_)) => {
                let schema: deltalake::kernel::StructType =
                    def.arrow_schema()
                        .as_ref()
                        .try_into_kernel()
                        .map_err(|source| Error::Arrow {
                            what: format!("schema of {}", def.name),
                            source,
                        })?;
                deltalake::operations::create::CreateBuilder::new()
                    .with_location(self.table_url(layer, def.name)?.as_str())
                    .with_table_name(def.name)
                    .with_columns(schema.fields().cloned())
                    .await
                    .map_err(|e| Error::table("create", layer, def.name, e))
            }
            other => other,
        }
    }
}
