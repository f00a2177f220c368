//! The writer's lease: the right to write to a lake, held by one process at a time. In a folder it is a lock of the
//! operating system, which ends with its holder. In a bucket it is an object that its holder renews; one that is not
//! renewed any more is taken over when its time has run out.

use crate::{Error, Result, fault::Faults};
use jiff::{SignedDuration, Timestamp};
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion, path::Path as ObjectPath};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, sync_channel},
    },
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use tracing::{info, warn};

/// How often a waiting writer looks whether a folder's lease is free.
const POLL: Duration = Duration::from_millis(100);

/// How often it looks at a bucket's: each look is a request.
const BUCKET_POLL: Duration = Duration::from_millis(500);

/// How long a bucket's lease lasts without being renewed.
pub(crate) const LEASE_TTL: Duration = Duration::from_secs(30);

/// A lease is renewed this many times in its life, so that two lost requests do no harm.
const RENEWALS_A_LIFE: u32 = 3;

/// How far two machines' clocks may be apart. A lease is taken over only when it has been over for that long, as a
/// share of its life.
const SKEW_SHARE: u32 = 5;

/// How long a process waits for its lease to be given back when it is done.
const RELEASE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) enum Lease {
    Folder { _lock: File },
    Bucket(Held),
}

impl Lease {
    /// Locks a folder. The lock is the operating system's, so that it ends with the process, however that ends.
    pub(crate) async fn of_folder(root: &Path, wait: Duration, faults: Option<&Faults>) -> Result<Lease> {
        let path = root.join("writer.lock");
        if let Some(faults) = faults {
            faults.write(0).map_err(|e| Error::io("open", &path, e))?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path, e)),
                Err(TryLockError::WouldBlock) if waited < wait => {
                    tokio::time::sleep(POLL).await;
                    waited += POLL;
                }
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    // Only to say who it is; what cannot be read is left out.
                    let _ = file.read_to_string(&mut holder);
                    return Err(Error::LeaseHeld {
                        place: root.display().to_string(),
                        holder: Some(holder)
                            .filter(|holder| !holder.is_empty())
                            .unwrap_or_else(|| "another process".to_owned()),
                    });
                }
            }
        }
        // Only for people, so a disk without room for it holds nobody up here.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", this_process()));
        Ok(Lease::Folder { _lock: file })
    }

    /// Takes a bucket's lease, and says whether its last holder died with it.
    pub(crate) async fn of_bucket(
        store: Arc<dyn ObjectStore>,
        prefix: &ObjectPath,
        place: &str,
        ttl: Duration,
        wait: Duration,
    ) -> Result<(Lease, bool)> {
        let object = LeaseObject {
            store,
            path: prefix.clone().join("writer.lease"),
            place: place.to_owned(),
            owner: uuid::Uuid::new_v4().to_string(),
            ttl,
        };
        let began = Instant::now();
        loop {
            let asked = Instant::now();
            let (holder, taken) = object.try_take().await?;
            if let Some(version) = taken {
                let from_the_dead = holder.is_some_and(|record| !record.released);
                if from_the_dead {
                    warn!(place, "taking over the lease of a writer that has died");
                }
                return Ok((Lease::Bucket(Held::keep(object, version, asked)?), from_the_dead));
            }
            if began.elapsed() >= wait {
                return Err(Error::LeaseHeld {
                    place: place.to_owned(),
                    holder: holder.map_or_else(|| "another process".to_owned(), |record| record.holder),
                });
            }
            tokio::time::sleep(BUCKET_POLL.min(ttl / 2)).await;
        }
    }

    /// Whether this process still may write. Asked before each commit.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when a bucket's lease could not be renewed in time.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Lease::Folder { .. } => Ok(()),
            Lease::Bucket(held) => held.check(),
        }
    }
}

fn this_process() -> String {
    format!("process {} since {}", std::process::id(), Timestamp::now())
}

/// What the object in the bucket says.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    owner: String,
    /// For people: which process on which machine, since when.
    holder: String,
    expires_at: Timestamp,
    /// Its holder has given it back.
    #[serde(default)]
    released: bool,
}

#[derive(Debug)]
struct LeaseObject {
    store: Arc<dyn ObjectStore>,
    path: ObjectPath,
    place: String,
    owner: String,
    ttl: Duration,
}

impl LeaseObject {
    fn record(&self, released: bool) -> Record {
        let machine = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
        let machine = match machine.trim() {
            "" => String::new(),
            name => format!(" on {name}"),
        };
        let ttl = SignedDuration::try_from(self.ttl).unwrap_or(SignedDuration::ZERO);
        Record {
            owner: self.owner.clone(),
            holder: format!("{}{machine}", this_process()),
            expires_at: Timestamp::now().checked_add(ttl).unwrap_or(Timestamp::MAX),
            released,
        }
    }

    /// Takes the lease if it is free. Gives who held it until then, or holds it now.
    async fn try_take(&self) -> Result<(Option<Record>, Option<UpdateVersion>)> {
        let failed = |e| Error::store("read the writer's lease in", &self.place, e);
        let (mode, before) = match self.store.get(&self.path).await {
            Err(object_store::Error::NotFound { .. }) => (PutMode::Create, None),
            Err(e) => return Err(failed(e)),
            Ok(found) => {
                let version = UpdateVersion {
                    e_tag: found.meta.e_tag.clone(),
                    version: found.meta.version.clone(),
                };
                let bytes = found.bytes().await.map_err(failed)?;
                // One that does not read is nobody's.
                let record: Option<Record> = serde_json::from_slice(&bytes).ok();
                if let Some(record) = record.as_ref().filter(|record| !self.is_free(record)) {
                    return Ok((Some(record.clone()), None));
                }
                (PutMode::Update(version), record)
            }
        };
        match self.put(mode, false).await {
            Ok(version) => Ok((before, Some(version))),
            // Another one was faster.
            Err(object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. }) => {
                Ok((before, None))
            }
            Err(e) => Err(Error::store("write the writer's lease in", &self.place, e)),
        }
    }

    fn is_free(&self, record: &Record) -> bool {
        let skew = SignedDuration::try_from(self.ttl / SKEW_SHARE).unwrap_or(SignedDuration::ZERO);
        let over = record.expires_at.checked_add(skew).unwrap_or(Timestamp::MAX);
        // An answer that was lost leaves a lease of one's own.
        record.released || record.owner == self.owner || over < Timestamp::now()
    }

    async fn put(&self, mode: PutMode, released: bool) -> object_store::Result<UpdateVersion> {
        let text = serde_json::to_vec(&self.record(released)).unwrap_or_default();
        let put = self
            .store
            .put_opts(&self.path, text.into(), PutOptions::from(mode))
            .await?;
        Ok(put.into())
    }
}

/// A bucket's lease while it is held: renewed in the background, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    place: String,
    valid_until: Arc<Mutex<Instant>>,
    release: Option<oneshot::Sender<()>>,
    /// Behind a lock only so that a writer can be used from any thread.
    released: Mutex<Receiver<()>>,
}

impl Held {
    fn keep(object: LeaseObject, version: UpdateVersion, asked: Instant) -> Result<Held> {
        let (release, told) = oneshot::channel();
        let (done, released) = sync_channel(1);
        let place = object.place.clone();
        // Counted from before the request that took it, since the object was dated then.
        let valid_until = Arc::new(Mutex::new(asked + object.ttl));
        crate::store::spawn(renew(object, version, Arc::clone(&valid_until), told, done))?;
        Ok(Held {
            place,
            valid_until,
            release: Some(release),
            released: Mutex::new(released),
        })
    }

    fn check(&self) -> Result<()> {
        let valid_until = *self.valid_until.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() < valid_until {
            Ok(())
        } else {
            Err(Error::LeaseLost {
                place: self.place.clone(),
            })
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A lease that cannot be given back runs out by itself.
        if let Some(release) = self.release.take()
            && release.send(()).is_ok()
        {
            let released = self.released.get_mut().unwrap_or_else(PoisonError::into_inner);
            let _ = released.recv_timeout(RELEASE);
        }
    }
}

async fn renew(
    object: LeaseObject,
    mut version: UpdateVersion,
    valid_until: Arc<Mutex<Instant>>,
    mut told: oneshot::Receiver<()>,
    done: std::sync::mpsc::SyncSender<()>,
) {
    let pause = object.ttl / RENEWALS_A_LIFE;
    loop {
        tokio::select! {
            _ = &mut told => break,
            () = tokio::time::sleep(pause) => {}
        }
        let asked = Instant::now();
        match object.put(PutMode::Update(version.clone()), false).await {
            Ok(renewed) => {
                version = renewed;
                *valid_until.lock().unwrap_or_else(PoisonError::into_inner) = asked + object.ttl;
            }
            Err(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) => {
                // It may be one's own, where only the answer was lost.
                match object.try_take().await {
                    Ok((Some(before), Some(renewed))) if before.owner == object.owner => {
                        version = renewed;
                        *valid_until.lock().unwrap_or_else(PoisonError::into_inner) = asked + object.ttl;
                    }
                    _ => {
                        warn!(place = object.place, "another writer has taken the lease");
                        *valid_until.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                        return;
                    }
                }
            }
            // Tried again after the pause; the lease ends by itself if that never succeeds.
            Err(error) => warn!(place = object.place, %error, "could not renew the lease"),
        }
    }
    if let Err(error) = object.put(PutMode::Update(version), true).await {
        info!(place = object.place, %error, "could not give the lease back");
    }
    // Nobody waits any more only when the holder gave up waiting.
    let _ = done.send(());
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    const NO_WAIT: Duration = Duration::ZERO;

    async fn take(store: &Arc<dyn ObjectStore>, ttl: Duration, wait: Duration) -> Result<(Lease, bool)> {
        Lease::of_bucket(Arc::clone(store), &ObjectPath::from("lake"), "s3://b/lake", ttl, wait).await
    }

    #[tokio::test]
    async fn a_lease_is_held_by_one_and_given_back() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (held, from_the_dead) = take(&store, LEASE_TTL, NO_WAIT).await.expect("free");
        assert!(!from_the_dead);
        held.check().expect("valid");
        let error = take(&store, LEASE_TTL, NO_WAIT).await.expect_err("held");
        assert!(
            error.to_string().contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(held);
        let (_held, from_the_dead) = take(&store, LEASE_TTL, NO_WAIT).await.expect("free again");
        assert!(!from_the_dead);
    }

    #[tokio::test]
    async fn a_lease_whose_holder_died_is_taken_over_and_one_that_is_renewed_is_not() {
        const TTL: Duration = Duration::from_millis(600);
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (held, _) = take(&store, TTL, NO_WAIT).await.expect("free");
        // Longer than its life: it is renewed meanwhile.
        let error = take(&store, TTL, TTL * 2).await.expect_err("held");
        assert!(matches!(error, Error::LeaseHeld { .. }), "{error}");
        held.check().expect("still valid");
        // A process that ends at once gives nothing back and renews nothing.
        let Lease::Bucket(Held { release, .. }) = &held else {
            panic!("a bucket's lease");
        };
        assert!(release.is_some());
        let record = Record {
            owner: "someone else".to_owned(),
            holder: "process 1".to_owned(),
            expires_at: Timestamp::now()
                .checked_add(SignedDuration::from_millis(300))
                .expect("a time"),
            released: false,
        };
        let text = serde_json::to_vec(&record).expect("text");
        store
            .put(&ObjectPath::from("lake/writer.lease"), text.into())
            .await
            .expect("writes");
        let (_taken, from_the_dead) = take(&store, TTL, TTL * 20).await.expect("taken over");
        assert!(from_the_dead);
        // The first holder finds out when it tries to renew, and at the latest when its time is over.
        while held.check().is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
