//! CreateEvent, GetEvent, ListEvents, DeleteEvent, ListSessions and ListActors.

use super::{
    EVENTS, Memory, MemoryError, Reason, SESSIONS, TOKENS, branches, commit, extract,
    filter::MetadataFilter,
    key, prefix, prefix_end, put,
    request::{
        Order, check_actor, check_branch, check_session, invalid, is_metadata_char, page, page_size, read, with_next,
    },
    seconds,
};
use crate::disk::{disk, from_json, read_json};
use redb::{ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// How long a client's token is remembered.
const TOKEN_MS: i64 = 24 * 60 * 60 * 1000;
const PAYLOADS_MAX: usize = 100;
const TEXT_MAX_CHARS: usize = 100_000;
const METADATA_MAX: usize = 15;
const ROLES: [&str; 4] = ["ASSISTANT", "USER", "TOOL", "OTHER"];
/// The year 9999: what a timestamp in AWS's JSON can say.
const TIME_MAX_SECONDS: f64 = 253_402_300_799.0;

/// An event as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Event {
    pub id: String,
    pub actor: String,
    pub session: String,
    pub at_ms: i64,
    pub payload: Vec<Json>,
    pub branch: String,
    pub root_event_id: Option<String>,
    pub metadata: Map<String, Json>,
}

#[derive(Serialize, Deserialize)]
struct Session {
    created_ms: i64,
}

/// What a token stands for: a hash of what was asked, what was answered, and when it is forgotten.
#[derive(Serialize, Deserialize)]
struct Remembered {
    hash: String,
    answer: Json,
    until_ms: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateRequest {
    memory_id: String,
    actor_id: String,
    session_id: Option<String>,
    event_timestamp: Json,
    payload: Vec<Json>,
    branch: Option<BranchRequest>,
    client_token: Option<String>,
    metadata: Option<Map<String, Json>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BranchRequest {
    name: String,
    root_event_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventRequest {
    memory_id: String,
    actor_id: String,
    session_id: String,
    event_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListRequest {
    memory_id: String,
    actor_id: Option<String>,
    session_id: Option<String>,
    include_payloads: Option<bool>,
    filter: Option<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    branch: Option<BranchFilter>,
    event_metadata: Option<Vec<MetadataFilter>>,
    event_filter: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BranchFilter {
    name: String,
    include_parent_branches: Option<bool>,
}

impl Event {
    fn to_json(&self, memory: &str, with_payload: bool) -> Json {
        let mut branch = json!({ "name": self.branch });
        if let Some(root) = &self.root_event_id {
            branch["rootEventId"] = json!(root);
        }
        let payload = if with_payload { json!(self.payload) } else { json!([]) };
        let mut out = json!({
            "memoryId": memory,
            "actorId": self.actor,
            "sessionId": self.session,
            "eventId": self.id,
            "eventTimestamp": seconds(self.at_ms),
            "payload": payload,
            "branch": branch,
        });
        if !self.metadata.is_empty() {
            out["metadata"] = json!(self.metadata);
        }
        out
    }
}

/// Milliseconds of a timestamp in seconds.
pub(super) fn timestamp_ms(field: &str, json: &Json) -> Result<i64, MemoryError> {
    json.as_f64()
        .filter(|seconds| (0.0..=TIME_MAX_SECONDS).contains(seconds))
        .map(|seconds| (seconds * 1000.0).round() as i64)
        .ok_or_else(|| invalid(field, format!("Value at '{field}' is no number of seconds since 1970")))
}

fn check_payload(payload: &[Json]) -> Result<(), MemoryError> {
    if payload.len() > PAYLOADS_MAX {
        return Err(invalid(
            "payload",
            format!("An event holds at most {PAYLOADS_MAX} payloads"),
        ));
    }
    for (at, part) in payload.iter().enumerate() {
        let field = format!("payload.{}.member", at + 1);
        let members = part.as_object().filter(|members| members.len() == 1);
        let Some((name, value)) = members.and_then(|members| members.iter().next()) else {
            return Err(invalid(&field, "A payload is either conversational or a blob"));
        };
        match name.as_str() {
            "blob" => {}
            "conversational" => {
                let text = value["content"]["text"].as_str().unwrap_or_default();
                if text.is_empty() || text.chars().count() > TEXT_MAX_CHARS {
                    return Err(invalid(
                        &format!("{field}.conversational.content.text"),
                        format!("A text has between 1 and {TEXT_MAX_CHARS} characters"),
                    ));
                }
                if !value["role"].as_str().is_some_and(|role| ROLES.contains(&role)) {
                    return Err(invalid(
                        &format!("{field}.conversational.role"),
                        format!("A role is one of {}", ROLES.join(", ")),
                    ));
                }
            }
            other => {
                return Err(invalid(
                    &field,
                    format!("A payload is conversational or a blob, not {other}"),
                ));
            }
        }
    }
    Ok(())
}

fn check_metadata(metadata: &Map<String, Json>) -> Result<(), MemoryError> {
    if metadata.len() > METADATA_MAX {
        return Err(invalid(
            "metadata",
            format!("An event has at most {METADATA_MAX} metadata"),
        ));
    }
    for (name, value) in metadata {
        let value = value["stringValue"].as_str();
        let fits = (1..=128).contains(&name.chars().count())
            && name.chars().all(is_metadata_char)
            && value.is_some_and(|value| value.chars().count() <= 256 && value.chars().all(is_metadata_char));
        if !fits {
            return Err(invalid(
                "metadata",
                format!(
                    "The metadata '{name}' is no short text of letters, digits, spaces and ._:/=+@- under such a name"
                ),
            ));
        }
    }
    Ok(())
}

/// All events of a session, oldest first.
fn session_events(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    memory: &str,
    actor: &str,
    session: &str,
) -> Result<Vec<Event>, MemoryError> {
    let begin = prefix(&[memory, actor, session]);
    let end = prefix_end(&begin);
    let mut out = Vec::new();
    for entry in table.range(begin.as_str()..end.as_str()).map_err(disk)? {
        out.push(from_json(entry.map_err(disk)?.1.value())?);
    }
    Ok(out)
}

/// The last parts of all keys of a table that begin so, with their values.
fn listed<T: serde::de::DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    parts: &[&str],
) -> Result<Vec<(String, T)>, MemoryError> {
    let begin = prefix(parts);
    let end = prefix_end(&begin);
    let mut out = Vec::new();
    for entry in table.range(begin.as_str()..end.as_str()).map_err(disk)? {
        let (key, value) = entry.map_err(disk)?;
        out.push((key.value()[begin.len()..].to_owned(), from_json(value.value())?));
    }
    Ok(out)
}

impl Memory {
    /// Answers what a token was answered before, or else does the work and keeps its answer. Tokens are bound to the
    /// memory and the operation.
    pub(super) fn once(
        &self,
        operation: &str,
        memory: &str,
        token: Option<&str>,
        request: &Json,
        work: impl FnOnce(&WriteTransaction) -> Result<Json, MemoryError>,
    ) -> Result<Json, MemoryError> {
        let write = self.store.write()?;
        let now = self.store.clock().now_ms();
        let Some(token) = token else {
            let answer = work(&write)?;
            commit(write)?;
            return Ok(answer);
        };
        let mut asked = request.clone();
        if let Some(members) = asked.as_object_mut() {
            members.remove("clientToken");
            members.sort_keys();
        }
        let hash = Sha256::digest(asked.to_string());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = key(&[memory, operation, token]);
        let known: Option<Remembered> = {
            let mut tokens = write.open_table(TOKENS).map_err(disk)?;
            tokens
                .retain(|_, value| from_json::<Remembered>(value).is_ok_and(|known| known.until_ms > now))
                .map_err(disk)?;
            read_json(&tokens, &name)?
        };
        if let Some(known) = known {
            return if known.hash == hash {
                Ok(known.answer)
            } else {
                Err(MemoryError::Validation {
                    message: "The clientToken was used for another request".to_owned(),
                    reason: Reason::IdempotentParameterMismatch,
                    field: Some("clientToken".to_owned()),
                })
            };
        }
        let answer = work(&write)?;
        let remembered = Remembered {
            hash,
            answer: answer.clone(),
            until_ms: now + TOKEN_MS,
        };
        put(&write, TOKENS, &name, &remembered)?;
        commit(write)?;
        Ok(answer)
    }

    pub(super) fn create_event(&self, body: &Json) -> Result<Json, MemoryError> {
        let request: CreateRequest = read(body)?;
        self.known(&request.memory_id)?;
        check_actor(&request.actor_id)?;
        let session = request.session_id.unwrap_or_else(|| Uuid::new_v4().to_string());
        check_session(&session)?;
        check_payload(&request.payload)?;
        let metadata = request.metadata.unwrap_or_default();
        check_metadata(&metadata)?;
        let at_ms = timestamp_ms("eventTimestamp", &request.event_timestamp)?;
        let (branch, root) = request.branch.map_or((branches::MAIN.to_owned(), None), |branch| {
            (branch.name, branch.root_event_id)
        });
        check_branch(&branch)?;
        let memory = request.memory_id;
        let token = request.client_token.as_deref();
        self.once("CreateEvent", &memory, token, body, |write| {
            let actor = request.actor_id.as_str();
            let known = session_events(&write.open_table(EVENTS).map_err(disk)?, &memory, actor, &session)?;
            let root_event_id = branches::check(&known, &branch, root)?;
            let random = Uuid::new_v4().simple().to_string();
            let event = Event {
                id: format!("{at_ms:016}#{}", &random[..8]),
                actor: actor.to_owned(),
                session: session.clone(),
                at_ms,
                payload: request.payload,
                branch,
                root_event_id,
                metadata,
            };
            put(write, EVENTS, &key(&[&memory, actor, &session, &event.id]), &event)?;
            let session_key = key(&[&memory, actor, &session]);
            let is_new = {
                let sessions = write.open_table(SESSIONS).map_err(disk)?;
                sessions.get(session_key.as_str()).map_err(disk)?.is_none()
            };
            if is_new {
                let created = Session {
                    created_ms: self.store.clock().now_ms(),
                };
                put(write, SESSIONS, &session_key, &created)?;
            }
            self.remember(write, &memory, &event)?;
            Ok(json!({ "event": event.to_json(&memory, true) }))
        })
    }

    /// The messages of an event, for the extraction.
    pub(super) fn messages(event: &Event) -> Vec<extract::Message<'_>> {
        event
            .payload
            .iter()
            .filter_map(|part| {
                let part = &part["conversational"];
                Some(extract::Message {
                    is_user: part["role"] == "USER",
                    is_assistant: part["role"] == "ASSISTANT",
                    text: part["content"]["text"].as_str()?,
                })
            })
            .collect()
    }

    pub(super) fn get_event(&self, request: &Json) -> Result<Json, MemoryError> {
        let request: EventRequest = read(request)?;
        self.known(&request.memory_id)?;
        let name = key(&[
            &request.memory_id,
            &request.actor_id,
            &request.session_id,
            &request.event_id,
        ]);
        let events = self.store.read()?.open_table(EVENTS).map_err(disk)?;
        let event: Event = read_json(&events, &name)?.ok_or_else(|| no_event(&request.event_id))?;
        Ok(json!({ "event": event.to_json(&request.memory_id, true) }))
    }

    pub(super) fn delete_event(&self, request: &Json) -> Result<Json, MemoryError> {
        let request: EventRequest = read(request)?;
        self.known(&request.memory_id)?;
        let name = key(&[
            &request.memory_id,
            &request.actor_id,
            &request.session_id,
            &request.event_id,
        ]);
        let write = self.store.write()?;
        {
            let mut events = write.open_table(EVENTS).map_err(disk)?;
            if events.remove(name.as_str()).map_err(disk)?.is_none() {
                return Err(no_event(&request.event_id));
            }
        }
        commit(write)?;
        Ok(json!({ "eventId": request.event_id }))
    }

    /// Newest first, as AgentCore lists them.
    pub(super) fn list_events(&self, request: &Json) -> Result<Json, MemoryError> {
        let request: ListRequest = read(request)?;
        self.known(&request.memory_id)?;
        let size = page_size(request.max_results)?;
        let (actor, session) = (
            request.actor_id.as_deref().unwrap_or_default(),
            request.session_id.as_deref().unwrap_or_default(),
        );
        let read = self.store.read()?;
        let sessions = read.open_table(SESSIONS).map_err(disk)?;
        let known: Option<Session> = read_json(&sessions, &key(&[&request.memory_id, actor, session]))?;
        if known.is_none() {
            return Err(MemoryError::NotFound(format!(
                "The session {session} of the actor {actor} was not found"
            )));
        }
        let table = read.open_table(EVENTS).map_err(disk)?;
        let mut events = session_events(&table, &request.memory_id, actor, session)?;
        let filter = request.filter.unwrap_or_default();
        if let Some(wanted) = &filter.branch {
            check_branch(&wanted.name)?;
            let roots = branches::roots(&events);
            let branch_of: BTreeMap<String, String> = events
                .iter()
                .map(|event| (event.id.clone(), event.branch.clone()))
                .collect();
            let with_parents = wanted.include_parent_branches == Some(true);
            events.retain(|event| branches::belongs(event, &wanted.name, with_parents, &roots, &branch_of));
        }
        for filter in filter.event_metadata.iter().flatten() {
            let mut kept = Vec::new();
            for event in events {
                if filter.holds_for_event(&event.metadata)? {
                    kept.push(event);
                }
            }
            events = kept;
        }
        let (events, next) = page(events, size, &request.next_token, Order::Descending, |event| {
            event.id.clone()
        })?;
        let with_payload = request.include_payloads != Some(false);
        let events: Vec<Json> = events
            .iter()
            .map(|event| event.to_json(&request.memory_id, with_payload))
            .collect();
        Ok(with_next(json!({ "events": events }), next))
    }

    /// Newest first.
    pub(super) fn list_sessions(&self, request: &Json) -> Result<Json, MemoryError> {
        let request: ListRequest = read(request)?;
        self.known(&request.memory_id)?;
        let size = page_size(request.max_results)?;
        let actor = request.actor_id.as_deref().unwrap_or_default();
        let read = self.store.read()?;
        let table = read.open_table(SESSIONS).map_err(disk)?;
        let mut sessions: Vec<(String, Session)> = listed(&table, &[&request.memory_id, actor])?;
        match request
            .filter
            .as_ref()
            .and_then(|filter| filter.event_filter.as_deref())
        {
            None => {}
            Some("HAS_EVENTS") => {
                let events = read.open_table(EVENTS).map_err(disk)?;
                let mut kept = Vec::new();
                for (session, created) in sessions {
                    let begin = prefix(&[&request.memory_id, actor, &session]);
                    let end = prefix_end(&begin);
                    if events
                        .range(begin.as_str()..end.as_str())
                        .map_err(disk)?
                        .next()
                        .is_some()
                    {
                        kept.push((session, created));
                    }
                }
                sessions = kept;
            }
            Some(other) => {
                return Err(invalid(
                    "filter.eventFilter",
                    format!("Value '{other}' at 'filter.eventFilter' is not HAS_EVENTS"),
                ));
            }
        }
        let (sessions, next) = page(
            sessions,
            size,
            &request.next_token,
            Order::Descending,
            |(session, known)| format!("{:016} {session}", known.created_ms),
        )?;
        let summaries: Vec<Json> = sessions
            .iter()
            .map(|(session, created)| {
                json!({
                    "sessionId": session,
                    "actorId": actor,
                    "createdAt": seconds(created.created_ms),
                })
            })
            .collect();
        Ok(with_next(json!({ "sessionSummaries": summaries }), next))
    }

    /// By name.
    pub(super) fn list_actors(&self, request: &Json) -> Result<Json, MemoryError> {
        let request: ListRequest = read(request)?;
        self.known(&request.memory_id)?;
        let size = page_size(request.max_results)?;
        let table = self.store.read()?.open_table(SESSIONS).map_err(disk)?;
        let sessions: Vec<(String, Session)> = listed(&table, &[&request.memory_id])?;
        let actors: BTreeSet<String> = sessions
            .iter()
            .filter_map(|(name, _)| Some(name.split_once('\0')?.0.to_owned()))
            .collect();
        let actors = actors.into_iter().collect();
        let (actors, next) = page(actors, size, &request.next_token, Order::Ascending, String::clone)?;
        let summaries: Vec<Json> = actors.iter().map(|actor| json!({ "actorId": actor })).collect();
        Ok(with_next(json!({ "actorSummaries": summaries }), next))
    }
}

fn no_event(id: &str) -> MemoryError {
    MemoryError::NotFound(format!("The event {id} was not found in this session"))
}
