//! AWS's errors, in the two shapes that its protocols give them.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// How a service writes requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// One path, the operation in `X-Amz-Target`: Redshift Data.
    Json11,
    /// Paths and methods: Bedrock.
    RestJson,
}

impl Protocol {
    pub fn content_type(self) -> &'static str {
        match self {
            Protocol::Json11 => "application/x-amz-json-1.1",
            Protocol::RestJson => "application/json",
        }
    }
}

/// An error as AWS names it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AwsError {
    pub status: StatusCode,
    /// `ValidationException`.
    pub code: String,
    pub message: String,
    /// Members beside the message: `ResourceId`.
    pub members: Vec<(&'static str, Value)>,
}

impl AwsError {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> AwsError {
        AwsError {
            status,
            code: code.to_owned(),
            message: message.into(),
            members: Vec::new(),
        }
    }

    pub fn validation(message: impl Into<String>) -> AwsError {
        AwsError::new(StatusCode::BAD_REQUEST, "ValidationException", message)
    }

    pub fn serialization(message: impl Into<String>) -> AwsError {
        AwsError::new(StatusCode::BAD_REQUEST, "SerializationException", message)
    }

    pub fn internal(message: impl Into<String>) -> AwsError {
        AwsError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerException", message)
    }

    /// JSON 1.1 answers every fault of the sender's with 400; REST says 403 where it is one of identity.
    pub fn identity(protocol: Protocol, code: &str, message: impl Into<String>) -> AwsError {
        let status = match protocol {
            Protocol::Json11 => StatusCode::BAD_REQUEST,
            Protocol::RestJson => StatusCode::FORBIDDEN,
        };
        AwsError::new(status, code, message)
    }

    pub fn throttled(protocol: Protocol) -> AwsError {
        let status = match protocol {
            Protocol::Json11 => StatusCode::BAD_REQUEST,
            Protocol::RestJson => StatusCode::TOO_MANY_REQUESTS,
        };
        AwsError::new(status, "ThrottlingException", "Rate exceeded")
    }

    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> AwsError {
        self.members.push((member, value.into()));
        self
    }

    pub fn response(&self, protocol: Protocol) -> Response<Body> {
        let mut body = Map::new();
        match protocol {
            Protocol::Json11 => {
                body.insert("__type".to_owned(), json!(self.code));
                // The services' models write `Message`, the signature's check `message`; AWS's clients read both.
                let name = if self.members.is_empty() { "message" } else { "Message" };
                body.insert(name.to_owned(), json!(self.message));
            }
            Protocol::RestJson => {
                body.insert("message".to_owned(), json!(self.message));
            }
        }
        body.extend(
            self.members
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let mut response = json_response(self.status, protocol, &Value::Object(body));
        if let Ok(code) = HeaderValue::from_str(&self.code) {
            response.headers_mut().insert(ERROR_TYPE, code);
        }
        response
    }
}

/// A request's body: a JSON object.
pub(crate) fn parse_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    // serde would take a list for a struct.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(AwsError::serialization("The request's body is no JSON object."));
    }
    serde_json::from_slice(body).map_err(|error| AwsError::serialization(error.to_string()))
}

pub(crate) fn json_response(status: StatusCode, protocol: Protocol, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static(protocol.content_type()),
    );
    response
}
