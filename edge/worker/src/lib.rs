//! The edge on Cloudflare Workers: [`WorkerHost`] implements the core's `Host` over the runtime's `fetch`, clock,
//! timers and `crypto`. Bodies stream in both directions.
//!
//! An isolate keeps one `Edge` with finished values; nothing that began in one request is awaited in another, since the
//! runtime cancels that.

use bytes::Bytes;
use concert_edge::{Body, BodyError, ClientAddress, Edge, Host, Level, SendError, SettingsError};
use futures::{FutureExt, StreamExt, TryStreamExt, future::LocalBoxFuture};
use gloo_timers::future::TimeoutFuture;
use http::{HeaderMap, Request, Response};
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::prelude::*;
use worker::{Context, Date, Env, Fetch, Headers, HttpRequest, RequestInit, RequestRedirect, event};

/// JavaScript's timers count in 32 bits and fire at once beyond that.
const TIMER_MAX_MS: u32 = i32::MAX as u32;

thread_local! {
    static EDGE: RefCell<Option<Edge>> = const { RefCell::new(None) };
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn get_random_values(bytes: &js_sys::Uint8Array) -> Result<JsValue, JsValue>;
}

/// Every request comes in here.
#[event(fetch)]
async fn fetch(request: HttpRequest, env: Env, context: Context) -> worker::Result<Response<Body>> {
    let host = Rc::new(WorkerHost { context });
    let edge = match edge(&env) {
        Ok(edge) => edge,
        Err(error) => return Ok(concert_edge::misconfigured(&*host, &error)),
    };
    let mut request = request.map(|body| Body::stream(body.map_err(|error| BodyError(error.to_string()))));
    // Cloudflare writes it, whatever the client sent.
    let address = request
        .headers()
        .get("cf-connecting-ip")
        .and_then(|value| value.to_str().ok());
    if let Some(address) = address.map(|address| ClientAddress(address.to_owned())) {
        request.extensions_mut().insert(address);
    }
    Ok(edge.handle(host, request).await)
}

/// The isolate's edge, made by its first request. Settings do not change while an isolate lives.
fn edge(env: &Env) -> Result<Edge, SettingsError> {
    EDGE.with_borrow_mut(|slot| match slot {
        Some(edge) => Ok(edge.clone()),
        None => {
            let edge = Edge::new("worker", |name| env.var(name).ok().map(|value| value.to_string()))?;
            Ok(slot.insert(edge).clone())
        }
    })
}

struct WorkerHost {
    context: Context,
}

impl Host for WorkerHost {
    fn send(&self, request: Request<Bytes>) -> LocalBoxFuture<'static, Result<Response<Body>, SendError>> {
        async move { send(request).await.map_err(|error| SendError(error.to_string())) }.boxed_local()
    }

    fn now_ms(&self) -> u64 {
        Date::now().as_millis()
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), String> {
        let array = js_sys::Uint8Array::new_with_length(u32::try_from(bytes.len()).map_err(|error| error.to_string())?);
        get_random_values(&array).map_err(|error| format!("{error:?}"))?;
        array.copy_to(bytes);
        Ok(())
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        // Not `worker::Delay`: that wakes whoever polled it first, and each pull of a streamed answer is another task.
        TimeoutFuture::new(u32::try_from(ms).unwrap_or(TIMER_MAX_MS).min(TIMER_MAX_MS)).boxed_local()
    }

    fn log(&self, level: Level, line: &str) {
        match level {
            Level::Info => worker::console_log!("{line}"),
            Level::Warning => worker::console_warn!("{line}"),
            Level::Error => worker::console_error!("{line}"),
        }
    }

    fn detach(&self, future: LocalBoxFuture<'static, ()>) {
        self.context.wait_until(future);
    }
}

/// The body goes as a whole, so that its length is known: AWS takes no signed body of unknown length.
async fn send(request: Request<Bytes>) -> worker::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let mut init = RequestInit::new();
    init.with_method(parts.method.as_str().to_owned().into());
    init.with_headers(Headers::from(&parts.headers));
    init.with_redirect(RequestRedirect::Manual);
    if !body.is_empty() {
        init.with_body(Some(js_sys::Uint8Array::from(&body[..]).into()));
    }
    let request = worker::Request::new_with_init(&parts.uri.to_string(), &init)?;
    let mut response = Fetch::Request(request).send().await?;
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = http::StatusCode::from_u16(response.status_code())
        .map_err(|error| worker::Error::RustError(error.to_string()))?;
    *answer.headers_mut() = HeaderMap::from(response.headers());
    // An answer without a body has no stream.
    if let Ok(stream) = response.stream() {
        let pieces = stream.map(|piece| piece.map(Bytes::from).map_err(|error| BodyError(error.to_string())));
        *answer.body_mut() = Body::stream(pieces);
    }
    Ok(answer)
}
