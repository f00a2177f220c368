//! The one error envelope of the HTTP API.

use serde::{Deserialize, Serialize};

/// Who has to act on an error, and whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCategory {
    /// The request is wrong; the same request will fail again.
    Validation,
    /// No such route, conversation or record.
    NotFound,
    /// Identity is missing or does not allow this.
    Forbidden,
    /// Too many requests, or a budget is used up; `retry_after` says when to come back.
    Limit,
    /// A service behind the edge failed or could not be reached; trying again may help.
    Upstream,
    /// Not built or not configured here.
    NotAvailable,
    /// A fault of ours.
    Internal,
}

/// The body of every answer that is not a success, and the data of the chat event `error`.
///
/// `error_message` is written for the person in front of the page. What the upstream service said goes to the log
/// under the same `correlation_id`, never into this envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorEnvelope {
    /// Stable, in snake case: `unknown_metric`, `upstream_unavailable`.
    pub error_code: String,
    pub error_message: String,
    pub error_category: ErrorCategory,
    /// RFC 3339, UTC.
    pub timestamp: String,
    pub correlation_id: String,
    /// Seconds to wait before the next try, where waiting helps.
    pub retry_after: Option<u32>,
    pub suggested_action: Option<String>,
}
