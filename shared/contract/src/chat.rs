//! A chat turn on the wire: what the page sends, the server-sent events that come back, and the plain JSON answer.

use crate::{chart::Chart, error::ErrorEnvelope, query::Query, table::Table};
use serde::{Deserialize, Serialize};

/// The longest question, in characters; a longer one is refused with its length.
pub const MESSAGE_MAX_CHARS: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// The turn that this one replaces (edit, regenerate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
}

/// A question with a name: a follow-up, a clarifying choice, a first question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Suggestion {
    pub label: String,
    pub query: Query,
}

/// Words of the question and what they were taken for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Understood {
    /// As written in the question.
    pub words: String,
    /// In the catalogue's terms: "metric attendance", "year 1999", "the ten largest".
    pub meaning: String,
}

/// What a tool call found. Either the result's fields or `error` are there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolResult {
    pub id: String,
    pub tool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<Query>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
    /// The sentence made by rules from the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// When the data was published, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorEnvelope>,
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TurnState {
    Complete,
    Stopped,
    Failed,
}

/// One server-sent event; its name is the variant's name in snake case, its id `<turn>.<n>`, its data these fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum ChatEvent {
    Ack {
        turn: String,
        conversation_id: String,
    },
    Text {
        delta: String,
    },
    ToolCall {
        id: String,
        tool: String,
        input: serde_json::Value,
    },
    ToolResult(Box<ToolResult>),
    Usage {
        input_tokens: u64,
        output_tokens: u64,
        cost: Option<f64>,
    },
    Clarify {
        question: String,
        choices: Vec<Suggestion>,
    },
    FollowUps {
        understood: Vec<Understood>,
        not_understood: Vec<String>,
        confidence: f64,
        follow_ups: Vec<Suggestion>,
    },
    Reset {
        after: String,
    },
    Done {
        state: TurnState,
    },
    Error(ErrorEnvelope),
}

impl ChatEvent {
    pub fn name(&self) -> &'static str {
        match self {
            ChatEvent::Ack { .. } => "ack",
            ChatEvent::Text { .. } => "text",
            ChatEvent::ToolCall { .. } => "tool_call",
            ChatEvent::ToolResult(_) => "tool_result",
            ChatEvent::Usage { .. } => "usage",
            ChatEvent::Clarify { .. } => "clarify",
            ChatEvent::FollowUps { .. } => "follow_ups",
            ChatEvent::Reset { .. } => "reset",
            ChatEvent::Done { .. } => "done",
            ChatEvent::Error(_) => "error",
        }
    }

    /// The event's `data:` line: its fields without its name.
    pub fn data(&self) -> serde_json::Result<String> {
        match self {
            ChatEvent::ToolResult(result) => serde_json::to_string(result),
            ChatEvent::Error(envelope) => serde_json::to_string(envelope),
            other => {
                let mut value = serde_json::to_value(other)?;
                serde_json::to_string(&value["data"].take())
            }
        }
    }

    /// The other direction: what a client makes of an event's name and data.
    ///
    /// # Errors
    /// An unknown name, or data that does not have the event's fields.
    pub fn parse(name: &str, data: &str) -> serde_json::Result<ChatEvent> {
        let data: serde_json::Value = serde_json::from_str(data)?;
        serde_json::from_value(serde_json::json!({"event": name, "data": data}))
    }
}

/// The answer to a client that asked for JSON instead of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatAnswer {
    pub turn: String,
    pub conversation_id: String,
    pub text: String,
    pub results: Vec<ToolResult>,
    pub understood: Vec<Understood>,
    pub not_understood: Vec<String>,
    pub confidence: Option<f64>,
    pub follow_ups: Vec<Suggestion>,
    pub clarify: Option<Clarify>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Clarify {
    pub question: String,
    pub choices: Vec<Suggestion>,
}
