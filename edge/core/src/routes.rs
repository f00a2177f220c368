//! From a request to the function that answers it, and from whatever that gives to a response. Every failure becomes
//! the one envelope here, and every answer carries its correlation id.

use crate::{
    Host, Inner, Level, SettingsError,
    body::{Body, CollectError},
    catalogue, chat,
    failure::Failure,
    health::health,
    identity::{self, Viewer},
    limits::BODY_MAX_BYTES,
    query, sql,
    upstream::Context,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS},
};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use std::{rc::Rc, sync::Arc};

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// A client's own correlation id is taken if it is no longer than this and has only letters, digits, `-`, `_`, `.`.
const CORRELATION_ID_MAX_CHARS: usize = 64;

/// Routes that have an address without `/api`, for API Gateway clients and scripts.
const PLAIN: [&str; 6] = [
    "/chat",
    "/history",
    "/venues/popularity",
    "/predictions/tickets",
    "/recommendations",
    "/health",
];

/// A request, taken apart.
pub struct Incoming {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Body,
    /// Asked without `/api`: answers are JSON, never events.
    pub plain: bool,
}

impl Incoming {
    /// A query parameter, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.uri.query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }

    /// The whole body.
    ///
    /// # Errors
    /// It is over the limit, whether its length said so or its bytes did, or it broke off.
    pub async fn whole_body(&mut self) -> Result<Bytes, Failure> {
        let too_long = || {
            Failure::too_large(
                "body_too_large",
                format!("The request is over the limit of {BODY_MAX_BYTES} bytes."),
            )
            .with_action("Send less at once.")
        };
        let said: Option<u64> = self
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        if said.is_some_and(|bytes| bytes > BODY_MAX_BYTES as u64) {
            return Err(too_long());
        }
        let body = std::mem::replace(&mut self.body, Body::empty());
        body.collect(BODY_MAX_BYTES).await.map_err(|error| match error {
            CollectError::TooLong => too_long(),
            CollectError::Broken(error) => {
                Failure::validation("body_broken", "The request ended before its body was complete.")
                    .with_internal(error.to_string())
            }
        })
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

pub async fn handle(edge: &Arc<Inner>, host: Rc<dyn Host>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let correlation_id: Rc<str> = correlation_id(&parts.headers, &*host).into();
    let context = Context {
        edge: edge.clone(),
        host,
        correlation_id,
    };
    let line = format!("{} {}", parts.method, parts.uri.path());
    let incoming = Incoming {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body,
        plain: false,
    };
    let mut response = match answer(&context, incoming).await {
        Ok(response) => response,
        Err(failure) => failed(&context, &line, &failure),
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&context.correlation_id) {
        headers.insert(CORRELATION_ID, id);
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub fn misconfigured(host: &dyn Host, error: &SettingsError) -> Response<Body> {
    let failure = Failure::misconfigured(error.to_string());
    let correlation_id = correlation_id(&HeaderMap::new(), host);
    host.log(Level::Error, &format!("{correlation_id} {error}"));
    let mut response = envelope(&failure, host.now_ms(), &correlation_id);
    if let Ok(id) = HeaderValue::from_str(&correlation_id) {
        response.headers_mut().insert(CORRELATION_ID, id);
    }
    response
}

async fn answer(context: &Context, mut incoming: Incoming) -> Result<Response<Body>, Failure> {
    let path = incoming.uri.path().to_owned();
    let route = match path.strip_prefix("/api") {
        Some(route) if route.starts_with('/') => route,
        _ if PLAIN
            .iter()
            .any(|plain| path == *plain || (*plain == "/history" && path.starts_with("/history/"))) =>
        {
            incoming.plain = true;
            path.as_str()
        }
        _ => return Err(unknown(&path)),
    };
    let segments: Vec<&str> = route.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        ["health"] => {
            allow(&incoming, "GET")?;
            json(StatusCode::OK, &health(context).await)
        }
        ["catalogue"] => {
            allow(&incoming, "GET")?;
            as_viewer(context, incoming, async |_, _| catalogue::catalogue(context).await).await
        }
        ["suggest"] => {
            allow(&incoming, "GET")?;
            as_viewer(context, incoming, async |_, incoming| {
                catalogue::suggest(context, &incoming).await
            })
            .await
        }
        ["query"] => {
            allow(&incoming, "POST")?;
            as_viewer(context, incoming, async |viewer, incoming| {
                query::query(context, &viewer, incoming).await
            })
            .await
        }
        ["chat"] => {
            allow(&incoming, "POST")?;
            as_viewer(context, incoming, async |viewer, incoming| {
                chat::chat(context, viewer, incoming).await
            })
            .await
        }
        ["chat", _, "events"] => later(&incoming, "GET", "Replaying a turn"),
        ["chat", _, "stop"] => later(&incoming, "POST", "Stopping a turn from another request"),
        ["history"] => later(&incoming, "GET", "The list of conversations"),
        ["history", _] => later(&incoming, "GET, PATCH, DELETE", "Reading a stored conversation"),
        ["history", _, "export"] => later(&incoming, "GET", "Exporting a conversation"),
        ["memory"] => later(&incoming, "GET", "What is remembered about you"),
        ["memory", _] => later(&incoming, "DELETE", "What is remembered about you"),
        ["sql"] => {
            allow(&incoming, "POST")?;
            as_viewer(context, incoming, async |viewer, incoming| {
                sql::sql(context, &viewer, incoming).await
            })
            .await
        }
        ["explain"] => later(&incoming, "POST", "The explanation of a change"),
        ["venues", "popularity"] => later(&incoming, "GET", "The ranking of venues"),
        ["predictions", "tickets"] => later(&incoming, "POST", "The forecast of ticket sales"),
        ["forecast", "series"] => later(&incoming, "POST", "The forecast of a series"),
        ["recommendations"] => later(&incoming, "GET", "Recommendations"),
        ["models"] => later(&incoming, "GET", "The state of the models"),
        ["imports"] | ["imports", "propose"] => later(&incoming, "POST", "Importing a file"),
        ["imports", _] => later(&incoming, "GET", "Importing a file"),
        ["feedback"] => later(&incoming, "POST", "Feedback"),
        _ => Err(unknown(&path)),
    }
}

fn unknown(path: &str) -> Failure {
    Failure::not_found(format!("There is nothing at {path}.")).with_action("Check the address.")
}

/// A route of the API that this build does not serve.
fn later(incoming: &Incoming, methods: &'static str, what: &str) -> Result<Response<Body>, Failure> {
    allow(incoming, methods)?;
    Err(Failure::not_available(format!("{what} is not available here yet.")))
}

/// Answers as the viewer of the request's cookie. Someone new gets a cookie with the first answer that succeeds.
async fn as_viewer(
    context: &Context,
    incoming: Incoming,
    answer: impl AsyncFnOnce(Viewer, Incoming) -> Result<Response<Body>, Failure>,
) -> Result<Response<Body>, Failure> {
    let viewer = identity::viewer(context, &incoming.headers)?;
    let cookie = viewer
        .is_new
        .then(|| identity::set_cookie(context, &viewer, &incoming.uri, &incoming.headers))
        .flatten();
    let mut response = answer(viewer, incoming).await?;
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `methods` is written as in the header `Allow`.
fn allow(incoming: &Incoming, methods: &'static str) -> Result<(), Failure> {
    if methods.split(", ").any(|method| method == incoming.method.as_str()) {
        Ok(())
    } else {
        Err(Failure::method_not_allowed(methods))
    }
}

pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Response<Body>, Failure> {
    let body = serde_json::to_vec(value).map_err(|error| Failure::internal(format!("an answer as JSON: {error}")))?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Logs what the person is not told, and answers with the rest.
fn failed(context: &Context, line: &str, failure: &Failure) -> Response<Body> {
    let level = if failure.status.is_server_error() && failure.status != StatusCode::NOT_IMPLEMENTED {
        Level::Error
    } else {
        Level::Info
    };
    let internal = failure.internal.as_deref().unwrap_or("");
    context.log(
        level,
        &format!("{line}: {} {} {internal}", failure.status.as_u16(), failure.code),
    );
    envelope(failure, context.host.now_ms(), &context.correlation_id)
}

fn envelope(failure: &Failure, now_ms: u64, correlation_id: &str) -> Response<Body> {
    let body = serde_json::to_vec(&failure.envelope(now_ms, correlation_id)).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = failure.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = failure.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(methods) = failure.allow {
        headers.insert(ALLOW, HeaderValue::from_static(methods));
    }
    response
}

/// The client's, if it is fit for a log line, else a new one.
fn correlation_id(headers: &HeaderMap, host: &dyn Host) -> String {
    let theirs = headers
        .get(CORRELATION_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| {
            (1..=CORRELATION_ID_MAX_CHARS).contains(&id.len())
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        });
    theirs.map_or_else(
        || {
            let mut bytes = [0u8; 12];
            match host.random(&mut bytes) {
                Ok(()) => hex::encode(bytes),
                // An id is for finding a log line; without randomness the clock will do.
                Err(_) => format!("t{}", host.now_ms()),
            }
        },
        str::to_owned,
    )
}
