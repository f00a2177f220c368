//! From a request to the function that answers it, and from whatever that gives to a response. Every failure becomes
//! the one envelope here, and every answer carries its correlation id.

use crate::{
    Host, Inner, Level, SettingsError,
    body::{Body, CollectError},
    catalogue, chat,
    failure::Failure,
    health::health,
    history,
    identity::{self, Kind, Viewer},
    limits::{BODY_MAX_BYTES, BODY_MAX_MS},
    lock, memory, query,
    rate::Who,
    sql,
    upstream::Context,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CACHE_CONTROL,
        CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE,
        STRICT_TRANSPORT_SECURITY, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use std::{rc::Rc, sync::Arc};

/// A test makes it anew and compares.
const OPENAPI: &str = include_str!("../openapi.json");

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// A client's own correlation id is taken if it is no longer than this and has only letters, digits, `-`, `_`, `.`.
const CORRELATION_ID_MAX_CHARS: usize = 64;

/// An answer of the API is data: it loads nothing, and nothing may frame it.
const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=()",
    ),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-site"),
];
const HSTS: &str = "max-age=63072000; includeSubDomains";
/// What a page of another origin may read beside the body.
const EXPOSED_HEADERS: &str = "retry-after, x-correlation-id";

/// Routes that have an address without `/api`, for API Gateway clients and scripts.
const PLAIN: [&str; 6] = [
    "/chat",
    "/history",
    "/venues/popularity",
    "/predictions/tickets",
    "/recommendations",
    "/health",
];

/// Where a request comes from, as far as the adapter can trust what it sees. It stands in the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub String);

/// A request, taken apart.
pub struct Incoming {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Body,
    /// Asked without `/api`: answers are JSON, never events.
    pub plain: bool,
    pub address: Option<ClientAddress>,
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
    /// It is over the limit, whether its length said so or its bytes did, it broke off, or it takes too long.
    pub async fn whole_body(&mut self, context: &Context) -> Result<Bytes, Failure> {
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
        let whole = context
            .within(BODY_MAX_MS, body.collect(BODY_MAX_BYTES))
            .await
            .ok_or_else(|| {
                Failure::too_slow(format!("The request was not complete within {} s.", BODY_MAX_MS / 1000))
            })?;
        whole.map_err(|error| match error {
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
    let is_plain_loopback = identity::is_plain_loopback(&parts.uri, &parts.headers);
    let origin = allowed_origin(&context, &parts.headers);
    let incoming = Incoming {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body,
        plain: false,
        address: parts.extensions.get().cloned(),
    };
    let mut response = match answer(&context, incoming).await {
        Ok(response) => response,
        Err(failure) => failed(&context, &line, &failure),
    };
    let headers = response.headers_mut();
    if !context.edge.settings.origins.is_empty() {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    }
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A browser would remember it for every port of this machine.
    if !is_plain_loopback {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    if let Ok(id) = HeaderValue::from_str(&context.correlation_id) {
        headers.insert(CORRELATION_ID, id);
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The request's origin, if it is one of those configured. Cookies are never allowed along: another origin has a token.
fn allowed_origin(context: &Context, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let is_known = context
        .edge
        .settings
        .origins
        .iter()
        .any(|known| known.as_bytes() == origin.as_bytes());
    is_known.then(|| origin.clone())
}

/// What a browser asks before it asks from another origin.
fn preflight(context: &Context, incoming: &Incoming) -> Option<Response<Body>> {
    let is_preflight =
        incoming.method == Method::OPTIONS && incoming.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if !is_preflight || allowed_origin(context, &incoming.headers).is_none() {
        return None;
    }
    let mut response = no_content();
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PATCH, DELETE"),
    );
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "accept, authorization, content-type, idempotency-key, last-event-id, x-correlation-id",
        ),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    Some(response)
}

pub fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
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
    let segments: Vec<&str> = route.strip_prefix('/').unwrap_or(route).split('/').collect();
    if let Some(response) = preflight(context, &incoming) {
        return Ok(response);
    }
    match segments.as_slice() {
        ["health"] => {
            allow(&incoming, "GET")?;
            count_address(context, &incoming)?;
            json(StatusCode::OK, &health(context).await)
        }
        ["openapi.json"] => {
            allow(&incoming, "GET")?;
            count_address(context, &incoming)?;
            Ok(openapi())
        }
        ["catalogue"] => {
            allow(&incoming, "GET")?;
            as_viewer(context, incoming, async |viewer, _| {
                catalogue::catalogue(context, &viewer).await
            })
            .await
        }
        ["suggest"] => {
            allow(&incoming, "GET")?;
            as_viewer(context, incoming, async |viewer, incoming| {
                catalogue::suggest(context, &viewer, &incoming).await
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
        ["chat", turn, "events"] => {
            allow(&incoming, "GET")?;
            as_viewer(context, incoming, async |viewer, incoming| {
                chat::events(context, viewer, incoming, turn).await
            })
            .await
        }
        ["chat", turn, "stop"] => {
            allow(&incoming, "POST")?;
            as_viewer(context, incoming, async |viewer, _| {
                chat::stop(context, &viewer, turn).await
            })
            .await
        }
        ["history"] => {
            allow(&incoming, "GET")?;
            as_viewer(context, incoming, async |viewer, incoming| {
                history::list(context, &viewer, &incoming).await
            })
            .await
        }
        ["history", id] => {
            allow(&incoming, "GET, PATCH, DELETE")?;
            as_viewer(context, incoming, async |viewer, incoming| {
                history::conversation(context, &viewer, incoming, id).await
            })
            .await
        }
        ["history", id, "export"] => {
            allow(&incoming, "GET")?;
            as_viewer(context, incoming, async |viewer, incoming| {
                history::export(context, &viewer, &incoming, id).await
            })
            .await
        }
        ["memory"] => {
            allow(&incoming, "GET")?;
            as_viewer(context, incoming, async |viewer, incoming| {
                memory::list(context, &viewer, &incoming).await
            })
            .await
        }
        ["memory", id] => {
            allow(&incoming, "DELETE")?;
            as_viewer(context, incoming, async |viewer, _| {
                memory::erase(context, &viewer, id).await
            })
            .await
        }
        ["feedback"] => {
            allow(&incoming, "POST")?;
            as_viewer(context, incoming, async |viewer, incoming| {
                history::feedback(context, &viewer, incoming).await
            })
            .await
        }
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

/// Answers as the person of the token or the guest of the cookie. Someone new gets a cookie with the first answer that
/// succeeds.
async fn as_viewer(
    context: &Context,
    incoming: Incoming,
    answer: impl AsyncFnOnce(Viewer, Incoming) -> Result<Response<Body>, Failure>,
) -> Result<Response<Body>, Failure> {
    // Before anything is looked up: a token costs an RSA operation.
    count_address(context, &incoming)?;
    let viewer = identity::viewer(context, &incoming.headers).await?;
    let who = match viewer.kind {
        Kind::Person => Some(Who::Person(viewer.id.clone())),
        Kind::Guest => Some(Who::Guest(viewer.id.clone())),
        // There is nothing to count yet but the address.
        Kind::NewGuest => None,
    };
    if let Some(who) = who {
        count(context, who)?;
    }
    let cookie = (viewer.kind == Kind::NewGuest)
        .then(|| identity::set_cookie(context, &viewer, &incoming.uri, &incoming.headers))
        .flatten();
    let mut response = answer(viewer, incoming).await?;
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

fn count_address(context: &Context, incoming: &Incoming) -> Result<(), Failure> {
    match &incoming.address {
        Some(ClientAddress(address)) => count(context, Who::Address(address.clone())),
        None => Ok(()),
    }
}

fn count(context: &Context, who: Who) -> Result<(), Failure> {
    lock(&context.edge.rates).count(who, context.edge.settings.rate, context.host.now_ms())
}

/// The description of this API, made from its types.
fn openapi() -> Response<Body> {
    let mut response = Response::new(Body::from(OPENAPI.as_bytes()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
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
    if failure.status == StatusCode::UNAUTHORIZED {
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer error=\"invalid_token\""),
        );
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
