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
        self, CreateEvent, GotMemoryRecord, ListMemoryRecords, MemoryError, MemoryRecords, Payload,
        RetrieveMemoryRecords, SearchCriteria, Speaker,
    },
};
use concert_contract::history::{Memory, MemoryAnswer};
use http::{Request, Response, StatusCode};
use sha2::{Digest, Sha256};

/// Where the service keeps what it has learnt of a person. Its strategy is set up with `/preferences/{actorId}/`.
fn namespace(viewer: &Viewer) -> String {
    format!("/preferences/{}/", viewer.id)
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
    let list = ListMemoryRecords {
        namespace: namespace(viewer),
        max_results: Some(MEMORIES_PAGE_ROWS),
        next_token: incoming.parameter("cursor").filter(|cursor| !cursor.is_empty()),
    };
    let body = call(context, "ListMemoryRecords", move |aws, now_ms| {
        agentcore::list_records(aws, &memory, &list, now_ms)
    })
    .await
    .map_err(|error| error.into_failure(MEMORY))?;
    let records: MemoryRecords = decoded("ListMemoryRecords", &body)?;
    let memories = records
        .memory_record_summaries
        .into_iter()
        .filter(|record| record.namespaces.iter().any(|name| *name == namespace(viewer)))
        .map(|record| Memory {
            id: record.memory_record_id,
            text: record.content.text,
            created_at: timestamp((record.created_at.max(0.0) * 1000.0) as u64),
        })
        .collect();
    json(
        StatusCode::OK,
        &MemoryAnswer {
            memories,
            next_cursor: records.next_token,
        },
    )
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
    if !record
        .memory_record
        .namespaces
        .iter()
        .any(|name| *name == namespace(viewer))
    {
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
    let retrieve = RetrieveMemoryRecords {
        namespace: namespace(viewer),
        search_criteria: SearchCriteria {
            search_query: question.chars().take(MEMORY_TEXT_MAX_CHARS).collect(),
            top_k: Some(PREFERENCES_MAX),
        },
        max_results: Some(PREFERENCES_MAX),
    };
    let found = context
        .within(
            PREFERENCES_MAX_MS,
            call(context, "RetrieveMemoryRecords", move |aws, now_ms| {
                agentcore::retrieve_records(aws, &memory, &retrieve, now_ms)
            }),
        )
        .await;
    let records = match found {
        Some(Ok(body)) => {
            agentcore::decode::<MemoryRecords>("RetrieveMemoryRecords", &body).map_err(|error| error.to_string())
        }
        Some(Err(error)) => Err(error.describe()),
        None => Err(format!("no answer within {PREFERENCES_MAX_MS} ms")),
    };
    match records {
        Ok(records) => records
            .memory_record_summaries
            .into_iter()
            .filter(|record| record.namespaces.iter().any(|name| *name == namespace(viewer)))
            .map(|record| record.content.text.split_whitespace().collect::<Vec<_>>().join(" "))
            .map(|text| text.chars().take(MEMORY_TEXT_MAX_CHARS).collect())
            .collect(),
        Err(reason) => {
            context.log(Level::Warning, &format!("preferences: {reason}"));
            Vec::new()
        }
    }
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
