//! A statement's life: what it is, how far it is, and what is written down of it.

use super::request::{Execute, check_wait};
use crate::error::AwsError;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::AbortHandle};
use uuid::Uuid;

/// How many requests may wait for one statement.
const WAITING_MAX: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Status {
    Submitted,
    Picked,
    Started,
    Finished,
    Aborted,
    Failed,
}

impl Status {
    pub const NAMES: [&str; 7] = ["SUBMITTED", "PICKED", "STARTED", "FINISHED", "ABORTED", "FAILED", "ALL"];

    pub fn name(self) -> &'static str {
        match self {
            Status::Submitted => "SUBMITTED",
            Status::Picked => "PICKED",
            Status::Started => "STARTED",
            Status::Finished => "FINISHED",
            Status::Aborted => "ABORTED",
            Status::Failed => "FAILED",
        }
    }

    pub fn is_over(self) -> bool {
        matches!(self, Status::Finished | Status::Aborted | Status::Failed)
    }
}

/// One of a statement's texts: ExecuteStatement has one, a batch up to forty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub status: Status,
    pub updated_at: Timestamp,
    pub duration_ns: u64,
    pub error: Option<String>,
    pub has_result: bool,
    /// Of the result, or changed; -1 where there is no number.
    pub rows: i64,
    /// Of the result; -1 where there is none.
    pub bytes: i64,
    pub query_id: i64,
}

impl Part {
    pub fn new(at: Timestamp) -> Part {
        Part {
            status: Status::Submitted,
            updated_at: at,
            duration_ns: 0,
            error: None,
            has_result: false,
            rows: -1,
            bytes: -1,
            query_id: 0,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub status: Status,
    pub updated_at: Timestamp,
    /// Time of running; zero before that.
    pub duration_ns: u64,
    pub error: Option<String>,
    pub parts: Vec<Part>,
}

impl Progress {
    pub fn new(parts: usize, at: Timestamp) -> Progress {
        Progress {
            status: Status::Submitted,
            updated_at: at,
            duration_ns: 0,
            error: None,
            parts: vec![Part::new(at); parts],
        }
    }

    pub fn has_result(&self) -> bool {
        self.parts.iter().any(|part| part.has_result)
    }

    /// Ends what has not ended: the statement was cancelled, or the process died.
    pub fn end(&mut self, status: Status, error: Option<&str>, at: Timestamp) {
        self.status = status;
        self.updated_at = at;
        self.error = error.map(str::to_owned);
        for part in &mut self.parts {
            if !part.status.is_over() {
                part.status = status;
                part.updated_at = at;
                part.error = error.map(str::to_owned);
            }
        }
    }
}

pub(super) struct Statement {
    pub id: Uuid,
    pub request: Execute,
    /// The database and the user that it runs as; a session's own where it runs in one.
    pub database: String,
    pub db_user: Option<String>,
    pub session_id: Option<Uuid>,
    pub created_at: Timestamp,
    progress: watch::Sender<Progress>,
    waiting: AtomicUsize,
    pub task: Mutex<Option<AbortHandle>>,
}

/// A statement as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    pub id: Uuid,
    pub request: Execute,
    pub database: String,
    pub db_user: Option<String>,
    pub session_id: Option<Uuid>,
    pub created_at: Timestamp,
    pub progress: Progress,
}

impl From<Saved> for Statement {
    fn from(saved: Saved) -> Self {
        Statement {
            id: saved.id,
            request: saved.request,
            database: saved.database,
            db_user: saved.db_user,
            session_id: saved.session_id,
            created_at: saved.created_at,
            progress: watch::Sender::new(saved.progress),
            waiting: AtomicUsize::new(0),
            task: Mutex::new(None),
        }
    }
}

impl Statement {
    pub fn saved(&self) -> Saved {
        Saved {
            id: self.id,
            request: self.request.clone(),
            database: self.database.clone(),
            db_user: self.db_user.clone(),
            session_id: self.session_id,
            created_at: self.created_at,
            progress: self.progress(),
        }
    }

    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    pub fn is_over(&self) -> bool {
        self.progress.borrow().status.is_over()
    }

    /// Goes on to another state; what is over stays as it is. Says whether it moved.
    pub fn advance(&self, change: impl FnOnce(&mut Progress)) -> bool {
        self.progress.send_if_modified(|progress| {
            let open = !progress.status.is_over();
            if open {
                change(progress);
                progress.updated_at = Timestamp::now();
            }
            open
        })
    }

    /// Waits for the end, for at most so many seconds, and says how far it is then.
    pub async fn wait(&self, seconds: Option<i64>) -> Result<Progress, AwsError> {
        check_wait(seconds)?;
        let Some(seconds) = seconds else {
            return Ok(self.progress());
        };
        let _one = Waiting::new(&self.waiting)?;
        let mut changes = self.progress.subscribe();
        let over = changes.wait_for(|progress| progress.status.is_over());
        // Time that runs out is no error.
        let _ = tokio::time::timeout(Duration::from_secs(seconds.unsigned_abs()), over).await;
        Ok(self.progress())
    }
}

/// Counts a request that waits, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Result<Waiting<'a>, AwsError> {
        if count.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            count.fetch_sub(1, Ordering::Relaxed);
            return Err(AwsError::new(
                StatusCode::BAD_REQUEST,
                "ActiveWaitingRequestsExceededException",
                format!("{WAITING_MAX} requests already wait for this statement."),
            ));
        }
        Ok(Waiting(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
