//! SageMaker's runtime: InvokeEndpoint before model servers that keep SageMaker's container contract (`POST /invocations`,
//! `GET /ping`). An endpoint is a name and the address of its server.

use crate::{
    bedrock::client,
    error::{AwsError, Protocol},
    service::{Answer, Call, Operation, Service, ServiceInfo},
};
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue as FrameValue, Message};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use reqwest::{Client, Url};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, io, time::Duration};

/// The endpoints that the platform's models are served under.
pub const ENDPOINTS: [&str; 3] = ["recommendations", "ticket-sales", "venue-popularity"];

/// SageMaker's own bound for a container's answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Streamed answers may take longer.
const STREAM_MAX: Duration = Duration::from_secs(8 * 60);
const PING_MAX: Duration = Duration::from_secs(1);
const ANSWER_MAX_BYTES: usize = 25 << 20;
const NAME_MAX_CHARS: usize = 63;
const ORIGINAL_MESSAGE_MAX_CHARS: usize = 1024;
/// The only variant of an endpoint here.
const VARIANT: &str = "AllTraffic";
const CUSTOM_ATTRIBUTES: &str = "x-amzn-sagemaker-custom-attributes";

static INFO: ServiceInfo = ServiceInfo {
    name: "sagemaker-runtime",
    signing_name: "sagemaker",
    protocol: Protocol::RestJson,
    target_prefix: "",
    error_namespace: None,
    error_message: "Message",
    body_max_bytes: 25 << 20,
    operations: &[
        Operation::rest("InvokeEndpoint", "POST", "/endpoints/{EndpointName}/invocations"),
        Operation::rest(
            "InvokeEndpointWithResponseStream",
            "POST",
            "/endpoints/{EndpointName}/invocations-response-stream",
        ),
    ],
};

struct Server {
    client: Client,
    invocations: Url,
    ping: Url,
}

pub(crate) struct SageMaker {
    servers: BTreeMap<String, Server>,
}

impl SageMaker {
    /// `endpoints`: the address of the model server behind each name.
    ///
    /// # Errors
    /// A name or an address is none, said in words.
    pub fn new(endpoints: &BTreeMap<String, String>) -> Result<SageMaker, String> {
        let mut servers = BTreeMap::new();
        for (name, address) in endpoints {
            if !is_name(name) {
                return Err(format!(
                    "{name:?} is no endpoint's name: use letters, digits and hyphens, at most {NAME_MAX_CHARS}"
                ));
            }
            let base: Url = address
                .parse()
                .map_err(|error| format!("the address {address:?} of endpoint {name} is none: {error}"))?;
            if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
                return Err(format!(
                    "the address {address:?} of endpoint {name} must be http://HOST:PORT"
                ));
            }
            let at = |path: &str| {
                let mut url = base.clone();
                url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
                url
            };
            servers.insert(
                name.clone(),
                Server {
                    client: client(&base).map_err(|error| format!("no client for endpoint {name}: {error}"))?,
                    invocations: at("invocations"),
                    ping: at("ping"),
                },
            );
        }
        Ok(SageMaker { servers })
    }

    /// Whether each configured server says that it is well.
    pub async fn health(&self) -> Value {
        let pings = self.servers.iter().map(|(name, server)| async move {
            let ping = server.client.get(server.ping.clone()).timeout(PING_MAX).send().await;
            let state = match ping {
                Ok(answer) if answer.status().is_success() => "up",
                _ => "down",
            };
            (name.clone(), Value::from(state))
        });
        Value::Object(Map::from_iter(futures::future::join_all(pings).await))
    }

    fn server(&self, name: &str) -> Result<&Server, AwsError> {
        if !is_name(name) {
            return Err(validation(format!(
                "1 validation error detected: Value '{name}' at 'endpointName' failed to satisfy constraint: Member must \
                 satisfy regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9])*"
            )));
        }
        self.servers.get(name).ok_or_else(|| {
            let served: Vec<&str> = self.servers.keys().map(String::as_str).collect();
            let served = if served.is_empty() {
                "No endpoint has one yet".to_owned()
            } else {
                format!("Endpoints with one are {}", served.join(", "))
            };
            validation(format!(
                "Endpoint {name} of account 000000000000 not found: no model server is configured for it. {served}. Start a \
                 model server (it answers POST /invocations and GET /ping), then this endpoint with --endpoint \
                 {name}=http://127.0.0.1:PORT. The platform's own endpoints are {}.",
                ENDPOINTS.join(", ")
            ))
        })
    }

    async fn invoke(&self, call: &Call, is_streamed: bool) -> Result<Response<Body>, AwsError> {
        let name = call.label("EndpointName");
        check_target(call)?;
        let server = self.server(name)?;
        if call.body.is_empty() {
            return Err(validation("The request has no Body."));
        }
        let time = if is_streamed { STREAM_MAX } else { ANSWER_MAX };
        let mut request = server
            .client
            .post(server.invocations.clone())
            .timeout(time)
            .body(call.body.clone());
        // The stream's operation has its own names for what the answer should be.
        let accept = if is_streamed {
            "x-amzn-sagemaker-accept"
        } else {
            "accept"
        };
        for (from, to) in [
            ("content-type", "content-type"),
            (accept, "accept"),
            (CUSTOM_ATTRIBUTES, CUSTOM_ATTRIBUTES),
            ("x-amzn-sagemaker-inference-id", "x-amzn-sagemaker-inference-id"),
        ] {
            if let Some(value) = call.headers.get(from) {
                request = request.header(to, value);
            }
        }
        let response = request
            .send()
            .await
            .map_err(|error| unreachable(name, server, &error))?;
        let status = response.status();
        let headers = response.headers().clone();
        if status.is_success() && is_streamed {
            return Ok(streamed(response, &headers));
        }
        let mut body = BytesMut::new();
        let mut parts = response.bytes_stream();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|error| unreachable(name, server, &error))?;
            if body.len() + part.len() > ANSWER_MAX_BYTES {
                return Err(model_error(
                    format!("The answer of endpoint {name} is larger than {ANSWER_MAX_BYTES} bytes."),
                    status.as_u16(),
                    "",
                ));
            }
            body.extend_from_slice(&part);
        }
        if !status.is_success() {
            let text = String::from_utf8_lossy(&body);
            let message = format!(
                "Received {} error ({}) from primary with message \"{}\".",
                if status.is_client_error() { "client" } else { "server" },
                status.as_u16(),
                shortened(&text)
            );
            return Err(model_error(message, status.as_u16(), &text));
        }
        let mut response = Response::new(Body::from(body.freeze()));
        copy_headers(&headers, response.headers_mut());
        Ok(response)
    }
}

impl Service for SageMaker {
    fn info(&self) -> &'static ServiceInfo {
        &INFO
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, AwsError>> {
        async move {
            let is_streamed = call.operation == "InvokeEndpointWithResponseStream";
            self.invoke(&call, is_streamed).await.map(Answer::Http)
        }
        .boxed()
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_MAX_CHARS).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// One server is one model: what chooses among several is refused and not ignored.
fn check_target(call: &Call) -> Result<(), AwsError> {
    for (header, what) in [
        ("x-amzn-sagemaker-target-model", "TargetModel"),
        ("x-amzn-sagemaker-target-container-hostname", "TargetContainerHostname"),
        ("x-amzn-sagemaker-inference-component", "InferenceComponentName"),
        ("x-amzn-sagemaker-session-id", "SessionId"),
    ] {
        if call.headers.contains_key(header) {
            return Err(validation(format!(
                "{what} is not served here: an endpoint has one model. Leave it out."
            )));
        }
    }
    match call.header("x-amzn-sagemaker-target-variant") {
        Some(variant) if variant != VARIANT => Err(validation(format!(
            "Variant {variant} was not found. The only variant of an endpoint here is {VARIANT}."
        ))),
        _ => Ok(()),
    }
}

fn copy_headers(from: &HeaderMap, to: &mut HeaderMap) {
    let content_type = from
        .get(CONTENT_TYPE)
        .cloned()
        .unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"));
    to.insert(CONTENT_TYPE, content_type);
    to.insert(
        HeaderName::from_static("x-amzn-invoked-production-variant"),
        HeaderValue::from_static(VARIANT),
    );
    if let Some(attributes) = from.get(CUSTOM_ATTRIBUTES) {
        to.insert(HeaderName::from_static(CUSTOM_ATTRIBUTES), attributes.clone());
    }
}

/// Each part that the server sends becomes an event.
fn streamed(response: reqwest::Response, headers: &HeaderMap) -> Response<Body> {
    let parts = response.bytes_stream().map(|part| match part {
        Ok(bytes) => part_frame(bytes),
        Err(error) => Err(io::Error::other(error)),
    });
    let mut answer = Response::new(Body::from_stream(parts));
    let content_type = headers.get(CONTENT_TYPE).cloned();
    let to = answer.headers_mut();
    copy_headers(headers, to);
    to.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.amazon.eventstream"),
    );
    if let Some(content_type) = content_type {
        to.insert(HeaderName::from_static("x-amzn-sagemaker-content-type"), content_type);
    }
    answer
}

fn part_frame(bytes: Bytes) -> io::Result<Bytes> {
    let text = |value: &'static str| FrameValue::String(value.into());
    let message = Message::new(bytes)
        .add_header(Header::new(":event-type", text("PayloadPart")))
        .add_header(Header::new(":content-type", text("application/octet-stream")))
        .add_header(Header::new(":message-type", text("event")));
    let mut frame = Vec::new();
    write_message_to(&message, &mut frame).map_err(io::Error::other)?;
    Ok(frame.into())
}

fn validation(message: impl Into<String>) -> AwsError {
    AwsError::new(StatusCode::BAD_REQUEST, "ValidationError", message)
}

fn model_error(message: String, status: u16, original: &str) -> AwsError {
    AwsError::new(StatusCode::FAILED_DEPENDENCY, "ModelError", message)
        .with("OriginalStatusCode", status)
        .with("OriginalMessage", shortened(original))
        .with("LogStreamArn", "")
}

fn shortened(text: &str) -> String {
    text.chars().take(ORIGINAL_MESSAGE_MAX_CHARS).collect()
}

fn unreachable(name: &str, server: &Server, error: &reqwest::Error) -> AwsError {
    tracing::warn!(endpoint = name, %error, "a model server does not answer");
    if error.is_timeout() && !error.is_connect() {
        let message = "Your invocation timed out while waiting for a response from container primary.";
        return model_error(message.to_owned(), 504, message);
    }
    let message = format!(
        "The model server of endpoint {name} at {} does not answer. Start it, or name another address with --endpoint \
         {name}=http://127.0.0.1:PORT.",
        server.invocations
    );
    model_error(message.clone(), 503, &message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_named_and_addressed_right() {
        let made = |name: &str, address: &str| {
            SageMaker::new(&BTreeMap::from([(name.to_owned(), address.to_owned())])).map(|made| made.servers.len())
        };
        assert_eq!(made("ticket-sales", "http://127.0.0.1:9/base/"), Ok(1));
        for (name, address, part) in [
            ("-x", "http://127.0.0.1:9", "no endpoint's name"),
            ("x", "127.0.0.1:9", "is none"),
            ("x", "localhost:9", "must be http://HOST:PORT"),
            ("x", "ftp://a", "must be http://HOST:PORT"),
            ("x", "", "is none"),
        ] {
            let error = made(name, address).expect_err(address);
            assert!(error.contains(part), "{error}");
        }
    }
}
