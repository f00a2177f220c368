//! AWS's JSON protocols 1.0 and 1.1: one address, the operation's name in a header, its input and output as JSON.
//! Redshift's Data API and DynamoDB speak them.

use crate::{
    service::{Aws, Service},
    sign::SignError,
};
use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Serialize};

pub const VERSION_1_0: &str = "application/x-amz-json-1.0";
pub const VERSION_1_1: &str = "application/x-amz-json-1.1";

/// An operation's input: its target and its JSON body.
pub trait Operation: Serialize {
    const NAME: &'static str;
    const SERVICE: Service;
    type Output: for<'de> Deserialize<'de>;
}

#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the answer to {operation} cannot be read: {reason}")]
    Answer { operation: &'static str, reason: String },
    #[error("the request {operation} cannot be written: {reason}")]
    Request { operation: &'static str, reason: String },
    #[error("{operation} is not an operation of a service that speaks the JSON protocol")]
    Protocol { operation: &'static str },
}

/// The signed request of an operation. `now_ms` is milliseconds since 1970.
///
/// # Errors
/// See [`JsonError`].
pub fn request<O: Operation>(aws: &Aws, operation: &O, now_ms: u64) -> Result<Request<Bytes>, JsonError> {
    let (prefix, content_type) = match O::SERVICE {
        Service::RedshiftData => ("RedshiftData", VERSION_1_1),
        Service::DynamoDb => ("DynamoDB_20120810", VERSION_1_0),
        Service::BedrockRuntime | Service::AgentCore => return Err(JsonError::Protocol { operation: O::NAME }),
    };
    let body = serde_json::to_vec(operation).map_err(|error| JsonError::Request {
        operation: O::NAME,
        reason: error.to_string(),
    })?;
    let target = format!("{prefix}.{}", O::NAME);
    Ok(aws.post(
        O::SERVICE,
        "/",
        &[("x-amz-target", &target)],
        content_type,
        body,
        now_ms,
    )?)
}

/// The answer of a call that succeeded.
///
/// # Errors
/// A body without the operation's fields.
pub fn decode<O: Operation>(body: &[u8]) -> Result<O::Output, JsonError> {
    serde_json::from_slice(body).map_err(|error| JsonError::Answer {
        operation: O::NAME,
        reason: error.to_string(),
    })
}
