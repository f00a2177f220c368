//! Disks that fail, for tests: a lake whose files run out of space after a number of bytes, or cannot be written at
//! all, and that can be mended again. The tests of every crate that writes to the lake use it; nothing else does.

use crate::{Lake, Result};
use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, UploadPart, path::Path,
};
use std::{
    io,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

/// What a failing disk answers to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// ENOSPC.
    NoSpace,
    /// EROFS.
    ReadOnly,
}

impl Fault {
    fn error(self) -> io::Error {
        // The numbers are Linux's and macOS's.
        io::Error::from_raw_os_error(match self {
            Fault::NoSpace => 28,
            Fault::ReadOnly => 30,
        })
    }
}

/// What is to go wrong with a lake's files, and when. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    fault: Option<Fault>,
    /// How much may still be written.
    bytes: u64,
    written_bytes: u64,
    failed_writes: u64,
}

impl Faults {
    /// From now on `bytes` more can be written; a write that does not fit, and every later one, fails with `fault`.
    pub fn fail_after(&self, bytes: u64, fault: Fault) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        (plan.fault, plan.bytes) = (Some(fault), bytes);
    }

    /// The disk is well again.
    pub fn mend(&self) {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).fault = None;
    }

    /// How many writes have failed so far.
    pub fn failed_writes(&self) -> u64 {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).failed_writes
    }

    /// How much was written so far, in bytes: to know where a run of the same kind can be stopped.
    pub fn written_bytes(&self) -> u64 {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).written_bytes
    }

    /// Takes a write of that many bytes, or says how it fails.
    ///
    /// # Errors
    /// The planned fault, from its moment on.
    pub fn write(&self, bytes: usize) -> io::Result<()> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = bytes as u64;
        if let Some(fault) = plan.fault {
            if bytes > plan.bytes || fault == Fault::ReadOnly {
                plan.bytes = 0;
                plan.failed_writes += 1;
                return Err(fault.error());
            }
            plan.bytes -= bytes;
        }
        plan.written_bytes += bytes;
        Ok(())
    }

    fn put(&self, bytes: usize) -> object_store::Result<()> {
        self.write(bytes).map_err(|source| object_store::Error::Generic {
            store: "fault",
            source: source.into(),
        })
    }

    pub(crate) fn around(&self, inner: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(Failing {
            inner,
            faults: self.clone(),
        })
    }
}

/// Opens the lake at a location, as [`Lake::at`] does, on a disk that fails as `faults` say.
///
/// # Errors
/// As [`Lake::at`].
pub fn open(location: &str, faults: &Faults) -> Result<Lake> {
    Lake::open_with(location, Some(faults.clone()), None)
}

/// A store whose writes fail as planned. Reads and deletions always work.
#[derive(Debug)]
struct Failing {
    inner: Arc<dyn ObjectStore>,
    faults: Faults,
}

impl std::fmt::Display for Failing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Failing({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Failing {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.faults.put(payload.content_length())?;
        self.inner.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.faults.put(0)?;
        Ok(Box::new(Upload {
            inner: self.inner.put_multipart_opts(location, opts).await?,
            faults: self.faults.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.faults.put(0)?;
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> object_store::Result<()> {
        self.faults.put(0)?;
        self.inner.rename_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct Upload {
    inner: Box<dyn MultipartUpload>,
    faults: Faults,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.faults.put(data.content_length()) {
            Ok(()) => self.inner.put_part(data),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    async fn complete(&mut self) -> object_store::Result<PutResult> {
        self.inner.complete().await
    }

    async fn abort(&mut self) -> object_store::Result<()> {
        self.inner.abort().await
    }
}
