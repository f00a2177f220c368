//! AgentCore's memory (REST JSON): what was said goes in as events, what the service has learnt of a person comes out as
//! records under a namespace. A record belongs to whom its namespace names; the caller checks that.

use crate::{
    service::{Aws, Service, encode_segment},
    sign::SignError,
};
use bytes::Bytes;
use http::{Method, Request};
use serde::{Deserialize, Serialize};

/// Characters of one text in an event; the service refuses longer ones.
pub const TEXT_MAX_CHARS: usize = 100_000;
/// Records in one answer.
pub const RECORDS_MAX: u32 = 100;

#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the request {operation} to AgentCore's memory cannot be written: {reason}")]
    Request { operation: &'static str, reason: String },
    #[error("the answer of AgentCore's memory to {operation} cannot be read: {reason}")]
    Answer { operation: &'static str, reason: String },
}

/// Who said something in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Speaker {
    User,
    Assistant,
    Tool,
    Other,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversational {
    pub content: Content,
    pub role: Speaker,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Payload {
    Conversational(Conversational),
}

impl Payload {
    /// `text`, cut to what the service takes.
    pub fn said(role: Speaker, text: &str) -> Payload {
        Payload::Conversational(Conversational {
            content: Content {
                text: text.chars().take(TEXT_MAX_CHARS).collect(),
            },
            role,
        })
    }
}

/// The body of `CreateEvent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateEvent {
    /// `[a-zA-Z0-9][a-zA-Z0-9-_/]*`, at most 255 characters.
    pub actor_id: String,
    /// `[a-zA-Z0-9][a-zA-Z0-9-_]*`, at most 100 characters.
    pub session_id: String,
    /// Seconds since 1970.
    pub event_timestamp: f64,
    pub payload: Vec<Payload>,
    /// Makes a second try of the same call harmless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListMemoryRecords {
    /// Records whose namespace is this or begins with it.
    pub namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_results: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetrieveMemoryRecords {
    pub namespace: String,
    pub search_criteria: SearchCriteria,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_results: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SearchCriteria {
    /// 1 to 10,000 characters.
    pub search_query: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryRecord {
    pub memory_record_id: String,
    pub content: Content,
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Seconds since 1970.
    #[serde(default)]
    pub created_at: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryRecords {
    #[serde(default)]
    pub memory_record_summaries: Vec<MemoryRecord>,
    #[serde(default)]
    pub next_token: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GotMemoryRecord {
    pub memory_record: MemoryRecord,
}

/// # Errors
/// See [`MemoryError`].
pub fn create_event(aws: &Aws, memory: &str, event: &CreateEvent, now_ms: u64) -> Result<Request<Bytes>, MemoryError> {
    post(aws, "CreateEvent", &path(memory, "events"), event, now_ms)
}

/// # Errors
/// See [`MemoryError`].
pub fn list_records(
    aws: &Aws,
    memory: &str,
    list: &ListMemoryRecords,
    now_ms: u64,
) -> Result<Request<Bytes>, MemoryError> {
    post(aws, "ListMemoryRecords", &path(memory, "memoryRecords"), list, now_ms)
}

/// # Errors
/// See [`MemoryError`].
pub fn retrieve_records(
    aws: &Aws,
    memory: &str,
    retrieve: &RetrieveMemoryRecords,
    now_ms: u64,
) -> Result<Request<Bytes>, MemoryError> {
    post(
        aws,
        "RetrieveMemoryRecords",
        &path(memory, "retrieve"),
        retrieve,
        now_ms,
    )
}

/// # Errors
/// See [`MemoryError`].
pub fn get_record(aws: &Aws, memory: &str, record: &str, now_ms: u64) -> Result<Request<Bytes>, MemoryError> {
    let path = path(memory, &format!("memoryRecord/{}", encode_segment(record)));
    Ok(aws.bare(Service::AgentCore, Method::GET, &path, now_ms)?)
}

/// # Errors
/// See [`MemoryError`].
pub fn delete_record(aws: &Aws, memory: &str, record: &str, now_ms: u64) -> Result<Request<Bytes>, MemoryError> {
    let path = path(memory, &format!("memoryRecords/{}", encode_segment(record)));
    Ok(aws.bare(Service::AgentCore, Method::DELETE, &path, now_ms)?)
}

/// The body of a call that succeeded.
///
/// # Errors
/// A body without the operation's fields.
pub fn decode<T: for<'de> Deserialize<'de>>(operation: &'static str, body: &[u8]) -> Result<T, MemoryError> {
    serde_json::from_slice(body).map_err(|error| MemoryError::Answer {
        operation,
        reason: error.to_string(),
    })
}

/// A memory is named by its id or its ARN.
fn path(memory: &str, rest: &str) -> String {
    format!("/memories/{}/{rest}", encode_segment(memory))
}

fn post(
    aws: &Aws,
    operation: &'static str,
    path: &str,
    body: &impl Serialize,
    now_ms: u64,
) -> Result<Request<Bytes>, MemoryError> {
    let body = serde_json::to_vec(body).map_err(|error| MemoryError::Request {
        operation,
        reason: error.to_string(),
    })?;
    Ok(aws.post(Service::AgentCore, path, &[], "application/json", body, now_ms)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Credentials;

    fn aws() -> Aws {
        let credentials = Credentials {
            access_key_id: "AKID".into(),
            secret_access_key: "secret".into(),
            session_token: None,
        };
        Aws::new("us-east-1", "", credentials).unwrap()
    }

    #[test]
    fn an_event_is_written_as_the_service_reads_it() {
        let event = CreateEvent {
            actor_id: "a".into(),
            session_id: "s".into(),
            event_timestamp: 1.5,
            payload: vec![Payload::said(Speaker::User, "hello")],
            client_token: None,
        };
        let request = create_event(&aws(), "m-0123456789", &event, 0).unwrap();
        assert_eq!(
            request.uri(),
            "https://bedrock-agentcore.us-east-1.amazonaws.com/memories/m-0123456789/events"
        );
        assert_eq!(
            request.body(),
            r#"{"actorId":"a","sessionId":"s","eventTimestamp":1.5,"payload":[{"conversational":{"content":{"text":"hello"},"role":"USER"}}]}"#
        );
    }

    #[test]
    fn no_id_leaves_its_segment_of_the_path() {
        let request = delete_record(&aws(), "m-0123456789", "../../x?y", 0).unwrap();
        assert_eq!(
            (request.method(), request.uri().path()),
            (&Method::DELETE, "/memories/m-0123456789/memoryRecords/..%2F..%2Fx%3Fy")
        );
    }

    #[test]
    fn records_are_read_with_what_they_have() {
        let records: MemoryRecords = decode(
            "ListMemoryRecords",
            br#"{"memoryRecordSummaries":[{"memoryRecordId":"mem-1","content":{"text":"likes jazz"},
                "memoryStrategyId":"s","namespaces":["/preferences/a/"],"createdAt":1.7E9}]}"#,
        )
        .unwrap();
        assert_eq!(records.memory_record_summaries[0].content.text, "likes jazz");
        assert_eq!(records.next_token, None);
    }
}
