//! The native edge over real sockets: its router on a free port, and an AWS in this process that answers as it is told.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    response::Response,
};
use concert_edge_native::native_router;
use futures::{StreamExt, stream};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;

/// A hang is a failure; a busy machine is none.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What the model's stream is made of, and what was asked for.
#[derive(Clone)]
struct Upstream {
    model: Arc<Mutex<Option<mpsc::Receiver<Bytes>>>>,
    asked: mpsc::UnboundedSender<String>,
}

async fn aws(State(upstream): State<Upstream>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("AWS4-HMAC-SHA256 Credential=concert/")
    );
    let target = headers
        .get("x-amz-target")
        .map(|target| target.to_str().unwrap().to_owned());
    let operation = target.unwrap_or_else(|| uri.path().to_owned());
    let _ = upstream.asked.send(operation.clone());
    if operation.ends_with("converse-stream") {
        let pieces = upstream.model.lock().unwrap().take();
        return match pieces {
            Some(pieces) => Response::new(Body::from_stream(ReceiverStream::new(pieces).map(Ok::<_, Infallible>))),
            None => Response::new(Body::from_stream(stream::pending::<Result<Bytes, Infallible>>())),
        };
    }
    let _: Value = serde_json::from_slice(&body).unwrap();
    let (status, answer) = match operation.as_str() {
        "RedshiftData.ExecuteStatement" => (StatusCode::OK, json!({"Id": "s", "Status": "FINISHED"})),
        _ => (
            StatusCode::BAD_REQUEST,
            json!({"__type": "ValidationException", "message": "no"}),
        ),
    };
    Response::builder()
        .status(status)
        .body(Body::from(answer.to_string()))
        .unwrap()
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// The address of an edge whose AWS is at `aws`.
async fn edge(aws: &str) -> String {
    let router = native_router(|name| {
        let value = match name {
            "CONCERT_AWS_ENDPOINT" => aws,
            "CONCERT_WORKGROUP" | "AWS_ACCESS_KEY_ID" => "concert",
            "CONCERT_MODELS" => "local.planner",
            "CONCERT_COOKIE_KEY" => "0123456789abcdef0123456789abcdef",
            "AWS_SECRET_ACCESS_KEY" => "concert-local-secret",
            _ => return None,
        };
        Some(value.to_owned())
    });
    serve(router.unwrap()).await
}

struct World {
    edge: String,
    model: mpsc::Sender<Bytes>,
    asked: mpsc::UnboundedReceiver<String>,
}

async fn world() -> World {
    let (model, pieces) = mpsc::channel(8);
    let (asked, asked_rx) = mpsc::unbounded_channel();
    let upstream = Upstream {
        model: Arc::new(Mutex::new(Some(pieces))),
        asked,
    };
    let aws = serve(Router::new().fallback(aws).with_state(upstream)).await;
    World {
        edge: edge(&aws).await,
        model,
        asked: asked_rx,
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap()
}

fn frame(event: &'static str, payload: &Value) -> Bytes {
    use concert_aws::eventstream::{Header, HeaderValue, Message, encode};
    let message = Message::new(payload.to_string().into_bytes())
        .add_header(Header::new(":message-type", HeaderValue::String("event".into())))
        .add_header(Header::new(":event-type", HeaderValue::String(event.into())));
    encode(&message).unwrap().into()
}

fn text(text: &str) -> Bytes {
    frame(
        "contentBlockDelta",
        &json!({"contentBlockIndex": 0, "delta": {"text": text}}),
    )
}

async fn ask(edge: &str) -> reqwest::Response {
    client()
        .post(format!("{edge}/api/chat"))
        .body(r#"{"message": "x"}"#)
        .send()
        .await
        .unwrap()
}

/// Reads until `wanted` has come.
async fn read_until(response: &mut reqwest::Response, wanted: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(wanted) {
        let piece = response
            .chunk()
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("ended before {wanted:?}: {seen}"));
        seen.push_str(std::str::from_utf8(&piece).unwrap());
    }
    seen
}

#[tokio::test]
async fn health_signs_a_call_to_each_service() {
    let mut world = world().await;
    let answer = client().get(format!("{}/api/health", world.edge)).send().await.unwrap();
    assert!(
        answer.headers().contains_key("content-length"),
        "a whole answer says its length"
    );
    let health: Value = answer.json().await.unwrap();
    assert_eq!((&health["state"], &health["runtime"]), (&json!("up"), &json!("native")));
    let mut asked = [world.asked.recv().await.unwrap(), world.asked.recv().await.unwrap()];
    asked.sort();
    assert_eq!(
        asked,
        ["/model/local.planner/converse", "RedshiftData.ExecuteStatement"]
    );
}

#[tokio::test]
async fn each_word_is_passed_on_before_the_next_is_made() {
    let world = world().await;
    let mut response = ask(&world.edge).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    read_until(&mut response, "event: ack").await;
    for word in ["Washington", " saw", " most"] {
        world.model.send(text(word)).await.unwrap();
        let seen = read_until(&mut response, "event: text").await;
        assert!(seen.contains(&format!(r#"data: {{"delta":"{word}"}}"#)), "{seen}");
    }
    world
        .model
        .send(frame("messageStop", &json!({"stopReason": "end_turn"})))
        .await
        .unwrap();
    drop(world.model);
    assert!(
        read_until(&mut response, "event: done")
            .await
            .contains(r#"{"state":"complete"}"#)
    );
    assert_eq!(response.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_that_is_cut_inside_a_frame_ends_with_an_error() {
    let world = world().await;
    let mut response = ask(&world.edge).await;
    world.model.send(text("Washington")).await.unwrap();
    world.model.send(text(" saw").slice(..20)).await.unwrap();
    drop(world.model);
    let seen = read_until(&mut response, "event: done").await;
    assert!(
        seen.contains(r#""error_code":"upstream_broken""#) && seen.contains(r#"{"state":"failed"}"#),
        "{seen}"
    );
}

#[tokio::test]
async fn a_reader_who_leaves_lets_go_of_the_model() {
    let world = world().await;
    let mut response = ask(&world.edge).await;
    world.model.send(text("Washington")).await.unwrap();
    read_until(&mut response, "event: text").await;
    drop(response);
    timeout(TIMEOUT, world.model.closed())
        .await
        .expect("the connection to the model is closed");
}

#[tokio::test]
async fn nothing_upstream_is_an_envelope_that_says_when_to_come_back() {
    let nothing = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let edge = edge(&format!("http://{nothing}")).await;
    let answer = client().get(format!("{edge}/api/catalogue")).send().await.unwrap();
    assert_eq!(
        (answer.status(), &answer.headers()["retry-after"]),
        (StatusCode::BAD_GATEWAY, &"5".parse().unwrap())
    );
    let body = answer.text().await.unwrap();
    assert!(
        body.contains("upstream_unavailable") && !body.contains("127.0.0.1"),
        "{body}"
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_while_it_comes() {
    let world = world().await;
    let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b' '; 8192])));
    let request = client()
        .post(format!("{}/api/query", world.edge))
        .body(reqwest::Body::wrap_stream(endless));
    // The edge answers and closes while the client still writes; a client may see either.
    if let Ok(answer) = request.send().await {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[test]
fn settings_that_are_wrong_are_named_before_anything_is_served() {
    let error = native_router(|_| None).unwrap_err().to_string();
    for name in [
        "CONCERT_WORKGROUP",
        "CONCERT_MODELS",
        "CONCERT_COOKIE_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ] {
        assert!(error.contains(name), "{name} is not in {error}");
    }
}
