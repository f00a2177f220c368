//! AWS's errors, in the shapes that its protocols give them.

use crate::service::ServiceInfo;
use axum::body::Body;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// How a service writes requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// One path, the operation in `X-Amz-Target`: DynamoDB.
    Json10,
    /// The same with another number: Redshift Data.
    Json11,
    /// Paths and methods: Bedrock.
    RestJson,
}

impl Protocol {
    pub fn content_type(self) -> &'static str {
        match self {
            Protocol::Json10 => "application/x-amz-json-1.0",
            Protocol::Json11 => "application/x-amz-json-1.1",
            Protocol::RestJson => "application/json",
        }
    }
}

/// An error as AWS names it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AwsError {
    pub status: StatusCode,
    /// `ValidationException`. With a `#` it is written as it is, else with the service's namespace before it.
    pub code: String,
    pub message: String,
    /// Members beside the message: `ResourceId`. One named `Message` or `message` takes the message's place.
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

    /// JSON answers every fault of the sender's with 400; REST says 403 where it is one of identity.
    pub fn identity(protocol: Protocol, code: &str, message: impl Into<String>) -> AwsError {
        let status = match protocol {
            Protocol::Json10 | Protocol::Json11 => StatusCode::BAD_REQUEST,
            Protocol::RestJson => StatusCode::FORBIDDEN,
        };
        AwsError::new(status, code, message)
    }

    pub fn throttled(protocol: Protocol) -> AwsError {
        let status = match protocol {
            Protocol::Json10 | Protocol::Json11 => StatusCode::BAD_REQUEST,
            Protocol::RestJson => StatusCode::TOO_MANY_REQUESTS,
        };
        AwsError::new(status, "ThrottlingException", "Rate exceeded")
    }

    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> AwsError {
        self.members.push((member, value.into()));
        self
    }

    /// As the service writes it.
    pub fn response(&self, info: &ServiceInfo) -> Response<Body> {
        self.written(info.protocol, info.error_namespace, info.error_message)
    }

    /// As an address of no service writes it.
    pub fn plain_response(&self, protocol: Protocol) -> Response<Body> {
        self.written(protocol, None, "message")
    }

    fn written(&self, protocol: Protocol, namespace: Option<&str>, message_member: &str) -> Response<Body> {
        let code = match namespace {
            Some(namespace) if !self.code.contains('#') => format!("{namespace}#{}", self.code),
            _ => self.code.clone(),
        };
        let mut body = Map::new();
        if protocol != Protocol::RestJson {
            body.insert("__type".to_owned(), json!(code));
        }
        let is_message = |name: &str| name.eq_ignore_ascii_case("message");
        if !self.members.iter().any(|(name, _)| is_message(name)) {
            body.insert(message_member.to_owned(), json!(self.message));
        }
        body.extend(
            self.members
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let mut response = json_response(self.status, protocol, &Value::Object(body));
        let bare = code.rsplit('#').next().unwrap_or_default();
        if let Ok(code) = HeaderValue::from_str(bare) {
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
    let body = body.to_string();
    // DynamoDB's clients compare the body with this.
    let checksum = (protocol == Protocol::Json10).then(|| crc32fast::hash(body.as_bytes()));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if let Some(checksum) = checksum {
        response
            .headers_mut()
            .insert("x-amz-crc32", HeaderValue::from(checksum));
    }
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static(protocol.content_type()),
    );
    response
}
