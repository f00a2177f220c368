//! AgentCore's memory: events of sessions as they were told, and records that are extracted from them by stated rules.
//!
//! [`Memory::call`] takes an operation's name and one JSON object of its members, those of the path among them, and
//! answers JSON. Extraction happens in the transaction that stores the event, so that what was said is remembered when
//! the call returns; AWS does it some time later.

mod branches;
mod events;
mod extract;
mod filter;
mod rank;
mod records;
mod request;

pub use extract::{FACTS, PREFERENCES, SUMMARIES};

use crate::{
    Store, StoreError,
    disk::{Named, disk},
};
use redb::{TableDefinition, WriteTransaction};
use serde::Serialize;
use serde_json::Value as Json;

/// Events by memory, actor, session and event id; ids hold the time, so that their order is that of the events.
const EVENTS: Named = TableDefinition::new("memory.events");
/// Sessions by memory, actor and session.
const SESSIONS: Named = TableDefinition::new("memory.sessions");
/// Records by memory and record id.
const RECORDS: Named = TableDefinition::new("memory.records");
/// Answers by memory and client token.
const TOKENS: Named = TableDefinition::new("memory.tokens");

/// Makes the tables of the file.
pub(crate) fn prepare(write: &WriteTransaction) -> Result<(), StoreError> {
    for table in [EVENTS, SESSIONS, RECORDS, TOKENS] {
        write.open_table(table).map_err(disk)?;
    }
    Ok(())
}

/// Every operation that is served.
pub const OPERATIONS: &[&str] = &[
    "BatchCreateMemoryRecords",
    "BatchDeleteMemoryRecords",
    "BatchUpdateMemoryRecords",
    "CreateEvent",
    "DeleteEvent",
    "DeleteMemoryRecord",
    "GetEvent",
    "GetMemoryRecord",
    "ListActors",
    "ListEvents",
    "ListMemoryRecords",
    "ListSessions",
    "RetrieveMemoryRecords",
];

/// `ValidationExceptionReason` of the service's model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    CannotParse,
    FieldValidationFailed,
    IdempotentParameterMismatch,
    ResourceConflict,
}

impl Reason {
    /// As the model spells it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::CannotParse => "CannotParse",
            Reason::FieldValidationFailed => "FieldValidationFailed",
            Reason::IdempotentParameterMismatch => "IdempotentParameterMismatchException",
            Reason::ResourceConflict => "ResourceConflict",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error("{message}")]
    Validation {
        message: String,
        reason: Reason,
        /// The member that is wrong, where it is one.
        field: Option<String>,
    },
    #[error("{0}")]
    NotFound(String),
    #[error("{0} is not an operation of memory that is served here.")]
    UnknownOperation(String),
    /// The store itself failed; the words are for the log.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Memory over a store, with the memories that exist. Cloning shares it. Calls block on the disk: run them off an async
/// thread.
#[derive(Clone)]
pub struct Memory {
    store: Store,
    ids: Vec<String>,
}

impl Memory {
    /// `ids` are the memories that exist; all others are not found.
    pub fn new(store: Store, ids: Vec<String>) -> Memory {
        Memory { store, ids }
    }

    /// Carries out one operation.
    ///
    /// # Errors
    /// As AgentCore's; `UnknownOperation` for what is not in [`OPERATIONS`].
    pub fn call(&self, operation: &str, request: &Json) -> Result<Json, MemoryError> {
        match operation {
            "CreateEvent" => self.create_event(request),
            "GetEvent" => self.get_event(request),
            "ListEvents" => self.list_events(request),
            "DeleteEvent" => self.delete_event(request),
            "ListSessions" => self.list_sessions(request),
            "ListActors" => self.list_actors(request),
            "RetrieveMemoryRecords" => self.retrieve_memory_records(request),
            "ListMemoryRecords" => self.list_memory_records(request),
            "GetMemoryRecord" => self.get_memory_record(request),
            "DeleteMemoryRecord" => self.delete_memory_record(request),
            "BatchCreateMemoryRecords" => self.batch_create_memory_records(request),
            "BatchUpdateMemoryRecords" => self.batch_update_memory_records(request),
            "BatchDeleteMemoryRecords" => self.batch_delete_memory_records(request),
            other => Err(MemoryError::UnknownOperation(other.to_owned())),
        }
    }

    /// # Errors
    /// `NotFound` for a memory that does not exist.
    fn known(&self, id: &str) -> Result<(), MemoryError> {
        if self.ids.iter().any(|known| known == id) {
            return Ok(());
        }
        Err(MemoryError::NotFound(format!("Memory not found: {id}")))
    }
}

/// Parts of a key; no id may hold what parts them.
fn key(parts: &[&str]) -> String {
    parts.join("\0")
}

/// What every key with these first parts begins with.
fn prefix(parts: &[&str]) -> String {
    let mut out = key(parts);
    out.push('\0');
    out
}

/// The end of what begins with a prefix.
fn prefix_end(prefix: &str) -> String {
    // Prefixes end in a zero, and ids hold nothing below a space.
    let mut end = prefix.trim_end_matches('\0').to_owned();
    end.push('\u{1}');
    end
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn put<T: Serialize>(write: &WriteTransaction, table: Named, key: &str, value: &T) -> Result<(), MemoryError> {
    let bytes = crate::disk::to_json(value)?;
    let mut table = write.open_table(table).map_err(disk)?;
    table.insert(key, bytes.as_slice()).map_err(disk)?;
    Ok(())
}

fn commit(write: WriteTransaction) -> Result<(), MemoryError> {
    write.commit().map_err(|error| MemoryError::Store(disk(error)))
}
