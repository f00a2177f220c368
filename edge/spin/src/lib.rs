//! The edge as a Spin component (`wasi:http/handler`): [`SpinHost`] implements the core's `Host` over WASI. It imports
//! nothing of Spin's own, so that plain `wasmtime serve` runs it too; settings come through WASI's environment.
//!
//! Clock, randomness and standard error are WASI's calls and not the standard library's, because the component is also
//! built for wasm32-unknown-unknown, where those of the standard library panic or do nothing.

use bytes::Bytes;
use concert_edge::{Body, BodyError, ClientAddress, Edge, Host, Level, SendError};
use futures::{FutureExt, StreamExt, future::LocalBoxFuture};
use http::{Request, Response, Uri};
use http_body_util::{BodyDataStream, Full};
use spin_sdk::{
    http::{IntoResponse, send},
    http_service,
    wasip3::{
        cli::{environment::get_environment, stderr},
        clocks::{monotonic_clock, system_clock},
        random::random::get_random_bytes,
        spawn, wit_stream,
    },
};
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    rc::Rc,
    task::Waker,
};

/// WASI counts sleep in nanoseconds.
const NS_PER_MS: u64 = 1_000_000;

thread_local! {
    static EDGE: RefCell<Option<Edge>> = const { RefCell::new(None) };
    /// Of the task that is being polled. Another's must not be woken from here: the runtime traps.
    static WAKER: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// The runtime takes up what was spawned while a task is polled only when something else happens, and a request's body
/// is written by such a task: whoever waits for the answer would wait for the next timer. So the task is woken once
/// after its first poll.
fn nudged<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    let mut future = Box::pin(future);
    let mut is_first = true;
    poll_fn(move |context| {
        let outer = WAKER.replace(Some(context.waker().clone()));
        let poll = future.as_mut().poll(context);
        WAKER.set(outer);
        if std::mem::take(&mut is_first) && poll.is_pending() {
            context.waker().wake_by_ref();
        }
        poll
    })
}

/// As `wit_bindgen`'s own, and taken up at once.
fn spawn_now(future: impl Future<Output = ()> + 'static) {
    spawn(nudged(future));
    WAKER.with_borrow(|waker| {
        if let Some(waker) = waker {
            waker.wake_by_ref();
        }
    });
}

/// Every request comes in here.
#[http_service]
async fn handle(request: spin_sdk::http::Request) -> impl IntoResponse {
    let host = Rc::new(SpinHost);
    let edge = EDGE.with_borrow_mut(|slot| match slot {
        Some(edge) => Ok(edge.clone()),
        None => {
            let environment = get_environment();
            let edge = Edge::new("spin", |name| {
                environment
                    .iter()
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value.clone())
            })?;
            Ok(slot.insert(edge).clone())
        }
    });
    match edge {
        Ok(edge) => {
            let mut request = with_full_url(request).map(|body| {
                Body::stream(BodyDataStream::new(body).map(|piece| piece.map_err(|error| BodyError(error.to_string()))))
            });
            // Spin writes it, with the port; plain wasmtime tells no address.
            let address = request
                .headers()
                .get("spin-client-addr")
                .and_then(|value| value.to_str().ok());
            let address = address.map(|address| address.rsplit_once(':').map_or(address, |(ip, _)| ip).to_owned());
            if let Some(address) = address {
                request.extensions_mut().insert(ClientAddress(address));
            }
            nudged(edge.handle(host, request)).await
        }
        Err(error) => concert_edge::misconfigured(&*host, &error),
    }
}

/// Spin tells scheme and host in a header. Plain wasmtime tells neither, and cookies are `Secure` there.
fn with_full_url<T>(mut request: Request<T>) -> Request<T> {
    let full = request
        .headers()
        .get("spin-full-url")
        .and_then(|url| url.to_str().ok()?.parse::<Uri>().ok());
    if let Some(full) = full
        && request.uri().authority().is_none()
    {
        let mut parts = full.into_parts();
        parts.path_and_query = request.uri().path_and_query().cloned();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

struct SpinHost;

impl Host for SpinHost {
    fn send(&self, request: Request<Bytes>) -> LocalBoxFuture<'static, Result<Response<Body>, SendError>> {
        async move {
            let response = nudged(send(request.map(Full::new)))
                .await
                .map_err(|error| SendError(error.to_string()))?;
            Ok(response.map(|body| {
                Body::stream(BodyDataStream::new(body).map(|piece| piece.map_err(|error| BodyError(error.to_string()))))
            }))
        }
        .boxed_local()
    }

    fn now_ms(&self) -> u64 {
        let now = system_clock::now();
        let seconds = u64::try_from(now.seconds).unwrap_or(0);
        seconds * 1000 + u64::from(now.nanoseconds) / NS_PER_MS
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), String> {
        let mut filled = 0;
        while filled < bytes.len() {
            // The host may give fewer bytes than asked for, but never none.
            let piece = get_random_bytes((bytes.len() - filled) as u64);
            if piece.is_empty() {
                return Err("the host gives no random bytes".to_owned());
            }
            let taken = piece.len().min(bytes.len() - filled);
            bytes[filled..filled + taken].copy_from_slice(&piece[..taken]);
            filled += taken;
        }
        Ok(())
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        nudged(monotonic_clock::wait_for(ms.saturating_mul(NS_PER_MS))).boxed_local()
    }

    fn log(&self, level: Level, line: &str) {
        let label = match level {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        let line = format!("{label} {line}\n").into_bytes();
        let (mut writer, reader) = wit_stream::new();
        let written = stderr::write_via_stream(reader);
        spawn_now(async move {
            // There is nowhere to say that standard error is closed.
            let _ = writer.write_all(line).await;
            drop(writer);
            let _ = written.await;
        });
    }

    /// The component ends with its request, and what is detached ends with it.
    fn detach(&self, future: LocalBoxFuture<'static, ()>) {
        spawn_now(future);
    }
}
