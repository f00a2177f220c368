//! Bedrock's `Converse` and `ConverseStream` (REST JSON, event stream): messages with content blocks, tools, and the
//! events of a stream. What this build does not know of a stream is passed over, never an error: models grow.

use crate::{
    ServiceError,
    eventstream::{Message as Frame, text_header},
    service::{Aws, Service, encode_segment},
    sign::SignError,
};
use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Bedrock refuses other tool names: `[a-zA-Z0-9_-]{1,64}`.
pub const TOOL_NAME_MAX_CHARS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    Assistant,
}

/// Roles alternate, and the first is the user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: Vec<ContentBlock>,
}

/// A `toolUse` is answered by a `toolResult` in the next message, and no text is blank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ContentBlock {
    Text(String),
    ToolUse(ToolUse),
    ToolResult(ToolResult),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolUse {
    pub tool_use_id: String,
    pub name: String,
    pub input: Value,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResult {
    pub tool_use_id: String,
    pub content: Vec<ToolResultContent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ToolStatus>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToolResultContent {
    Json(Value),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolStatus {
    Success,
    Error,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SystemBlock {
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolConfig {
    pub tools: Vec<Tool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tool {
    ToolSpec(ToolSpec),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSpec {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub input_schema: InputSchema,
}

/// A JSON schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InputSchema {
    Json(Value),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InferenceConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
}

/// A guardrail that reads question and answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardrailConfig {
    pub guardrail_identifier: String,
    pub guardrail_version: String,
}

/// The body of `Converse` and `ConverseStream`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConverseRequest {
    pub messages: Vec<Message>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<SystemBlock>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference_config: Option<InferenceConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_config: Option<ToolConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail_config: Option<GuardrailConfig>,
    /// At most 16 pairs; values hold only `[a-zA-Z0-9\s:_@$#=/+,-.]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub request_metadata: BTreeMap<String, String>,
}

#[derive(Debug, thiserror::Error)]
pub enum BedrockError {
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the request to the model {model:?} cannot be written: {reason}")]
    Request { model: String, reason: String },
    #[error("the event {event:?} of the model's stream cannot be read: {reason}")]
    Event { event: String, reason: String },
    /// The service broke the stream off with an exception.
    #[error("the model's stream ended with {0}")]
    Exception(ServiceError),
}

/// The signed request for a stream. `now_ms` is milliseconds since 1970.
///
/// # Errors
/// See [`BedrockError`].
pub fn converse_stream(
    aws: &Aws,
    model: &str,
    body: &ConverseRequest,
    now_ms: u64,
) -> Result<Request<Bytes>, BedrockError> {
    post(aws, model, "converse-stream", body, now_ms)
}

/// The signed request for one whole answer.
///
/// # Errors
/// See [`BedrockError`].
pub fn converse(aws: &Aws, model: &str, body: &ConverseRequest, now_ms: u64) -> Result<Request<Bytes>, BedrockError> {
    post(aws, model, "converse", body, now_ms)
}

fn post(
    aws: &Aws,
    model: &str,
    operation: &str,
    body: &ConverseRequest,
    now_ms: u64,
) -> Result<Request<Bytes>, BedrockError> {
    let path = format!("/model/{}/{operation}", encode_segment(model));
    let body = serde_json::to_vec(body).map_err(|error| BedrockError::Request {
        model: model.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(aws.post(Service::BedrockRuntime, &path, &[], "application/json", body, now_ms)?)
}

/// The answer of `Converse`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConverseAnswer {
    pub output: Output,
    pub stop_reason: StopReason,
    pub usage: Usage,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Output {
    Message(Message),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    EndTurn,
    ToolUse,
    MaxTokens,
    StopSequence,
    GuardrailIntervened,
    ContentFiltered,
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    #[serde(default)]
    pub input_tokens: u64,
    #[serde(default)]
    pub output_tokens: u64,
    #[serde(default)]
    pub total_tokens: u64,
}

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    MessageStart,
    /// A tool's input follows in pieces of JSON text.
    ToolUseStart {
        index: u32,
        tool_use_id: String,
        name: String,
    },
    TextDelta {
        index: u32,
        text: String,
    },
    ToolInputDelta {
        index: u32,
        json: String,
    },
    BlockStop {
        index: u32,
    },
    MessageStop {
        reason: StopReason,
    },
    Usage(Usage),
    /// An event or a kind of content that this build does not read (reasoning, traces).
    Ignored,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStartPayload {
    #[serde(default)]
    content_block_index: u32,
    #[serde(default)]
    start: StartPayload,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct StartPayload {
    tool_use: Option<ToolUseStartPayload>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUseStartPayload {
    tool_use_id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockDeltaPayload {
    #[serde(default)]
    content_block_index: u32,
    delta: DeltaPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeltaPayload {
    text: Option<String>,
    tool_use: Option<ToolUseDeltaPayload>,
}

#[derive(Deserialize)]
struct ToolUseDeltaPayload {
    #[serde(default)]
    input: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockStopPayload {
    #[serde(default)]
    content_block_index: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageStopPayload {
    stop_reason: StopReason,
}

#[derive(Deserialize)]
struct MetadataPayload {
    #[serde(default)]
    usage: Usage,
}

/// What a frame of `ConverseStream` says.
///
/// # Errors
/// [`BedrockError::Exception`] for the service's own errors, [`BedrockError::Event`] for a payload without its fields.
pub fn decode_event(frame: &Frame) -> Result<StreamEvent, BedrockError> {
    match text_header(frame, ":message-type") {
        Some("exception") => {
            let code = text_header(frame, ":exception-type").unwrap_or("UnknownException");
            return Err(BedrockError::Exception(exception(code, frame.payload())));
        }
        Some("error") => {
            let code = text_header(frame, ":error-code").unwrap_or("UnknownError").to_owned();
            let message = text_header(frame, ":error-message").unwrap_or_default().to_owned();
            return Err(BedrockError::Exception(ServiceError {
                status: 500,
                code,
                message,
                request_id: None,
                retry_after_s: None,
            }));
        }
        _ => {}
    }
    let event = text_header(frame, ":event-type").unwrap_or_default();
    let payload = frame.payload();
    Ok(match event {
        "messageStart" => StreamEvent::MessageStart,
        "contentBlockStart" => {
            let payload: BlockStartPayload = read(event, payload)?;
            match payload.start.tool_use {
                Some(ToolUseStartPayload { tool_use_id, name }) => StreamEvent::ToolUseStart {
                    index: payload.content_block_index,
                    tool_use_id,
                    name,
                },
                None => StreamEvent::Ignored,
            }
        }
        "contentBlockDelta" => {
            let payload: BlockDeltaPayload = read(event, payload)?;
            let index = payload.content_block_index;
            match payload.delta {
                DeltaPayload { text: Some(text), .. } => StreamEvent::TextDelta { index, text },
                DeltaPayload {
                    tool_use: Some(ToolUseDeltaPayload { input }),
                    ..
                } => StreamEvent::ToolInputDelta { index, json: input },
                DeltaPayload { .. } => StreamEvent::Ignored,
            }
        }
        "contentBlockStop" => StreamEvent::BlockStop {
            index: read::<BlockStopPayload>(event, payload)?.content_block_index,
        },
        "messageStop" => StreamEvent::MessageStop {
            reason: read::<MessageStopPayload>(event, payload)?.stop_reason,
        },
        "metadata" => StreamEvent::Usage(read::<MetadataPayload>(event, payload)?.usage),
        _ => StreamEvent::Ignored,
    })
}

fn read<'a, T: Deserialize<'a>>(event: &str, payload: &'a [u8]) -> Result<T, BedrockError> {
    serde_json::from_slice(payload).map_err(|error| BedrockError::Event {
        event: event.to_owned(),
        reason: error.to_string(),
    })
}

/// In a stream the exception's name begins with a small letter and there is no status.
fn exception(code: &str, payload: &[u8]) -> ServiceError {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(default, alias = "Message")]
        message: String,
    }
    let status = match code {
        "throttlingException" => 429,
        "validationException" => 400,
        "modelStreamErrorException" => 424,
        "serviceUnavailableException" => 503,
        _ => 500,
    };
    let mut letters = code.chars();
    let code = letters.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + letters.as_str()
    });
    let message = serde_json::from_slice::<Payload>(payload)
        .map(|p| p.message)
        .unwrap_or_default();
    ServiceError {
        status,
        code,
        message,
        request_id: None,
        retry_after_s: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventstream::{Header, HeaderValue};
    use serde_json::json;

    fn frame(headers: &[(&'static str, &'static str)], payload: Value) -> Frame {
        headers
            .iter()
            .fold(Frame::new(Bytes::from(payload.to_string())), |frame, (name, value)| {
                frame.add_header(Header::new(*name, HeaderValue::String((*value).into())))
            })
    }

    fn event(name: &'static str, payload: Value) -> StreamEvent {
        decode_event(&frame(&[(":message-type", "event"), (":event-type", name)], payload)).unwrap()
    }

    #[test]
    fn every_event_of_a_stream_is_read() {
        assert_eq!(
            event("messageStart", json!({"role": "assistant"})),
            StreamEvent::MessageStart
        );
        assert_eq!(
            event(
                "contentBlockStart",
                json!({"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t", "name": "n"}}})
            ),
            StreamEvent::ToolUseStart {
                index: 1,
                tool_use_id: "t".into(),
                name: "n".into()
            }
        );
        assert_eq!(
            event(
                "contentBlockDelta",
                json!({"contentBlockIndex": 0, "delta": {"text": "a"}, "p": "abc"})
            ),
            StreamEvent::TextDelta {
                index: 0,
                text: "a".into()
            }
        );
        assert_eq!(
            event(
                "contentBlockDelta",
                json!({"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{\"a"}}})
            ),
            StreamEvent::ToolInputDelta {
                index: 1,
                json: "{\"a".into()
            }
        );
        assert_eq!(
            event(
                "contentBlockDelta",
                json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "x"}}})
            ),
            StreamEvent::Ignored
        );
        assert_eq!(
            event("contentBlockStop", json!({"contentBlockIndex": 2})),
            StreamEvent::BlockStop { index: 2 }
        );
        assert_eq!(
            event("messageStop", json!({"stopReason": "tool_use"})),
            StreamEvent::MessageStop {
                reason: StopReason::ToolUse
            }
        );
        assert_eq!(
            event("messageStop", json!({"stopReason": "a_reason_of_next_year"})),
            StreamEvent::MessageStop {
                reason: StopReason::Other
            }
        );
        assert_eq!(
            event(
                "metadata",
                json!({"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, "metrics": {"latencyMs": 5}})
            ),
            StreamEvent::Usage(Usage {
                input_tokens: 3,
                output_tokens: 4,
                total_tokens: 7
            })
        );
        assert_eq!(event("somethingNew", json!({})), StreamEvent::Ignored);
    }

    #[test]
    fn exceptions_and_errors_inside_a_stream_are_service_errors() {
        let thrown = decode_event(&frame(
            &[
                (":message-type", "exception"),
                (":exception-type", "throttlingException"),
            ],
            json!({"message": "slow down"}),
        ));
        let Err(BedrockError::Exception(error)) = thrown else {
            panic!("{thrown:?}")
        };
        assert_eq!(
            (error.status, error.code.as_str(), error.message.as_str()),
            (429, "ThrottlingException", "slow down")
        );
        assert!(crate::retry::is_retryable(&error));
        let thrown = decode_event(&frame(
            &[
                (":message-type", "error"),
                (":error-code", "InternalFailure"),
                (":error-message", "m"),
            ],
            json!({}),
        ));
        assert!(matches!(
            thrown,
            Err(BedrockError::Exception(ServiceError { status: 500, .. }))
        ));
        let broken = decode_event(&frame(
            &[(":message-type", "event"), (":event-type", "messageStop")],
            json!({}),
        ));
        assert!(matches!(broken, Err(BedrockError::Event { .. })));
    }

    #[test]
    fn content_blocks_have_bedrocks_form() {
        let message = Message {
            role: Role::User,
            content: vec![
                ContentBlock::Text("hello".into()),
                ContentBlock::ToolUse(ToolUse {
                    tool_use_id: "t".into(),
                    name: "n".into(),
                    input: json!({"a": 1}),
                }),
                ContentBlock::ToolResult(ToolResult {
                    tool_use_id: "t".into(),
                    content: vec![ToolResultContent::Json(json!({"b": 2}))],
                    status: Some(ToolStatus::Error),
                }),
            ],
        };
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(
            text,
            r#"{"role":"user","content":[{"text":"hello"},{"toolUse":{"toolUseId":"t","name":"n","input":{"a":1}}},{"toolResult":{"toolUseId":"t","content":[{"json":{"b":2}}],"status":"error"}}]}"#
        );
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
        let config = ToolConfig {
            tools: vec![Tool::ToolSpec(ToolSpec {
                name: "n".into(),
                description: None,
                input_schema: InputSchema::Json(json!({"type": "object"})),
            })],
        };
        assert_eq!(
            serde_json::to_string(&config).unwrap(),
            r#"{"tools":[{"toolSpec":{"name":"n","inputSchema":{"json":{"type":"object"}}}}]}"#
        );
    }
}
