//! AgentCore memory's wire: rest-json over [`concert_store::memory`]. Members of the path join those of the body, as the
//! service's model has them.

use crate::{
    error::{AwsError, Protocol},
    service::{Answer, Call, Operation, Service, ServiceInfo},
};
use concert_store::{
    Store,
    memory::{Memory, MemoryError},
};
use futures::{FutureExt as _, future::BoxFuture};
use http::StatusCode;
use serde_json::{Map, Value, json};

/// The only memory. docs/local-store.md says what it extracts.
pub const MEMORY: &str = "concert-localmem01";

static INFO: ServiceInfo = ServiceInfo {
    name: "bedrock-agentcore",
    signing_name: "bedrock-agentcore",
    protocol: Protocol::RestJson,
    target_prefix: "",
    error_namespace: None,
    error_message: "message",
    body_max_bytes: 16 << 20,
    operations: &[
        Operation::rest("CreateEvent", "POST", "/memories/{memoryId}/events"),
        Operation::rest(
            "GetEvent",
            "GET",
            "/memories/{memoryId}/actor/{actorId}/sessions/{sessionId}/events/{eventId}",
        ),
        Operation::rest(
            "ListEvents",
            "POST",
            "/memories/{memoryId}/actor/{actorId}/sessions/{sessionId}",
        ),
        Operation::rest(
            "DeleteEvent",
            "DELETE",
            "/memories/{memoryId}/actor/{actorId}/sessions/{sessionId}/events/{eventId}",
        ),
        Operation::rest("ListSessions", "POST", "/memories/{memoryId}/actor/{actorId}/sessions"),
        Operation::rest("ListActors", "POST", "/memories/{memoryId}/actors"),
        Operation::rest("RetrieveMemoryRecords", "POST", "/memories/{memoryId}/retrieve"),
        Operation::rest("ListMemoryRecords", "POST", "/memories/{memoryId}/memoryRecords"),
        Operation::rest(
            "GetMemoryRecord",
            "GET",
            "/memories/{memoryId}/memoryRecord/{memoryRecordId}",
        ),
        Operation::rest(
            "DeleteMemoryRecord",
            "DELETE",
            "/memories/{memoryId}/memoryRecords/{memoryRecordId}",
        ),
        Operation::rest(
            "BatchCreateMemoryRecords",
            "POST",
            "/memories/{memoryId}/memoryRecords/batchCreate",
        ),
        Operation::rest(
            "BatchUpdateMemoryRecords",
            "POST",
            "/memories/{memoryId}/memoryRecords/batchUpdate",
        ),
        Operation::rest(
            "BatchDeleteMemoryRecords",
            "POST",
            "/memories/{memoryId}/memoryRecords/batchDelete",
        ),
    ],
};

pub(crate) struct AgentCoreMemory {
    memory: Memory,
}

impl AgentCoreMemory {
    pub fn new(store: Store) -> AgentCoreMemory {
        AgentCoreMemory {
            memory: Memory::new(store, vec![MEMORY.to_owned()]),
        }
    }
}

impl Service for AgentCoreMemory {
    fn info(&self) -> &'static ServiceInfo {
        &INFO
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, AwsError>> {
        let memory = self.memory.clone();
        async move {
            // A write that has begun is carried out, whether or not its client waits.
            let answered = tokio::task::spawn_blocking(move || {
                let mut request: Map<String, Value> = call.parse().map_err(unreadable)?;
                for (name, value) in &call.labels {
                    request.insert((*name).to_owned(), json!(value));
                }
                memory
                    .call(call.operation, &Value::Object(request))
                    .map(|answer| (call.operation, answer))
                    .map_err(aws_error)
            });
            match answered.await {
                Ok(Ok((operation, answer))) => Ok(answered_with(operation, answer)),
                Ok(Err(error)) => Err(error),
                Err(error) => Err(internal(&error)),
            }
        }
        .boxed()
    }
}

/// What makes something answers 201.
fn answered_with(operation: &str, answer: Value) -> Answer {
    if !matches!(operation, "CreateEvent" | "BatchCreateMemoryRecords") {
        return Answer::Json(answer);
    }
    Answer::Http(crate::error::json_response(
        StatusCode::CREATED,
        INFO.protocol,
        &answer,
    ))
}

fn unreadable(error: AwsError) -> AwsError {
    AwsError::validation(error.message).with("reason", "CannotParse")
}

fn internal(error: &dyn std::fmt::Display) -> AwsError {
    tracing::error!(%error, "memory failed");
    AwsError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "ServiceException",
        "Internal server error",
    )
}

fn aws_error(error: MemoryError) -> AwsError {
    let message = error.to_string();
    match error {
        MemoryError::Validation { reason, field, .. } => {
            let error = AwsError::validation(message.clone()).with("reason", reason.name());
            match field {
                Some(field) => error.with("fieldList", json!([{"name": field, "message": message}])),
                None => error,
            }
        }
        MemoryError::NotFound(_) => AwsError::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message),
        MemoryError::UnknownOperation(_) => {
            AwsError::new(StatusCode::NOT_FOUND, "UnknownOperationException", message)
        }
        MemoryError::Store(error) => internal(&error),
    }
}
