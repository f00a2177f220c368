//! What is remembered about a person, in AgentCore's memory: finished turns go in, the service draws preferences from
//! them, and the person can read and erase each. Without `CONCERT_MEMORY_ID` nothing is remembered.

use crate::{
    Body, Level,
    failure::{Failure, timestamp},
    identity::Viewer,
    limits::{MEMORIES_PAGE_ROWS, MEMORY_TEXT_MAX_CHARS, PREFERENCES_MAX, PREFERENCES_MAX_MS, STORE_TIMEOUT_MS},
    routes::{Incoming, json},
    store::turns::Head,
    upstream::{CallError, Context, MEMORY, whole, with_retries},
};
use bytes::Bytes;
use concert_aws::{
    Aws, Service,
    agentcore::{
        self, CreateEvent, GotMemoryRecord, ListMemoryRecords, MemoryError, MemoryRecord, MemoryRecords, Payload,
        RetrieveMemoryRecords, SearchCriteria, Speaker,
    },
};
use concert_contract::history::{Memory, MemoryAnswer};
use futures::future::join_all;
use http::{Request, Response, StatusCode};
use sha2::{Digest, Sha256};

/// Where the service keeps what it has learnt of a person.
fn namespaces(context: &Context, viewer: &Viewer) -> Vec<String> {
    let names = context.edge.settings.memory_namespaces.iter();
    names.map(|name| name.replace("{actorId}", &viewer.id)).collect()
}

/// The service finds namespaces by their beginning; only a whole one is the person's.
fn is_of(record: &MemoryRecord, namespaces: &[String]) -> bool {
    let bare = |name: &str| name.trim_end_matches('/').to_owned();
    record
        .namespaces
        .iter()
        .any(|name| namespaces.iter().any(|own| bare(own) == bare(name)))
}

/// What a record says. A preference is JSON with more about it.
fn said(record: MemoryRecord) -> String {
    let preference = serde_json::from_str::<serde_json::Value>(&record.content.text)
        .ok()
        .and_then(|json| Some(json.get("preference")?.as_str()?.to_owned()));
    preference.unwrap_or(record.content.text)
}

fn memory_id(context: &Context) -> Result<String, Failure> {
    context
        .edge
        .settings
        .memory_id
        .clone()
        .ok_or_else(|| Failure::not_available("Nothing is remembered about you here."))
}

/// `GET /api/memory`.
pub async fn list(context: &Context, viewer: &Viewer, incoming: &Incoming) -> Result<Response<Body>, Failure> {
    let memory = memory_id(context)?;
    let namespaces = namespaces(context, viewer);
    // The namespace to go on in, and the service's own token in it.
    let cursor = incoming.parameter("cursor").filter(|cursor| !cursor.is_empty());
    let (mut at, mut token) = match &cursor {
        None => (0, None),
        Some(cursor) => match cursor.split_once('.') {
            Some((at, token)) => (
                at.parse().unwrap_or(usize::MAX),
                Some(token.to_owned()).filter(|token| !token.is_empty()),
            ),
            None => (usize::MAX, None),
        },
    };
    let mut memories = Vec::new();
    let mut next_cursor = None;
    while let Some(namespace) = namespaces.get(at) {
        let list = ListMemoryRecords {
            namespace: namespace.clone(),
            max_results: Some(MEMORIES_PAGE_ROWS),
            next_token: token.take(),
        };
        let memory = memory.clone();
        let body = call(context, "ListMemoryRecords", move |aws, now_ms| {
            agentcore::list_records(aws, &memory, &list, now_ms)
        })
        .await
        .map_err(|error| error.into_failure(MEMORY))?;
        let records: MemoryRecords = decoded("ListMemoryRecords", &body)?;
        let own = records
            .memory_record_summaries
            .into_iter()
            .filter(|record| is_of(record, &namespaces));
        memories.extend(own.map(|record| Memory {
            id: record.memory_record_id.clone(),
            created_at: timestamp((record.created_at.max(0.0) * 1000.0) as u64),
            text: said(record),
        }));
        if let Some(token) = records.next_token {
            next_cursor = Some(format!("{at}.{token}"));
            break;
        }
        at += 1;
        if memories.len() >= MEMORIES_PAGE_ROWS as usize && at < namespaces.len() {
            next_cursor = Some(format!("{at}."));
            break;
        }
    }
    json(StatusCode::OK, &MemoryAnswer { memories, next_cursor })
}

/// `DELETE /api/memory/{id}`: only what is in the viewer's own namespace.
pub async fn erase(context: &Context, viewer: &Viewer, id: &str) -> Result<Response<Body>, Failure> {
    let memory = memory_id(context)?;
    let unknown = || Failure::not_found("There is no such memory.").with_action("Read the list again.");
    let fits = (1..=50).contains(&id.len())
        && id.starts_with("mem-")
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !fits {
        return Err(unknown());
    }
    let not_found = |error: CallError| match error {
        CallError::Refused(error) if error.status == 404 => unknown(),
        other => other.into_failure(MEMORY),
    };
    let body = {
        let (memory, id) = (memory.clone(), id.to_owned());
        call(context, "GetMemoryRecord", move |aws, now_ms| {
            agentcore::get_record(aws, &memory, &id, now_ms)
        })
        .await
        .map_err(not_found)?
    };
    let record: GotMemoryRecord = decoded("GetMemoryRecord", &body)?;
    if !is_of(&record.memory_record, &namespaces(context, viewer)) {
        return Err(unknown());
    }
    let id = id.to_owned();
    call(context, "DeleteMemoryRecord", move |aws, now_ms| {
        agentcore::delete_record(aws, &memory, &id, now_ms)
    })
    .await
    .map_err(not_found)?;
    Ok(crate::routes::no_content())
}

/// What is known that bears on a question. A memory that does not answer in time is no reason not to answer.
pub async fn preferences(context: &Context, viewer: &Viewer, question: &str) -> Vec<String> {
    let Some(memory) = context.edge.settings.memory_id.clone() else {
        return Vec::new();
    };
    let namespaces = namespaces(context, viewer);
    let calls = namespaces.iter().map(|namespace| {
        let retrieve = RetrieveMemoryRecords {
            namespace: namespace.clone(),
            search_criteria: SearchCriteria {
                search_query: question.chars().take(MEMORY_TEXT_MAX_CHARS).collect(),
                top_k: Some(PREFERENCES_MAX),
            },
            max_results: Some(PREFERENCES_MAX),
        };
        let memory = memory.clone();
        call(context, "RetrieveMemoryRecords", move |aws, now_ms| {
            agentcore::retrieve_records(aws, &memory, &retrieve, now_ms)
        })
    });
    let found = context.within(PREFERENCES_MAX_MS, join_all(calls)).await;
    let Some(found) = found else {
        context.log(
            Level::Warning,
            &format!("preferences: no answer within {PREFERENCES_MAX_MS} ms"),
        );
        return Vec::new();
    };
    let mut known = Vec::new();
    for answer in found {
        let records = answer.map_err(|error| error.describe()).and_then(|body| {
            agentcore::decode::<MemoryRecords>("RetrieveMemoryRecords", &body).map_err(|error| error.to_string())
        });
        match records {
            Ok(records) => known.extend(
                records
                    .memory_record_summaries
                    .into_iter()
                    .filter(|record| is_of(record, &namespaces))
                    .map(|record| said(record).split_whitespace().collect::<Vec<_>>().join(" "))
                    .map(|text| text.chars().take(MEMORY_TEXT_MAX_CHARS).collect()),
            ),
            Err(reason) => context.log(Level::Warning, &format!("preferences: {reason}")),
        }
    }
    known
}

/// Tells the memory of a finished turn. Nobody waits for it.
pub async fn note(context: &Context, viewer: &Viewer, head: &Head, answer: &str) {
    let Some(memory) = context.edge.settings.memory_id.clone() else {
        return;
    };
    let mut payload = vec![Payload::said(Speaker::User, &head.question)];
    if !answer.trim().is_empty() {
        payload.push(Payload::said(Speaker::Assistant, answer));
    }
    let event = CreateEvent {
        actor_id: viewer.id.clone(),
        // Ids that clients chose can be longer than a session's may be.
        session_id: hex::encode(&Sha256::digest(head.key.conversation_id.as_bytes())[..16]),
        event_timestamp: head.created_ms as f64 / 1000.0,
        payload,
        client_token: Some(head.key.hash.clone()),
    };
    let told = call(context, "CreateEvent", move |aws, now_ms| {
        agentcore::create_event(aws, &memory, &event, now_ms)
    })
    .await;
    if let Err(error) = told {
        context.log(
            Level::Warning,
            &format!("the memory was not told: {}", error.describe()),
        );
    }
}

async fn call(
    context: &Context,
    operation: &'static str,
    request: impl Fn(&Aws, u64) -> Result<Request<Bytes>, MemoryError> + Clone + 'static,
) -> Result<Bytes, CallError> {
    with_retries(context, operation, 0, || {
        let context = context.clone();
        let request = request.clone();
        Box::pin(async move {
            let request = request(&context.edge.settings.aws, context.host.now_ms())
                .map_err(|error| CallError::Request(error.to_string()))?;
            whole(&context, Service::AgentCore, request, STORE_TIMEOUT_MS).await
        })
    })
    .await
}

fn decoded<T: for<'de> serde::Deserialize<'de>>(operation: &'static str, body: &[u8]) -> Result<T, Failure> {
    agentcore::decode(operation, body).map_err(|error| Failure::upstream_broken(MEMORY, error.to_string()))
}
