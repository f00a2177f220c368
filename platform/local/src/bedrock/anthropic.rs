//! InvokeModel's body as Anthropic's models on Bedrock take it (`anthropic_version` `bedrock-2023-05-31`), and their answers,
//! whole and streamed. The body becomes a Converse request, so that both operations refuse and say the same.

use super::{
    request::{ConverseRequest, GuardrailConfig, InferenceConfig, Message, ToolConfig, malformed},
    speech::{End, Piece, Reply, Said},
    stream::{Frames, Open, event},
};
use crate::error::{AwsError, parse_object};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Instant;
use uuid::Uuid;

const VERSION: &str = "bedrock-2023-05-31";

#[derive(Debug, Deserialize)]
struct Body {
    anthropic_version: Option<String>,
    #[serde(rename = "anthropic_beta")]
    _beta: Option<Value>,
    max_tokens: Option<i64>,
    messages: Option<Vec<Value>>,
    #[serde(default)]
    system: Value,
    #[serde(default)]
    stop_sequences: Vec<String>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<i64>,
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    #[serde(rename = "metadata")]
    _metadata: Option<Value>,
    #[serde(rename = "thinking")]
    _thinking: Option<Value>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// Reads a body.
///
/// # Errors
/// It is no JSON, lacks what is required, or holds what Anthropic's schema does not know.
pub(crate) fn read(body: &[u8], takes_further_fields: bool) -> Result<ConverseRequest, AwsError> {
    let body: Body = parse_object(body)?;
    if let Some(key) = body.other.keys().next() {
        return Err(malformed(&format!("#: extraneous key [{key}] is not permitted")));
    }
    let required = |name: &str| malformed(&format!("#: required key [{name}] not found"));
    match body.anthropic_version.as_deref() {
        None => return Err(required("anthropic_version")),
        Some(VERSION) => {}
        Some(other) => {
            return Err(malformed(&format!(
                "#/anthropic_version: {other} is not a valid enum value, it must be {VERSION}"
            )));
        }
    }
    let max_tokens = body.max_tokens.ok_or_else(|| required("max_tokens"))?;
    let messages = body.messages.ok_or_else(|| required("messages"))?;
    let mut further = Map::new();
    // A model that does not know `top_k` takes it all the same: it is a hint.
    if let Some(top_k) = body.top_k.filter(|_| takes_further_fields) {
        further.insert("top_k".to_owned(), top_k.into());
    }
    Ok(ConverseRequest {
        messages: messages
            .iter()
            .enumerate()
            .map(|(i, message)| self::message(i, message))
            .collect::<Result<_, _>>()?,
        system: match &body.system {
            Value::Null => Vec::new(),
            Value::String(text) => vec![text_block(text)],
            Value::Array(blocks) => blocks
                .iter()
                .enumerate()
                .map(|(i, block)| content(&format!("system.{i}"), block))
                .collect::<Result<_, _>>()?,
            _ => return Err(malformed("#/system: expected type: String or JSONArray")),
        },
        inference_config: InferenceConfig {
            max_tokens: Some(max_tokens),
            temperature: body.temperature,
            top_p: body.top_p,
            stop_sequences: body.stop_sequences,
        },
        tool_config: tool_config(body.tools, body.tool_choice)?,
        additional_model_request_fields: (!further.is_empty()).then_some(Value::Object(further)),
        ..ConverseRequest::default()
    })
}

/// The guardrail that the headers of an InvokeModel name.
pub(crate) fn guardrail(header: impl Fn(&str) -> Option<String>) -> Option<GuardrailConfig> {
    let id = header("x-amzn-bedrock-guardrailidentifier")?;
    Some(GuardrailConfig {
        guardrail_identifier: Some(id),
        guardrail_version: header("x-amzn-bedrock-guardrailversion"),
        trace: header("x-amzn-bedrock-trace").map(|trace| trace.to_lowercase()),
        stream_processing_mode: None,
    })
}

fn tool_config(tools: Option<Vec<Value>>, choice: Option<Value>) -> Result<Option<ToolConfig>, AwsError> {
    let Some(tools) = tools.filter(|tools| !tools.is_empty()) else {
        return Ok(None);
    };
    let tools = tools
        .iter()
        .map(|tool| {
            let mut spec = Map::new();
            spec.insert("name".to_owned(), tool["name"].clone());
            if let Some(description) = tool.get("description") {
                spec.insert("description".to_owned(), description.clone());
            }
            spec.insert("inputSchema".to_owned(), json!({"json": tool["input_schema"]}));
            Map::from_iter([("toolSpec".to_owned(), Value::Object(spec))])
        })
        .collect();
    let tool_choice = match choice.as_ref().map(|choice| (choice, choice["type"].as_str())) {
        None => None,
        Some((_, Some("auto"))) => Some(json!({"auto": {}})),
        Some((_, Some("any"))) => Some(json!({"any": {}})),
        Some((choice, Some("tool"))) => Some(json!({"tool": {"name": choice["name"]}})),
        // The model may not use them: it is as if there were none.
        Some((_, Some("none"))) => return Ok(None),
        Some(_) => return Err(malformed("#/tool_choice: type must be one of auto, any, tool, none")),
    };
    Ok(Some(ToolConfig {
        tools,
        tool_choice: tool_choice.and_then(|choice| choice.as_object().cloned()),
    }))
}

fn message(i: usize, message: &Value) -> Result<Message, AwsError> {
    let content = match &message["content"] {
        Value::String(text) => vec![text_block(text)],
        Value::Array(blocks) => blocks
            .iter()
            .enumerate()
            .map(|(j, block)| content(&format!("messages.{i}.content.{j}"), block))
            .collect::<Result<_, _>>()?,
        _ => {
            return Err(malformed(&format!(
                "#/messages/{i}/content: expected type: String or JSONArray"
            )));
        }
    };
    Ok(Message {
        role: message["role"].as_str().unwrap_or_default().to_owned(),
        content,
    })
}

fn text_block(text: &str) -> Map<String, Value> {
    Map::from_iter([("text".to_owned(), text.into())])
}

/// A block of Anthropic's as Converse has it.
fn content(place: &str, block: &Value) -> Result<Map<String, Value>, AwsError> {
    let one = |name: &str, value: Value| Ok(Map::from_iter([(name.to_owned(), value)]));
    match block["type"].as_str() {
        Some("text") => Ok(text_block(block["text"].as_str().unwrap_or_default())),
        Some("tool_use") => one(
            "toolUse",
            json!({"toolUseId": block["id"], "name": block["name"], "input": block["input"]}),
        ),
        Some("tool_result") => {
            let parts = match &block["content"] {
                Value::Null => Vec::new(),
                Value::String(text) => vec![text_block(text)],
                Value::Array(parts) => parts
                    .iter()
                    .map(|part| content(place, part))
                    .collect::<Result<_, _>>()?,
                _ => return Err(malformed(&format!("{place}: expected type: String or JSONArray"))),
            };
            let status = if block["is_error"] == true { "error" } else { "success" };
            one(
                "toolResult",
                json!({"toolUseId": block["tool_use_id"], "content": parts, "status": status}),
            )
        }
        Some("image") => {
            let source = &block["source"];
            let format = source["media_type"]
                .as_str()
                .and_then(|kind| kind.strip_prefix("image/"));
            if source["type"] != "base64" {
                return Err(malformed(&format!("{place}: source.type must be base64")));
            }
            one("image", json!({"format": format, "source": {"bytes": source["data"]}}))
        }
        Some("thinking" | "redacted_thinking") => one("reasoningContent", json!({})),
        Some(other) => Err(AwsError::validation(format!(
            "This model doesn't support the {other} block at {place}. Remove it and try again."
        ))),
        None => Err(malformed(&format!("{place}: required key [type] not found"))),
    }
}

/// A whole answer's body.
pub(crate) fn answer(model: &str, reply: &Reply, action: Option<&str>) -> Value {
    let content: Vec<Value> = reply
        .blocks
        .iter()
        .map(|said| match said {
            Said::Text(text) => json!({"type": "text", "text": text}),
            Said::Reasoning(text) => json!({"type": "thinking", "thinking": text, "signature": ""}),
            Said::Tool { id, name, input } => json!({"type": "tool_use", "id": id, "name": name, "input": input}),
        })
        .collect();
    let (input, output) = reply.end.usage();
    let mut answer = json!({
        "id": message_id(),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": stop_reason(&reply.end),
        "stop_sequence": reply.end.stop_sequence,
        "usage": {"input_tokens": input, "output_tokens": output},
    });
    if let Some(action) = action {
        answer["amazon-bedrock-guardrailAction"] = action.into();
    }
    answer
}

fn message_id() -> String {
    format!("msg_bdrk_{}", Uuid::new_v4().simple())
}

/// Anthropic knows fewer reasons than Converse.
fn stop_reason(end: &End) -> &'static str {
    match end.reason() {
        "guardrail_intervened" | "content_filtered" => "refusal",
        "malformed_model_output" | "malformed_tool_use" => "end_turn",
        reason => reason,
    }
}

/// Anthropic's events, each in a chunk.
pub(crate) struct MessageFrames {
    model: String,
    started: Instant,
    first_byte_ms: Option<u64>,
    input_tokens: u64,
    index: usize,
    open: Option<Open>,
}

impl MessageFrames {
    pub fn new(model: &str, started: Instant, input_tokens: u64) -> MessageFrames {
        MessageFrames {
            model: model.to_owned(),
            started,
            first_byte_ms: None,
            input_tokens,
            index: 0,
            open: None,
        }
    }

    fn turn_to(&mut self, kind: Option<Open>, frames: &mut Vec<Bytes>) {
        if self.open == kind && kind != Some(Open::Tool) {
            return;
        }
        if self.open.is_some() {
            frames.push(chunk(&json!({"type": "content_block_stop", "index": self.index})));
            self.index += 1;
        }
        self.open = kind;
        let block = match kind {
            Some(Open::Text) => json!({"type": "text", "text": ""}),
            Some(Open::Reasoning) => json!({"type": "thinking", "thinking": ""}),
            // A tool's start has its name.
            Some(Open::Tool) | None => return,
        };
        frames.push(self.start_of(&block));
    }

    fn start_of(&self, block: &Value) -> Bytes {
        chunk(&json!({"type": "content_block_start", "index": self.index, "content_block": block}))
    }

    fn delta(&self, delta: Value) -> Bytes {
        chunk(&json!({"type": "content_block_delta", "index": self.index, "delta": delta}))
    }

    fn tool(&mut self, id: &str, name: &str, frames: &mut Vec<Bytes>) {
        self.turn_to(Some(Open::Tool), frames);
        frames.push(self.start_of(&json!({"type": "tool_use", "id": id, "name": name, "input": {}})));
    }
}

fn chunk(event_: &Value) -> Bytes {
    event("chunk", &json!({"bytes": STANDARD.encode(event_.to_string())}))
}

impl Frames for MessageFrames {
    fn start(&mut self) -> Vec<Bytes> {
        let message = json!({
            "id": message_id(),
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": {"input_tokens": self.input_tokens, "output_tokens": 0},
        });
        vec![chunk(&json!({"type": "message_start", "message": message}))]
    }

    fn piece(&mut self, piece: Piece) -> Vec<Bytes> {
        let mut frames = Vec::new();
        self.first_byte_ms.get_or_insert(crate::millis(self.started));
        match piece {
            Piece::Text(text) => {
                self.turn_to(Some(Open::Text), &mut frames);
                frames.push(self.delta(json!({"type": "text_delta", "text": text})));
            }
            Piece::Reasoning(text) => {
                self.turn_to(Some(Open::Reasoning), &mut frames);
                frames.push(self.delta(json!({"type": "thinking_delta", "thinking": text})));
            }
            Piece::Tool { id, name, input } => {
                self.tool(&id, &name, &mut frames);
                frames.push(self.delta(json!({"type": "input_json_delta", "partial_json": input.to_string()})));
            }
            Piece::ToolStart { id, name } => self.tool(&id, &name, &mut frames),
            Piece::ToolInput(part) => {
                frames.push(self.delta(json!({"type": "input_json_delta", "partial_json": part})));
            }
            Piece::Pause(_) => {}
            Piece::End(end) => {
                self.turn_to(None, &mut frames);
                let (input, output) = end.usage();
                frames.push(chunk(&json!({
                    "type": "message_delta",
                    "delta": {"stop_reason": stop_reason(&end), "stop_sequence": end.stop_sequence},
                    "usage": {"output_tokens": output},
                })));
                frames.push(chunk(&json!({
                    "type": "message_stop",
                    "amazon-bedrock-invocationMetrics": {
                        "inputTokenCount": input,
                        "outputTokenCount": output,
                        "invocationLatency": crate::millis(self.started),
                        "firstByteLatency": self.first_byte_ms,
                    },
                })));
            }
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedrock::request::{Abilities, Block, Choice};

    fn with(changes: Value) -> Value {
        let mut body = json!({
            "anthropic_version": VERSION,
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "hello"}],
        });
        for (name, value) in changes.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    }

    #[test]
    fn a_body_becomes_a_conversation() {
        let body = with(json!({
            "system": "Be brief.",
            "stop_sequences": ["END"],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "look"}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "tool_use", "id": "a", "name": "x", "input": {"q": 1}},
                ]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "no", "is_error": true}]},
            ],
            "tools": [{"name": "x", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "tool", "name": "x"},
        }));
        let conversation = read(body.to_string().as_bytes(), false)
            .and_then(|request| request.check(Abilities::TEXT))
            .unwrap_or_else(|error| panic!("{}", error.message));
        assert_eq!(conversation.system, ["Be brief."]);
        assert_eq!(conversation.choice, Choice::Tool("x".to_owned()));
        assert_eq!(
            (conversation.max_tokens, conversation.stop_sequences.len()),
            (Some(100), 1)
        );
        assert_eq!(conversation.turns[1].blocks.len(), 1, "thoughts are the model's own");
        assert!(matches!(
            conversation.turns[2].blocks[0],
            Block::ToolResult { is_error: true, .. }
        ));
    }

    #[test]
    fn what_the_schema_refuses_is_refused_in_bedrocks_words() {
        let without = |name: &str| {
            let mut body = with(json!({}));
            body.as_object_mut().expect("an object").remove(name);
            body
        };
        for (body, part) in [
            (
                without("anthropic_version"),
                "required key [anthropic_version] not found",
            ),
            (without("max_tokens"), "required key [max_tokens] not found"),
            (without("messages"), "required key [messages] not found"),
            (with(json!({"prompt": "x"})), "extraneous key [prompt] is not permitted"),
            (
                with(json!({"anthropic_version": "2023-06-01"})),
                "must be bedrock-2023-05-31",
            ),
            (
                with(json!({"messages": [{"role": "user", "content": 5}]})),
                "expected type",
            ),
            (
                with(json!({"messages": [{"role": "user", "content": [{"type": "document"}]}]})),
                "the document block",
            ),
            (
                with(json!({"messages": [{"role": "user", "content": " "}]})),
                "is blank",
            ),
            (
                with(json!({"messages": [{"role": "assistant", "content": "a"}]})),
                "start with a user message",
            ),
            (
                with(json!({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]})),
                "[a-zA-Z0-9_-]+",
            ),
            (with(json!({"messages": "x"})), "SerializationException"),
        ] {
            let error = read(body.to_string().as_bytes(), false)
                .and_then(|request| request.check(Abilities::TEXT))
                .expect_err(&body.to_string());
            assert!(
                format!("{} {}", error.code, error.message).contains(part),
                "{body}: {error:?}"
            );
        }
    }
}
