//! Calls to AWS: signed, timed, tried again where that can help. What a service says on failure goes to the log.

use crate::{
    Host, Inner, Level, SendError,
    body::{Body, CollectError},
    failure::Failure,
    limits::{BREAKER_FAILURES, BREAKER_OPEN_MS, SEND_MAX_MS, UPSTREAM_MAX_BYTES},
    lock,
};
use bytes::Bytes;
use concert_aws::{
    Service, ServiceError,
    json::{self, Operation},
    retry,
};
use futures::{
    future::{Either, LocalBoxFuture, select},
    pin_mut,
};
use http::{Request, Response};
use jiff::civil::Date;
use std::{future::Future, rc::Rc, sync::Arc};

/// What people call the services.
pub const WAREHOUSE: &str = "The data warehouse";
pub const MODEL: &str = "The language model";
pub const STORE: &str = "The store of conversations";
pub const MEMORY: &str = "The memory";

/// One request's view of the edge and of its host.
#[derive(Clone)]
pub struct Context {
    pub edge: Arc<Inner>,
    pub host: Rc<dyn Host>,
    pub correlation_id: Rc<str>,
}

impl Context {
    pub fn log(&self, level: Level, text: &str) {
        self.host.log(level, &format!("{} {text}", self.correlation_id));
    }

    /// The day that relative periods count from.
    pub fn today(&self) -> Date {
        self.edge.settings.today.unwrap_or_else(|| self.utc_day())
    }

    /// The day of the host's own clock.
    pub fn utc_day(&self) -> Date {
        i64::try_from(self.host.now_ms())
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date()
    }

    /// 128 random bits in hexadecimal.
    pub fn random_id(&self) -> Result<String, Failure> {
        let mut bytes = [0u8; 16];
        self.host
            .random(&mut bytes)
            .map_err(|error| Failure::internal(format!("no randomness: {error}")))?;
        Ok(hex::encode(bytes))
    }

    /// For a wait between two tries. Without randomness the longest wait is the right one.
    pub fn random_u32(&self) -> u32 {
        let mut bytes = [0u8; 4];
        self.host
            .random(&mut bytes)
            .map_or(u32::MAX, |()| u32::from_le_bytes(bytes))
    }

    /// `future`, or none when `ms` have passed first.
    pub async fn within<T>(&self, ms: u64, future: impl Future<Output = T>) -> Option<T> {
        let sleep = self.host.sleep(ms);
        pin_mut!(future);
        match select(future, sleep).await {
            Either::Left((value, _)) => Some(value),
            Either::Right(((), _)) => None,
        }
    }
}

/// Why a call failed, for callers that have to tell the cases apart.
#[derive(Debug)]
pub enum CallError {
    Unreachable(SendError),
    Timeout {
        ms: u64,
    },
    Broken(String),
    Refused(ServiceError),
    Request(String),
    /// The service has failed so often that it is left alone for a while.
    LeftAlone {
        ms: u64,
    },
}

impl CallError {
    pub fn into_failure(self, service: &str) -> Failure {
        match self {
            CallError::Unreachable(error) => Failure::unreachable(service, error.to_string()),
            CallError::Timeout { ms } => Failure::timeout(service, format!("no answer within {ms} ms")),
            CallError::Broken(reason) => Failure::upstream_broken(service, reason),
            CallError::Refused(error) => Failure::refused(service, &error),
            CallError::Request(reason) => Failure::internal(reason),
            CallError::LeftAlone { ms } => {
                let mut failure = Failure::unreachable(service, format!("left alone for {ms} ms more"));
                failure.retry_after_s = Some(u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX));
                failure
            }
        }
    }

    /// The service and the reason, for the log.
    pub fn describe(&self) -> String {
        match self {
            CallError::Unreachable(error) => format!("unreachable: {error}"),
            CallError::Timeout { ms } => format!("no answer within {ms} ms"),
            CallError::Broken(reason) => format!("broken answer: {reason}"),
            CallError::Refused(error) => error.to_string(),
            CallError::Request(reason) => reason.clone(),
            CallError::LeftAlone { ms } => format!("left alone for {ms} ms more"),
        }
    }

    pub fn is_retryable(&self) -> bool {
        match self {
            CallError::Unreachable(_) | CallError::Broken(_) => true,
            CallError::Refused(error) => retry::is_retryable(error),
            // It has already taken as long as a person waits.
            CallError::Timeout { .. } | CallError::Request(_) | CallError::LeftAlone { .. } => false,
        }
    }

    pub fn is_throttling(&self) -> bool {
        matches!(self, CallError::Refused(error) if retry::is_throttling(error))
    }

    /// The service is not well, as opposed to busy or of another opinion.
    fn is_fault(&self) -> bool {
        match self {
            CallError::Unreachable(_) | CallError::Timeout { .. } => true,
            CallError::Refused(error) => error.status >= 500 && !retry::is_throttling(error),
            CallError::Broken(_) | CallError::Request(_) | CallError::LeftAlone { .. } => false,
        }
    }

    pub fn retry_after_s(&self) -> Option<u32> {
        match self {
            CallError::Refused(error) => error.retry_after_s,
            _ => None,
        }
    }
}

/// Sends once. An answer that is no success is read and becomes [`CallError::Refused`].
pub async fn send_once(
    context: &Context,
    service: Service,
    request: Request<Bytes>,
    timeout_ms: u64,
) -> Result<Response<Body>, CallError> {
    let now_ms = context.host.now_ms();
    let alone_ms = lock(&context.edge.breakers)
        .entry(service)
        .or_default()
        .closed_for_ms(now_ms, BREAKER_OPEN_MS);
    if alone_ms > 0 {
        return Err(CallError::LeftAlone { ms: alone_ms });
    }
    let result = unguarded(context, request, timeout_ms).await;
    let mut breakers = lock(&context.edge.breakers);
    let breaker = breakers.entry(service).or_default();
    match &result {
        Err(error) if error.is_fault() => breaker.failed(context.host.now_ms(), BREAKER_FAILURES, BREAKER_OPEN_MS),
        _ => breaker.succeeded(),
    }
    result
}

async fn unguarded(context: &Context, request: Request<Bytes>, timeout_ms: u64) -> Result<Response<Body>, CallError> {
    let response = context
        .within(timeout_ms, context.host.send(request))
        .await
        .ok_or(CallError::Timeout { ms: timeout_ms })?
        .map_err(CallError::Unreachable)?;
    if response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = collect(context, body, timeout_ms).await.unwrap_or_default();
    Err(CallError::Refused(ServiceError::decode(
        parts.status.as_u16(),
        &parts.headers,
        &body,
    )))
}

/// Sends once and reads the whole answer.
pub async fn whole(
    context: &Context,
    service: Service,
    request: Request<Bytes>,
    timeout_ms: u64,
) -> Result<Bytes, CallError> {
    let response = send_once(context, service, request, timeout_ms).await?;
    collect(context, response.into_body(), timeout_ms).await
}

pub async fn collect(context: &Context, body: Body, timeout_ms: u64) -> Result<Bytes, CallError> {
    match context.within(timeout_ms, body.collect(UPSTREAM_MAX_BYTES)).await {
        None => Err(CallError::Timeout { ms: timeout_ms }),
        Some(Ok(bytes)) => Ok(bytes),
        Some(Err(CollectError::TooLong)) => Err(CallError::Broken(format!(
            "an answer over the limit of {UPSTREAM_MAX_BYTES} bytes"
        ))),
        Some(Err(CollectError::Broken(error))) => Err(CallError::Broken(error.to_string())),
    }
}

/// Tries `call` up to [`retry::MAX_ATTEMPTS`] times with full-jitter waits between them. `call` signs anew each time,
/// since a signature holds for five minutes only. While the service says that it is busy it is asked again until
/// `patience_ms` have passed, however often that is.
pub async fn with_retries<T>(
    context: &Context,
    what: &str,
    patience_ms: u64,
    call: impl Fn() -> LocalBoxFuture<'static, Result<T, CallError>>,
) -> Result<T, CallError> {
    let started_ms = context.host.now_ms();
    let mut attempt = 1;
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        // A condition that does not hold is an answer, and its caller's business.
        if error.is_retryable() || !matches!(error, CallError::Refused(_)) {
            context.log(Level::Warning, &format!("{what}, try {attempt}: {}", error.describe()));
        }
        let waits = error.is_throttling() && context.host.now_ms().saturating_sub(started_ms) < patience_ms;
        if !waits && (attempt >= retry::MAX_ATTEMPTS || !error.is_retryable()) {
            return Err(error);
        }
        context
            .host
            .sleep(retry::backoff_ms(attempt, context.random_u32(), error.retry_after_s()))
            .await;
        attempt += 1;
    }
}

/// One operation of a service that speaks the JSON protocol, tried once.
pub async fn call_once<O: Operation>(
    context: &Context,
    operation: &O,
    timeout_ms: u64,
) -> Result<O::Output, CallError> {
    let request = json::request(&context.edge.settings.aws, operation, context.host.now_ms())
        .map_err(|error| CallError::Request(error.to_string()))?;
    let body = whole(context, O::SERVICE, request, timeout_ms).await?;
    json::decode::<O>(&body).map_err(|error| CallError::Broken(error.to_string()))
}

/// One operation, tried again where that can help, while the service is busy for as long as `patience_ms`.
pub async fn call<O>(context: &Context, operation: O, timeout_ms: u64, patience_ms: u64) -> Result<O::Output, CallError>
where
    O: Operation + Clone + 'static,
    O::Output: 'static,
{
    with_retries(context, O::NAME, patience_ms, || {
        let context = context.clone();
        let operation = operation.clone();
        Box::pin(async move { call_once(&context, &operation, timeout_ms).await })
    })
    .await
}

/// One operation of the Redshift Data API. While it is busy it is asked again until `patience_ms` have passed, so that
/// no statement is lost because a poll came at the wrong moment.
pub async fn redshift<O>(context: &Context, operation: O, patience_ms: u64) -> Result<O::Output, Failure>
where
    O: Operation + Clone + 'static,
    O::Output: 'static,
{
    call(context, operation, SEND_MAX_MS, patience_ms)
        .await
        .map_err(|error| error.into_failure(WAREHOUSE))
}
