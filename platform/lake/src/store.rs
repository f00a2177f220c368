//! Object stores by address: a folder, `file://`, or `s3://bucket/prefix`, which is Amazon's S3, any server that speaks
//! its protocol, or a folder that stands for it. The lake, `ingest`, `generate` and COPY all open their files through
//! [`store`], so that what works in a folder works in a bucket.

use crate::{Error, Result};
use object_store::{
    ObjectStore, aws::AmazonS3Builder, client::SpawnedReqwestConnector, local::LocalFileSystem,
    path::Path as ObjectPath,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use tokio::runtime::{Builder, Runtime};
use url::{Host, Url};

/// Names the folder that stands for S3: `s3://B/x` is `DIR/B/x`. Nothing else reads it.
const S3_DIR: &str = "CONCERT_S3_DIR";

/// Where an S3-compatible server answers, the more specific name first, as AWS's own tools read them.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// Threads that send requests to object stores. The work on them is waiting.
const IO_THREADS: usize = 2;

/// What an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A folder or a file on this machine, absolute.
    Local(PathBuf),
    Bucket {
        bucket: String,
        path: ObjectPath,
    },
}

impl Place {
    /// Reads an address. `s3_dir` is the folder that stands for S3, if one does.
    pub(crate) fn parse(location: &str, s3_dir: Option<&Path>) -> Result<Place> {
        let wrong = |reason: String| Error::Location {
            location: location.to_owned(),
            reason,
        };
        let local = |path: &Path| std::path::absolute(path).map_err(|e| Error::io("find", path, e));
        if !location.contains("://") {
            return match location {
                "" => Err(wrong(
                    "it is empty; name a folder, a file or s3://bucket/prefix".to_owned(),
                )),
                path => Ok(Place::Local(local(Path::new(path))?)),
            };
        }
        let url = Url::parse(location).map_err(|e| wrong(format!("it is no address: {e}")))?;
        match url.scheme() {
            "file" => url.to_file_path().map(Place::Local).map_err(|()| {
                wrong("a file's address has three slashes and a whole path: file:///folder/file".to_owned())
            }),
            "s3" => {
                let bucket = url.host_str().unwrap_or_default();
                let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
                if bucket.is_empty() || bucket.starts_with('.') || !bucket.chars().all(allowed) {
                    return Err(wrong("it names no bucket; write s3://bucket/prefix".to_owned()));
                }
                let path = ObjectPath::from_url_path(url.path()).map_err(|e| wrong(e.to_string()))?;
                match s3_dir {
                    Some(dir) => {
                        let mut folder = local(dir)?.join(bucket);
                        folder.extend(path.parts().map(|part| part.as_ref().to_owned()));
                        Ok(Place::Local(folder))
                    }
                    None => Ok(Place::Bucket {
                        bucket: bucket.to_owned(),
                        path,
                    }),
                }
            }
            other => Err(wrong(format!(
                "{other}:// is not known; name a folder, a file or s3://bucket/prefix"
            ))),
        }
    }
}

/// The folder that stands for S3 in this process, if one does.
pub(crate) fn s3_dir() -> Option<PathBuf> {
    std::env::var_os(S3_DIR)
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from)
}

/// Opens the store that `location` is in, and gives the location's path in it: a local path (relative to the current
/// folder, or absolute), `file:///…`, or `s3://bucket/prefix`.
///
/// With `CONCERT_S3_DIR=DIR`, `s3://B/x` is the file `DIR/B/x`. Otherwise S3 is reached with AWS's own variables
/// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, web identity, and the credentials
/// that containers and instances are given), at `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` where one is set; plain
/// http is allowed to this machine only, or with `AWS_ALLOW_HTTP=true`. Nothing is sent until the store is used.
///
/// # Errors
/// [`Error::Location`] when the address names nothing that can be opened, [`Error::Store`] when AWS's settings are
/// wrong.
pub fn store(location: &str) -> Result<(Arc<dyn ObjectStore>, ObjectPath)> {
    match Place::parse(location, s3_dir().as_deref())? {
        Place::Local(path) => {
            let inner = ObjectPath::from_absolute_path(&path).map_err(|e| Error::Location {
                location: location.to_owned(),
                reason: e.to_string(),
            })?;
            Ok((Arc::new(LocalFileSystem::new()), inner))
        }
        Place::Bucket { bucket, path } => Ok((s3(&bucket)?, path)),
    }
}

/// A bucket, or the folder that stands for it, with the store's root at the bucket's.
pub(crate) fn bucket(bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    match Place::parse(&format!("s3://{bucket}"), s3_dir().as_deref())? {
        Place::Local(folder) => {
            std::fs::create_dir_all(&folder).map_err(|e| Error::io("make the folder", &folder, e))?;
            let store = LocalFileSystem::new_with_prefix(&folder)
                .map_err(|e| Error::store("open", &folder.display().to_string(), e))?;
            Ok(Arc::new(store))
        }
        Place::Bucket { bucket, .. } => s3(&bucket),
    }
}

/// A bucket of S3, or of what the endpoint's variable names.
pub(crate) fn s3(bucket: &str) -> Result<Arc<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        // Connections belong to the runtime that they were opened on. On one that lives as long as the process they
        // survive their caller's, and are served even while a caller's thread waits.
        .with_http_connector(SpawnedReqwestConnector::new(io_runtime()?.handle().clone()));
    let endpoint = ENDPOINTS
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    if endpoint.is_some_and(|endpoint| is_this_machine(&endpoint)) {
        builder = builder.with_allow_http(true);
    }
    let store = builder
        .build()
        .map_err(|e| Error::store("open", &format!("s3://{bucket}"), e))?;
    Ok(Arc::new(store))
}

fn is_this_machine(endpoint: &str) -> bool {
    match Url::parse(endpoint).ok().as_ref().and_then(Url::host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The runtime that requests to object stores run on.
fn io_runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(IO_THREADS)
        .thread_name("concert-io")
        .enable_all()
        .build()
        .map_err(|e| Error::io("start threads for", Path::new("object stores"), e))?;
    // Another thread may have been first. Its runtime is used then; this one has no work and may end in the
    // background, since a runtime must not be dropped where work of another one runs.
    if let Err(unused) = RUNTIME.set(runtime) {
        unused.shutdown_background();
    }
    RUNTIME.get().ok_or_else(|| Error::Location {
        location: "object stores".to_owned(),
        reason: "their threads did not start".to_owned(),
    })
}

/// Starts work on the threads of object stores.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    io_runtime()?.spawn(work);
    Ok(())
}

/// Waits for a request to an object store from code that is not asynchronous. The request runs on threads of its own,
/// so that this may be called anywhere, in a runtime with one thread too.
pub(crate) fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    io_runtime()?.spawn(async move {
        // Nobody waits any more only when the caller's thread has ended.
        let _ = sender.send(work.await);
    });
    receiver.recv().map_err(|_| Error::Location {
        location: "object stores".to_owned(),
        reason: "the thread that sends requests stopped".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let here = std::env::current_dir().expect("a folder");
        let local = |path: &str| Place::Local(PathBuf::from(path));
        let bucket = |bucket: &str, path: &str| Place::Bucket {
            bucket: bucket.to_owned(),
            path: ObjectPath::from(path),
        };
        for (location, s3_dir, expected) in [
            ("/data/a b", None, local("/data/a b")),
            ("data", None, Place::Local(here.join("data"))),
            ("file:///data/a%20b", None, local("/data/a b")),
            ("s3://tour/2026/sales", None, bucket("tour", "2026/sales")),
            ("s3://tour", None, bucket("tour", "")),
            ("s3://tour/", None, bucket("tour", "")),
            ("s3://tour/2026", Some("/stage"), local("/stage/tour/2026")),
            ("s3://tour/../../etc", Some("/stage"), local("/stage/tour/etc")),
            ("/data", Some("/stage"), local("/data")),
        ] {
            let place = Place::parse(location, s3_dir.map(Path::new)).expect(location);
            assert_eq!(place, expected, "{location}");
        }
        for location in [
            "",
            "s3://",
            "s3:///x",
            "s3://../x",
            "s3://.hidden/x",
            "s3://a b/x",
            "gs://bucket/x",
            "https://example.org/x",
            "file://server/x",
        ] {
            for s3_dir in [None, Some(Path::new("/stage"))] {
                let error = Place::parse(location, s3_dir).expect_err(location);
                assert!(matches!(error, Error::Location { .. }), "{location}: {error}");
            }
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:5000", true),
            ("http://localhost:5000/", true),
            ("http://[::1]:5000", true),
            ("http://10.0.0.1:5000", false),
            ("https://s3.example.org", false),
            ("127.0.0.1:5000", false),
        ] {
            assert_eq!(is_this_machine(endpoint), expected, "{endpoint}");
        }
    }

    #[tokio::test]
    async fn a_request_is_waited_for_inside_of_a_runtime() {
        assert_eq!(wait(async { 7 }).expect("runs"), 7);
    }

    #[tokio::test]
    async fn a_folder_is_a_store() {
        use object_store::ObjectStoreExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let location = folder.path().join("not there yet").display().to_string();
        let (store, path) = store(&location).expect("opens");
        store
            .put(&path.clone().join("a.csv"), "x".into())
            .await
            .expect("writes");
        let written = std::fs::read(folder.path().join("not there yet/a.csv")).expect("reads");
        assert_eq!(written, b"x");
    }
}
