//! The edge on this machine: [`NativeHost`] gives the core a client, a clock and randomness, [`router`] puts it behind
//! axum. The core's futures are not `Send`, so each request runs from its first byte to its last on one of a few
//! threads that own a local task set; only finished pieces of bytes cross threads.

mod host;

pub use concert_edge::{Edge, Settings, SettingsError};
pub use host::NativeHost;

use axum::{
    Router,
    body::Body as AxumBody,
    extract::{ConnectInfo, Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use concert_edge::{Body, BodyError, ClientAddress};
use futures::{StreamExt, TryStreamExt};
use http::{StatusCode, header::CONTENT_LENGTH};
use std::{net::SocketAddr, rc::Rc, thread::available_parallelism};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::LocalPoolHandle;

/// Requests wait for services far more than they compute.
const THREADS_MAX: usize = 4;
/// Pieces of an answer that may wait for a slow reader before its request waits too.
const PIECES_MAX: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[source] reqwest::Error),
}

#[derive(Clone)]
struct App {
    edge: Edge,
    client: reqwest::Client,
    pool: LocalPoolHandle,
}

/// The edge's routes, `/api/…` and the plain addresses, with settings from `setting`. Other paths are free for the page.
///
/// # Errors
/// All settings that are missing or wrong, at once.
pub fn native_router(setting: impl Fn(&str) -> Option<String>) -> Result<Router, NativeError> {
    let client = host::client(setting("CONCERT_AWS_ENDPOINT").as_deref()).map_err(NativeError::Client)?;
    Ok(router(Edge::new("native", setting)?, client))
}

/// As [`native_router`], for an edge that is there already.
pub fn router(edge: Edge, client: reqwest::Client) -> Router {
    let threads = available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let app = App {
        edge,
        client,
        pool: LocalPoolHandle::new(threads),
    };
    let mut router = Router::new();
    for path in [
        "/api",
        "/api/{*rest}",
        "/health",
        "/chat",
        "/history",
        "/history/{*rest}",
        "/venues/popularity",
        "/predictions/tickets",
        "/recommendations",
    ] {
        router = router.route(path, any(answer));
    }
    router.with_state(app)
}

async fn answer(State(app): State<App>, mut request: Request) -> Response {
    // There where the server was made with it. A proxy's headers are not read: whoever asks could write them. Who asks
    // from this machine is a proxy, which asks for everybody, or the machine's owner.
    if let Some(ConnectInfo(address)) = request.extensions().get::<ConnectInfo<SocketAddr>>()
        && !address.ip().is_loopback()
    {
        let address = ClientAddress(address.ip().to_string());
        request.extensions_mut().insert(address);
    }
    let (head, head_rx) = oneshot::channel();
    let (pieces, pieces_rx) = mpsc::channel(PIECES_MAX);
    app.pool
        .spawn_pinned(move || run(app.edge, app.client, request, head, pieces));
    match head_rx.await {
        Ok(parts) => Response::from_parts(parts, AxumBody::from_stream(ReceiverStream::new(pieces_rx))),
        // Only a panic drops the sender; its message is on standard error.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// One request, on one thread. When the client leaves, the receivers are dropped and the work ends with them, but for
/// what was detached: a turn goes on.
async fn run(
    edge: Edge,
    client: reqwest::Client,
    request: Request,
    mut head: oneshot::Sender<http::response::Parts>,
    pieces: mpsc::Sender<Result<Bytes, BodyError>>,
) {
    let request =
        request.map(|body| Body::stream(body.into_data_stream().map_err(|error| BodyError(error.to_string()))));
    let response = tokio::select! {
        response = edge.handle(Rc::new(NativeHost::new(client)), request) => response,
        () = head.closed() => return,
    };
    let (mut parts, mut body) = response.into_parts();
    if let Some(bytes) = http_body::Body::size_hint(&body).exact() {
        parts.headers.insert(CONTENT_LENGTH, bytes.into());
    }
    if head.send(parts).is_err() {
        return;
    }
    loop {
        let piece = tokio::select! {
            piece = body.next() => piece,
            () = pieces.closed() => return,
        };
        match piece {
            Some(piece) => {
                if pieces.send(piece).await.is_err() {
                    return;
                }
            }
            None => return,
        }
    }
}
