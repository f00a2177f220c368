//! The world of the native edge: reqwest with rustls, tokio's timer, the system's clock and randomness, tracing.

use bytes::Bytes;
use concert_edge::{Body, BodyError, Host, Level, SendError};
use futures::{FutureExt, TryStreamExt, future::LocalBoxFuture};
use http::{Request, Response};
use std::{
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Connecting to a service takes milliseconds, or does not work.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that follows no redirect: a signature holds for one address. With an `endpoint` all services are behind
/// that one address, which is reached directly; AWS itself may lie behind the proxy of the environment.
///
/// # Errors
/// The system has no usable TLS configuration.
pub fn client(endpoint: Option<&str>) -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT);
    match endpoint {
        Some(endpoint) if !endpoint.is_empty() => builder.no_proxy().build(),
        _ => builder.build(),
    }
}

pub struct NativeHost {
    client: reqwest::Client,
}

impl NativeHost {
    pub fn new(client: reqwest::Client) -> NativeHost {
        NativeHost { client }
    }
}

impl Host for NativeHost {
    fn send(&self, request: Request<Bytes>) -> LocalBoxFuture<'static, Result<Response<Body>, SendError>> {
        let client = self.client.clone();
        async move {
            let request = reqwest::Request::try_from(request).map_err(|error| SendError(chain(&error)))?;
            let response = client
                .execute(request)
                .await
                .map_err(|error| SendError(chain(&error)))?;
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = response.status();
            *answer.headers_mut() = response.headers().clone();
            *answer.body_mut() = Body::stream(response.bytes_stream().map_err(|error| BodyError(chain(&error))));
            Ok(answer)
        }
        .boxed_local()
    }

    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), String> {
        getrandom::fill(bytes).map_err(|error| error.to_string())
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        tokio::time::sleep(Duration::from_millis(ms)).boxed_local()
    }

    fn log(&self, level: Level, line: &str) {
        match level {
            Level::Info => tracing::info!("{line}"),
            Level::Warning => tracing::warn!("{line}"),
            Level::Error => tracing::error!("{line}"),
        }
    }

    fn requests_may_meet(&self) -> bool {
        true
    }

    fn detach(&self, future: LocalBoxFuture<'static, ()>) {
        tokio::task::spawn_local(future);
    }
}

/// An error with its causes: reqwest's own text alone does not say why.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
