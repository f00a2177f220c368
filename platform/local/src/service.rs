//! The seam between the listener and a service. The listener ([`crate::LocalAws`]) finds the service and the operation,
//! reads the body within its bound, verifies the signature, applies faults and quotas, and writes errors in the
//! service's protocol; a service only gets a [`Call`] and gives an [`Answer`] or an [`AwsError`].
//!
//! # How a service plugs in
//!
//! 1. Describe it in one `static` of [`ServiceInfo`], with the names of AWS's own model (botocore's
//!    `service-2.json`):
//!
//!    ```ignore
//!    static INFO: ServiceInfo = ServiceInfo {
//!        name: "dynamodb",
//!        signing_name: "dynamodb",
//!        protocol: Protocol::Json10,
//!        target_prefix: "DynamoDB_20120810",
//!        error_namespace: Some("com.amazonaws.dynamodb.v20120810"),
//!        error_message: "message",
//!        body_max_bytes: 16 << 20,
//!        operations: &[Operation::named("GetItem"), Operation::named("PutItem")],
//!    };
//!    ```
//!
//!    A rest-json service leaves `target_prefix` empty and gives each operation its method and path, as the model
//!    writes them: `Operation::rest("CreateEvent", "POST", "/memories/{memoryId}/events")`.
//! 2. Implement [`Service`]: `info` gives that description; `call` matches on `call.operation`, which is always one of
//!    those listed. `call.parse::<Input>()` reads the body, `call.label("memoryId")` a part of the path,
//!    `call.query("maxResults")` a value of the query. Give `Ok(json.into())`, or `Ok(Answer::Http(response))` where
//!    the answer is no JSON or needs a header of its own.
//! 3. Add it to the list in [`crate::LocalAws::new`].

use crate::error::{AwsError, Protocol, parse_object};
use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// What a service is called and how it is spoken to.
pub(crate) struct ServiceInfo {
    /// As boto3 names its client: `bedrock-runtime`.
    pub name: &'static str,
    /// The service in a signature's scope: `bedrock`.
    pub signing_name: &'static str,
    pub protocol: Protocol,
    /// What stands before the dot in `X-Amz-Target`; empty for rest-json.
    pub target_prefix: &'static str,
    /// What stands before `#` in `__type`, for services that qualify it.
    pub error_namespace: Option<&'static str>,
    /// The member that holds an error's message in the service's model: `message` or `Message`.
    pub error_message: &'static str,
    pub body_max_bytes: usize,
    pub operations: &'static [Operation],
}

impl ServiceInfo {
    /// The names of its operations, for messages.
    pub fn operation_names(&self) -> String {
        let names: Vec<&str> = self.operations.iter().map(|operation| operation.name).collect();
        names.join(", ")
    }
}

/// One operation and how a request names it.
pub(crate) struct Operation {
    pub name: &'static str,
    /// For rest-json; JSON's operations are all `POST /`.
    pub method: &'static str,
    /// A path whose segments in braces are labels.
    pub path: &'static str,
}

impl Operation {
    /// An operation that `X-Amz-Target` names.
    pub const fn named(name: &'static str) -> Operation {
        Operation {
            name,
            method: "POST",
            path: "/",
        }
    }

    /// An operation that method and path name.
    pub const fn rest(name: &'static str, method: &'static str, path: &'static str) -> Operation {
        Operation { name, method, path }
    }
}

/// A request that was let in.
pub(crate) struct Call {
    /// One of [`ServiceInfo::operations`].
    pub operation: &'static str,
    /// The path's labels, decoded.
    pub labels: Vec<(&'static str, String)>,
    /// The query's pairs in their order, decoded.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub request_id: Uuid,
}

impl Call {
    /// A part of the path; empty if the operation has no such label.
    pub fn label(&self, name: &str) -> &str {
        self.labels
            .iter()
            .find(|(label, _)| *label == name)
            .map_or("", |(_, value)| value)
    }

    /// The first value of that name in the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, which must be one JSON object; nothing at all counts as an empty one where all members are optional.
    ///
    /// # Errors
    /// `SerializationException` with the place.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, AwsError> {
        if self.body.is_empty() {
            return parse_object(b"{}");
        }
        parse_object(&self.body)
    }
}

/// What a service gives back.
pub(crate) enum Answer {
    /// Status 200 and this, in the service's content type.
    Json(Value),
    /// Anything else: a stream, other headers.
    Http(Response<Body>),
}

impl From<Value> for Answer {
    fn from(value: Value) -> Answer {
        Answer::Json(value)
    }
}

/// A service of AWS's as the listener sees it.
pub(crate) trait Service: Send + Sync + 'static {
    fn info(&self) -> &'static ServiceInfo;

    /// Answers one request. What is dropped half-way has left its client; work that must go on is spawned.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, AwsError>>;
}

/// A request's service and operation.
pub(crate) struct Target {
    pub service: Arc<dyn Service>,
    pub operation: &'static Operation,
    pub labels: Vec<(&'static str, String)>,
}

/// Why a request has no [`Target`].
pub(crate) struct Unknown {
    /// The service that it names, if that one is served; else its error is written by the request's own looks.
    pub info: Option<&'static ServiceInfo>,
    pub error: AwsError,
}

/// The services by what their requests look like.
pub(crate) struct Services(Vec<Arc<dyn Service>>);

impl Services {
    pub fn new(services: Vec<Arc<dyn Service>>) -> Services {
        Services(services)
    }

    /// What is served, for messages: `redshift-data (ExecuteStatement, …); …`.
    pub fn served(&self) -> String {
        let one = |service: &Arc<dyn Service>| {
            let info = service.info();
            format!("{} ({})", info.name, info.operation_names())
        };
        self.0.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// The operations of each service.
    pub fn operations(&self) -> Value {
        let one = |service: &Arc<dyn Service>| {
            let info = service.info();
            let names: Vec<Value> = info.operations.iter().map(|operation| operation.name.into()).collect();
            (info.name.to_owned(), Value::Array(names))
        };
        Value::Object(self.0.iter().map(one).collect())
    }

    /// Finds the operation by `X-Amz-Target`, else by method and path. `scope` is the service that the signature is
    /// for: it only makes the message of what is not found better.
    pub fn target(&self, request: &Request<Body>, scope: Option<&str>) -> Result<Target, Unknown> {
        match request.headers().get("x-amz-target") {
            Some(target) => self.by_target(request.method(), &String::from_utf8_lossy(target.as_bytes())),
            None => self.by_path(request.method(), request.uri().path(), scope),
        }
    }

    fn by_target(&self, method: &Method, target: &str) -> Result<Target, Unknown> {
        let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
        let Some(service) = self
            .0
            .iter()
            .find(|service| !prefix.is_empty() && service.info().target_prefix == prefix)
        else {
            return Err(Unknown {
                info: None,
                error: self.no_service(&format!("{target:?} names no service that is served here")),
            });
        };
        let info = service.info();
        let operation = info.operations.iter().find(|operation| operation.name == name);
        match operation {
            Some(operation) if method == operation.method => Ok(Target {
                service: Arc::clone(service),
                operation,
                labels: Vec::new(),
            }),
            Some(_) => Err(Unknown {
                info: Some(info),
                error: unknown(format!("{method} is not how {name} is asked for: use POST.")),
            }),
            None => Err(Unknown {
                info: Some(info),
                error: unknown(no_operation(info, name)),
            }),
        }
    }

    fn by_path(&self, method: &Method, path: &str, scope: Option<&str>) -> Result<Target, Unknown> {
        let mut other_method = None;
        for service in &self.0 {
            let info = service.info();
            if info.protocol != Protocol::RestJson {
                continue;
            }
            for operation in info.operations {
                let Some(labels) = labels(operation.path, path) else {
                    continue;
                };
                if method == operation.method {
                    return Ok(Target {
                        service: Arc::clone(service),
                        operation,
                        labels,
                    });
                }
                other_method = Some(info);
            }
        }
        let info = other_method.or_else(|| {
            let named = |service: &&Arc<dyn Service>| Some(service.info().signing_name) == scope;
            self.0.iter().find(named).map(|service| service.info())
        });
        let what = format!("{method} {path}");
        Err(match info {
            Some(info) => {
                let mut error = unknown(no_operation(info, &what));
                if info.protocol == Protocol::RestJson {
                    error.status = StatusCode::NOT_FOUND;
                }
                Unknown {
                    info: Some(info),
                    error,
                }
            }
            None => {
                let mut error = self.no_service(&format!("{what} is not an operation that is served here"));
                error.status = StatusCode::NOT_FOUND;
                Unknown { info: None, error }
            }
        })
    }

    fn no_service(&self, what: &str) -> AwsError {
        unknown(format!("{what}. Served are {}.", self.served()))
    }
}

fn unknown(message: String) -> AwsError {
    AwsError::new(StatusCode::BAD_REQUEST, "UnknownOperationException", message)
}

fn no_operation(info: &ServiceInfo, what: &str) -> String {
    format!(
        "{what} is not an operation of {} that is served here. Of {}, {} are.",
        info.name,
        info.name,
        info.operation_names()
    )
}

/// The labels' values if `path` is of this form. Segments are cut before they are decoded: a label may hold an encoded
/// slash, as an ARN does.
fn labels(form: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut found = Vec::new();
    let mut given = path.split('/');
    for wanted in form.split('/') {
        let segment = given.next()?;
        match wanted.strip_prefix('{').and_then(|label| label.strip_suffix('}')) {
            Some(label) if !segment.is_empty() => {
                found.push((label, percent_decode_str(segment).decode_utf8_lossy().into_owned()));
            }
            Some(_) => return None,
            None if wanted == segment => {}
            None => return None,
        }
    }
    // AWS's own model writes some paths with a slash at the end, and not every client sends it.
    match (given.next(), given.next()) {
        (None, _) | (Some(""), None) => Some(found),
        _ => None,
    }
}

/// The pairs of a query, decoded.
pub(crate) fn query_pairs(query: Option<&str>) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_give_their_labels() {
        let form = "/model/{modelId}/converse";
        for (path, expected) in [
            ("/model/local.planner/converse", Some("local.planner")),
            ("/model/arn%3Aaws%2Fx/converse", Some("arn:aws/x")),
            ("/model/a/converse/", Some("a")),
            ("/model//converse", None),
            ("/model/a/b/converse", None),
            ("/model/a/converse-stream", None),
            ("/model/a", None),
            ("", None),
        ] {
            let found = labels(form, path).map(|labels| labels[0].1.clone());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }
}
