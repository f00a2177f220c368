//! Calls to AWS: signed, timed, tried again where that can help. What a service says on failure goes to the log.

use crate::{
    Host, Inner, Level, SendError,
    body::{Body, CollectError},
    failure::Failure,
    limits::{SEND_MAX_MS, UPSTREAM_MAX_BYTES},
};
use bytes::Bytes;
use concert_aws::{
    ServiceError,
    redshift::{self, Operation},
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
        self.edge.settings.today.unwrap_or_else(|| {
            i64::try_from(self.host.now_ms())
                .ok()
                .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
                .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
                .to_zoned(jiff::tz::TimeZone::UTC)
                .date()
        })
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
    Timeout { ms: u64 },
    Broken(String),
    Refused(ServiceError),
    Request(String),
}

impl CallError {
    pub fn into_failure(self, service: &str) -> Failure {
        match self {
            CallError::Unreachable(error) => Failure::unreachable(service, error.to_string()),
            CallError::Timeout { ms } => Failure::timeout(service, format!("no answer within {ms} ms")),
            CallError::Broken(reason) => Failure::upstream_broken(service, reason),
            CallError::Refused(error) => Failure::refused(service, &error),
            CallError::Request(reason) => Failure::internal(reason),
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
        }
    }

    pub fn is_retryable(&self) -> bool {
        match self {
            CallError::Unreachable(_) | CallError::Broken(_) => true,
            CallError::Refused(error) => retry::is_retryable(error),
            // It has already taken as long as a person waits.
            CallError::Timeout { .. } | CallError::Request(_) => false,
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
    request: Request<Bytes>,
    timeout_ms: u64,
) -> Result<Response<Body>, CallError> {
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

async fn collect(context: &Context, body: Body, timeout_ms: u64) -> Result<Bytes, CallError> {
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
/// since a signature holds for five minutes only.
pub async fn with_retries<T>(
    context: &Context,
    what: &str,
    call: impl Fn() -> LocalBoxFuture<'static, Result<T, CallError>>,
) -> Result<T, CallError> {
    let mut attempt = 1;
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        context.log(Level::Warning, &format!("{what}, try {attempt}: {}", error.describe()));
        if attempt >= retry::MAX_ATTEMPTS || !error.is_retryable() {
            return Err(error);
        }
        let mut random = [0u8; 4];
        // Without randomness the longest wait is the right one.
        let random = context
            .host
            .random(&mut random)
            .map_or(u32::MAX, |()| u32::from_le_bytes(random));
        context
            .host
            .sleep(retry::backoff_ms(attempt, random, error.retry_after_s()))
            .await;
        attempt += 1;
    }
}

/// One operation of the Redshift Data API, tried once.
pub async fn redshift_once<O: Operation>(
    context: &Context,
    operation: &O,
    timeout_ms: u64,
) -> Result<O::Output, CallError> {
    let request = redshift::request(&context.edge.settings.aws, operation, context.host.now_ms())
        .map_err(|error| CallError::Request(error.to_string()))?;
    let response = send_once(context, request, timeout_ms).await?;
    let body = collect(context, response.into_body(), timeout_ms).await?;
    redshift::decode::<O>(&body).map_err(|error| CallError::Broken(error.to_string()))
}

/// One operation of the Redshift Data API, tried again where that can help.
pub async fn redshift<O>(context: &Context, operation: O) -> Result<O::Output, Failure>
where
    O: Operation + Clone + 'static,
    O::Output: 'static,
{
    let result = with_retries(context, O::NAME, || {
        let context = context.clone();
        let operation = operation.clone();
        Box::pin(async move { redshift_once(&context, &operation, SEND_MAX_MS).await })
    });
    result.await.map_err(|error| error.into_failure(WAREHOUSE))
}
