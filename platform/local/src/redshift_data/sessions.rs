//! Sessions that are kept between statements: temporary tables and open transactions live in them. One statement runs
//! in a session at a time; a session ends when nothing was asked of it for as long as it was to be kept alive.

use super::{
    journal::Journal,
    request::{Execute, uuid},
};
use crate::error::AwsError;
use concert_redshift::{Cluster, Session};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use uuid::Uuid;

/// AWS's quota of active sessions.
const SESSIONS_MAX: usize = 500;
/// A session ends after a day, whatever it does.
const LIFE_MAX: SignedDuration = SignedDuration::from_hours(24);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedSession {
    pub id: Uuid,
    pub database: String,
    pub db_user: Option<String>,
    pub workgroup: Option<String>,
    pub cluster: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub alive_seconds: i64,
    pub closed: bool,
}

pub(super) struct Kept {
    pub saved: SavedSession,
    /// None once it is closed.
    session: Option<Session>,
    pub running: Option<Uuid>,
    pub expires_at: Timestamp,
}

impl Kept {
    pub fn status(&self) -> &'static str {
        match (&self.session, self.running) {
            (None, _) => "CLOSED",
            (Some(_), Some(_)) => "BUSY",
            (Some(_), None) => "AVAILABLE",
        }
    }
}

#[derive(Default)]
pub(super) struct Sessions {
    by_id: Mutex<BTreeMap<Uuid, Kept>>,
}

/// What a statement runs in.
#[derive(Clone)]
pub(super) struct Place {
    pub session: Session,
    pub id: Option<Uuid>,
    pub database: String,
    pub db_user: Option<String>,
}

impl Sessions {
    pub fn new(kept: Vec<SavedSession>) -> Sessions {
        let by_id = kept.into_iter().map(|saved| {
            let kept = Kept {
                expires_at: saved.updated_at,
                session: None,
                running: None,
                saved,
            };
            (kept.saved.id, kept)
        });
        Sessions {
            by_id: Mutex::new(by_id.collect()),
        }
    }

    /// The session that a request names, a new one that is kept, or one for this statement alone. It is taken for the
    /// statement `id` until [`Sessions::give_back`].
    ///
    /// # Errors
    /// A session that is not there or is busy; more sessions than AWS allows.
    pub fn take(&self, cluster: &Cluster, request: &Execute, id: Uuid, journal: &Journal) -> Result<Place, AwsError> {
        let now = Timestamp::now();
        self.expire(now, journal);
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = &request.session_id {
            let session_id = uuid("sessionId", text)?;
            let not_there = || {
                AwsError::new(
                    StatusCode::BAD_REQUEST,
                    "ResourceNotFoundException",
                    "Session does not exist.",
                )
                .with("ResourceId", text.as_str())
            };
            let kept = by_id.get_mut(&session_id).ok_or_else(not_there)?;
            let Some(session) = kept.session.clone() else {
                return Err(AwsError::validation(format!(
                    "Session {session_id} is closed. Begin another with SessionKeepAliveSeconds."
                )));
            };
            if let Some(running) = kept.running {
                return Err(AwsError::validation(format!(
                    "Session {session_id} is busy with statement {running}. One statement runs in a session at a time."
                )));
            }
            let same = |given: &Option<String>, own: Option<&String>| given.is_none() || given.as_ref() == own;
            if !same(&request.database, Some(&kept.saved.database))
                || !same(&request.workgroup_name, kept.saved.workgroup.as_ref())
                || !same(&request.cluster_identifier, kept.saved.cluster.as_ref())
            {
                return Err(AwsError::validation(
                    "A session has its own connection: leave out Database, WorkgroupName and ClusterIdentifier, or give \
                     those that it began with.",
                ));
            }
            if let Some(seconds) = request.session_keep_alive_seconds {
                kept.saved.alive_seconds = seconds;
            }
            kept.running = Some(id);
            kept.saved.updated_at = now;
            return Ok(Place {
                session,
                id: Some(session_id),
                database: kept.saved.database.clone(),
                db_user: kept.saved.db_user.clone(),
            });
        }
        let database = request.database.clone().unwrap_or_default();
        let session = cluster
            .connect(&database, request.db_user.as_deref().filter(|user| !user.is_empty()))
            .map_err(|error| AwsError::validation(error.to_string()))?;
        let mut place = Place {
            session: session.clone(),
            id: None,
            database: database.clone(),
            db_user: request.db_user.clone(),
        };
        if let Some(alive_seconds) = request.session_keep_alive_seconds.filter(|seconds| *seconds > 0) {
            if by_id.values().filter(|kept| kept.session.is_some()).count() >= SESSIONS_MAX {
                return Err(AwsError::new(
                    StatusCode::BAD_REQUEST,
                    "ActiveSessionsExceededException",
                    format!("Active sessions exceeded the allowed quota ({SESSIONS_MAX})."),
                ));
            }
            let session_id = Uuid::new_v4();
            let saved = SavedSession {
                id: session_id,
                database,
                db_user: request.db_user.clone(),
                workgroup: request.workgroup_name.clone(),
                cluster: request.cluster_identifier.clone(),
                created_at: now,
                updated_at: now,
                alive_seconds,
                closed: false,
            };
            journal.session(saved.clone());
            by_id.insert(
                session_id,
                Kept {
                    expires_at: now + LIFE_MAX,
                    session: Some(session),
                    running: Some(id),
                    saved,
                },
            );
            place.id = Some(session_id);
        }
        Ok(place)
    }

    /// The statement in it has ended.
    pub fn give_back(self: &Arc<Self>, id: Uuid, journal: &Arc<Journal>) {
        let now = Timestamp::now();
        let alive = {
            let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(kept) = by_id.get_mut(&id) else { return };
            kept.running = None;
            kept.saved.updated_at = now;
            let alive = SignedDuration::from_secs(kept.saved.alive_seconds);
            kept.expires_at = (now + alive).min(kept.saved.created_at + LIFE_MAX);
            journal.session(kept.saved.clone());
            kept.saved.alive_seconds.unsigned_abs()
        };
        if alive == 0 {
            self.expire(now, journal);
            return;
        }
        // An open transaction must not keep its lock longer than its session lives.
        let (sessions, journal) = (Arc::downgrade(self), Arc::downgrade(journal));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(alive) + Duration::from_millis(50)).await;
            if let (Some(sessions), Some(journal)) = (sessions.upgrade(), journal.upgrade()) {
                sessions.expire(Timestamp::now(), &journal);
            }
        });
    }

    /// Closes what has lived long enough, and forgets what was closed a day ago.
    pub fn expire(&self, now: Timestamp, journal: &Journal) {
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        for kept in by_id.values_mut() {
            if kept.session.is_some() && kept.running.is_none() && now >= kept.expires_at {
                kept.session = None;
                kept.saved.closed = true;
                kept.saved.updated_at = now;
                journal.session(kept.saved.clone());
            }
        }
        by_id.retain(|_, kept| now.duration_since(kept.saved.created_at) <= LIFE_MAX || kept.session.is_some());
    }

    /// Reads all sessions, the newest first.
    pub fn each<T>(&self, read: impl FnMut(&Kept) -> Option<T>) -> Vec<T> {
        let by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<&Kept> = by_id.values().collect();
        all.sort_by_key(|kept| std::cmp::Reverse((kept.saved.created_at, kept.saved.id)));
        all.into_iter().filter_map(read).collect()
    }
}
