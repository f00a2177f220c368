//! Conversations as they are kept: the list, one conversation with its messages, and what is remembered about a person.

use crate::{
    chat::{ChatAnswer, TurnState},
    error::ErrorEnvelope,
};
use serde::{Deserialize, Serialize};

/// The longest title, in characters.
pub const TITLE_MAX_CHARS: usize = 200;
/// The longest comment of a feedback, in characters.
pub const COMMENT_MAX_CHARS: usize = 2_000;

/// One line of `GET /api/history`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConversationInfo {
    pub id: String,
    /// Its first question, until it is renamed.
    pub title: String,
    pub pinned: bool,
    /// RFC 3339.
    pub created_at: String,
    /// When the last turn began, RFC 3339.
    pub updated_at: String,
}

/// `GET /api/history`: pinned ones first, then the last used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HistoryAnswer {
    pub conversations: Vec<ConversationInfo>,
    /// Where the next page begins; none after the last.
    pub next_cursor: Option<String>,
}

/// `GET /api/history/{conversation_id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConversationAnswer {
    #[serde(flatten)]
    pub conversation: ConversationInfo,
    /// The oldest first. Where a message was edited or asked again, the newest version and what followed on it.
    pub messages: Vec<Message>,
    /// Where the messages before these begin; none before the first.
    pub next_cursor: Option<String>,
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Message {
    /// The turn's id.
    pub id: String,
    pub question: String,
    /// RFC 3339.
    pub created_at: String,
    pub state: MessageState,
    /// The turn that this one replaced, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// All versions in this place, the oldest first, this one among them.
    pub versions: Vec<String>,
    pub answer: ChatAnswer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorEnvelope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<Feedback>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// Not over yet, or broken off; reading its events follows or continues it.
    Running,
    Complete,
    Stopped,
    Failed,
}

impl From<TurnState> for MessageState {
    fn from(state: TurnState) -> MessageState {
        match state {
            TurnState::Complete => MessageState::Complete,
            TurnState::Stopped => MessageState::Stopped,
            TurnState::Failed => MessageState::Failed,
        }
    }
}

/// `PATCH /api/history/{conversation_id}`; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConversationPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
}

/// `POST /api/chat/{turn}/stop`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StopAnswer {
    pub turn: String,
    /// `running` while it is about to stop.
    pub state: MessageState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Thumbs {
    Up,
    Down,
}

/// `POST /api/feedback`; a second one for the same message replaces the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FeedbackRequest {
    /// The turn's id.
    pub message_id: String,
    pub conversation_id: String,
    pub thumbs: Thumbs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Feedback {
    pub thumbs: Thumbs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Something that is remembered about the viewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Memory {
    pub id: String,
    pub text: String,
    /// RFC 3339.
    pub created_at: String,
}

/// `GET /api/memory`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MemoryAnswer {
    pub memories: Vec<Memory>,
    /// Where the next page begins; none after the last.
    pub next_cursor: Option<String>,
}
