//! Event streams: frames as Bedrock writes them, and the way of a model's pieces into a response body, as fast as its
//! reader takes them.

use super::speech::{Broken, End, Piece, Speech};
use crate::server::UNREAD_MAX;
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use http::Response;
use serde_json::{Value, json};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

/// Frames that may wait for a slow reader.
const FRAMES_WAITING: usize = 64;
/// As much of a tool's input as one delta carries.
const INPUT_DELTA_CHARS: usize = 32;

/// One frame. `kind` is `event` or `exception`, `name` what the service's model calls it.
fn frame(kind: &'static str, name: &'static str, payload: &Value) -> Bytes {
    let text = |value: &'static str| HeaderValue::String(value.into());
    let message = Message::new(payload.to_string())
        .add_header(Header::new(
            if kind == "event" {
                ":event-type"
            } else {
                ":exception-type"
            },
            text(name),
        ))
        .add_header(Header::new(":content-type", text("application/json")))
        .add_header(Header::new(":message-type", text(kind)));
    let mut bytes = Vec::new();
    match write_message_to(&message, &mut bytes) {
        Ok(()) => bytes.into(),
        // Only a payload of 16 MB cannot be written; a stream that lacks a frame ends before its end.
        Err(error) => {
            tracing::error!(%error, name, "a frame could not be written");
            Bytes::new()
        }
    }
}

pub(crate) fn event(name: &'static str, payload: &Value) -> Bytes {
    frame("event", name, payload)
}

pub(crate) fn exception(name: &'static str, message: &str) -> Bytes {
    frame("exception", name, &json!({"message": message}))
}

/// How an operation writes what a model says.
pub(crate) trait Frames: Send + 'static {
    /// Before the model has said anything.
    fn start(&mut self) -> Vec<Bytes>;
    fn piece(&mut self, piece: Piece) -> Vec<Bytes>;
}

/// Answers at once and speaks as it goes: what fails from here on is an exception in the stream. A reader that leaves, or
/// that takes nothing for a while, ends the model's work.
pub(crate) fn respond(mut speech: Speech, mut frames: impl Frames, request_id: Uuid) -> Response<Body> {
    let (sender, receiver) = mpsc::channel::<Bytes>(FRAMES_WAITING);
    let whole = Arc::new(AtomicBool::new(false));
    let is_whole = Arc::clone(&whole);
    tokio::spawn(async move {
        if !send(&sender, frames.start()).await {
            return;
        }
        loop {
            let next = tokio::select! {
                next = speech.next() => next,
                // A model that thinks for a minute must not think for nobody.
                () = sender.closed() => return,
            };
            match next {
                Ok(Some(piece)) => {
                    for part in parts(piece) {
                        if !send(&sender, frames.piece(part)).await {
                            return;
                        }
                    }
                }
                Ok(None) => break,
                Err(Broken::Cut) => return,
                Err(Broken::Exception { name, message }) => {
                    tracing::error!(%request_id, name, message, "the model failed");
                    // An exception is the end of a stream as AWS ends it.
                    if !send(&sender, vec![exception(name, &message)]).await {
                        return;
                    }
                    break;
                }
            }
        }
        whole.store(true, Ordering::Release);
    });
    let end = futures::stream::once(async move {
        if is_whole.load(Ordering::Acquire) {
            Ok(Bytes::new())
        } else {
            // The server writes out what it holds when the body pauses, and drops it when the body fails.
            tokio::task::yield_now().await;
            Err(io::Error::other("the answer was broken off"))
        }
    });
    let body = Body::from_stream(ReceiverStream::new(receiver).map(Ok).chain(end));
    let mut response = Response::new(body);
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/vnd.amazon.eventstream"),
    );
    response
}

/// Hands frames to the reader. Says whether there still is one: it has left, or it has taken nothing for a while.
async fn send(sender: &mpsc::Sender<Bytes>, frames: Vec<Bytes>) -> bool {
    for frame in frames {
        if sender.send_timeout(frame, UNREAD_MAX).await.is_err() {
            return false;
        }
    }
    true
}

/// A piece in the parts that are streamed: text by words, a tool's input by a few characters. They are made one by one as
/// the reader takes them, so that a long piece is not held twice.
fn parts(piece: Piece) -> Box<dyn Iterator<Item = Piece> + Send> {
    match piece {
        Piece::Text(text) => {
            let end = |text: &str| text.find(' ').map_or(text.len(), |at| at + 1);
            Box::new(cut(text, end).map(Piece::Text))
        }
        Piece::Tool { id, name, input } => {
            let end = |text: &str| {
                let next = text.char_indices().nth(INPUT_DELTA_CHARS);
                next.map_or(text.len(), |(at, _)| at)
            };
            let input = cut(input.to_string(), end).map(Piece::ToolInput);
            Box::new(std::iter::once(Piece::ToolStart { id, name }).chain(input))
        }
        piece => Box::new(std::iter::once(piece)),
    }
}

/// Cuts a text from its beginning; `end` says how long the next part of what is left is.
fn cut(text: String, end: impl Fn(&str) -> usize + Send) -> impl Iterator<Item = String> + Send {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = &text[from..];
        let part = &rest[..end(rest)];
        from += part.len();
        (!part.is_empty()).then(|| part.to_owned())
    })
}

/// What kind of block is open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    Text,
    Reasoning,
    Tool,
}

/// ConverseStream's events.
pub(crate) struct ConverseFrames {
    pub started: Instant,
    pub response_paths: Vec<String>,
    /// What a guardrail found.
    pub trace: Option<Value>,
    index: usize,
    open: Option<Open>,
}

impl ConverseFrames {
    pub fn new(started: Instant, response_paths: Vec<String>, trace: Option<Value>) -> ConverseFrames {
        ConverseFrames {
            started,
            response_paths,
            trace,
            index: 0,
            open: None,
        }
    }

    fn delta(&self, delta: Value) -> Bytes {
        event(
            "contentBlockDelta",
            &json!({"contentBlockIndex": self.index, "delta": delta}),
        )
    }

    /// Closes what is open and is not of this kind; a tool always begins anew.
    fn turn_to(&mut self, kind: Option<Open>, frames: &mut Vec<Bytes>) {
        if self.open.is_some() && (self.open != kind || kind == Some(Open::Tool)) {
            frames.push(event("contentBlockStop", &json!({"contentBlockIndex": self.index})));
            self.index += 1;
        }
        self.open = kind;
    }

    fn tool(&mut self, id: &str, name: &str, frames: &mut Vec<Bytes>) {
        self.turn_to(Some(Open::Tool), frames);
        let start = json!({"toolUse": {"toolUseId": id, "name": name}});
        frames.push(event(
            "contentBlockStart",
            &json!({"contentBlockIndex": self.index, "start": start}),
        ));
    }

    fn end(&mut self, end: &End, frames: &mut Vec<Bytes>) {
        self.turn_to(None, frames);
        let mut stop = json!({"stopReason": end.reason()});
        if let Some(fields) = end.asked_fields(&self.response_paths) {
            stop["additionalModelResponseFields"] = fields;
        }
        frames.push(event("messageStop", &stop));
        let mut metadata = json!({
            "usage": usage(end),
            "metrics": {"latencyMs": crate::millis(self.started)},
        });
        if let Some(trace) = self.trace.take() {
            metadata["trace"] = trace;
        }
        frames.push(event("metadata", &metadata));
    }
}

/// As Converse counts.
pub(crate) fn usage(end: &End) -> Value {
    let (input, output) = end.usage();
    json!({"inputTokens": input, "outputTokens": output, "totalTokens": input + output})
}

impl Frames for ConverseFrames {
    fn start(&mut self) -> Vec<Bytes> {
        vec![event("messageStart", &json!({"role": "assistant"}))]
    }

    fn piece(&mut self, piece: Piece) -> Vec<Bytes> {
        let mut frames = Vec::new();
        match piece {
            // A block of text has no start of its own.
            Piece::Text(text) => {
                self.turn_to(Some(Open::Text), &mut frames);
                frames.push(self.delta(json!({"text": text})));
            }
            Piece::Reasoning(text) => {
                self.turn_to(Some(Open::Reasoning), &mut frames);
                frames.push(self.delta(json!({"reasoningContent": {"text": text}})));
            }
            Piece::Tool { id, name, input } => {
                self.tool(&id, &name, &mut frames);
                frames.push(self.delta(json!({"toolUse": {"input": input.to_string()}})));
            }
            Piece::ToolStart { id, name } => self.tool(&id, &name, &mut frames),
            Piece::ToolInput(part) => frames.push(self.delta(json!({"toolUse": {"input": part}}))),
            Piece::Pause(_) => {}
            Piece::End(end) => self.end(&end, &mut frames),
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_eventstream::frame::read_message_from;

    #[test]
    fn frames_carry_the_reply() {
        let input = json!({"query": {"metrics": ["concerts"]}, "title": "Concerts — é"});
        let pieces = [
            Piece::Reasoning("Hm".to_owned()),
            Piece::Text("Two words".to_owned()),
            Piece::Tool {
                id: "t1".to_owned(),
                name: "query_data".to_owned(),
                input: input.clone(),
            },
            Piece::ToolStart {
                id: "t2".to_owned(),
                name: "finish".to_owned(),
            },
            Piece::End(End {
                reason: Some("tool_use"),
                usage: Some((3, 4)),
                ..End::default()
            }),
        ];
        let mut frames = ConverseFrames::new(Instant::now(), Vec::new(), None);
        let mut written = frames.start();
        written.extend(pieces.into_iter().flat_map(parts).flat_map(|part| frames.piece(part)));
        let mut events = Vec::new();
        let mut json_text = String::new();
        for bytes in written {
            let message = read_message_from(&mut bytes.clone()).expect("a frame");
            let mut payload: Value = serde_json::from_slice(message.payload()).expect("json");
            if let Some(part) = payload["delta"]["toolUse"]["input"].as_str() {
                json_text.push_str(part);
                continue;
            }
            if let Some(latency) = payload.pointer_mut("/metrics/latencyMs") {
                *latency = json!(0);
            }
            let name = message.headers()[0]
                .value()
                .as_string()
                .expect("a text")
                .as_str()
                .to_owned();
            events.push(format!("{name} {payload}"));
        }
        assert_eq!(serde_json::from_str::<Value>(&json_text).expect("json"), input);
        assert_eq!(
            events,
            [
                r#"messageStart {"role":"assistant"}"#,
                r#"contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}}}"#,
                r#"contentBlockStop {"contentBlockIndex":0}"#,
                r#"contentBlockDelta {"contentBlockIndex":1,"delta":{"text":"Two "}}"#,
                r#"contentBlockDelta {"contentBlockIndex":1,"delta":{"text":"words"}}"#,
                r#"contentBlockStop {"contentBlockIndex":1}"#,
                r#"contentBlockStart {"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t1","name":"query_data"}}}"#,
                r#"contentBlockStop {"contentBlockIndex":2}"#,
                r#"contentBlockStart {"contentBlockIndex":3,"start":{"toolUse":{"toolUseId":"t2","name":"finish"}}}"#,
                r#"contentBlockStop {"contentBlockIndex":3}"#,
                r#"messageStop {"stopReason":"tool_use"}"#,
                r#"metadata {"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7},"metrics":{"latencyMs":0}}"#,
            ]
        );
        let refused = read_message_from(&mut exception("throttlingException", "slow down")).expect("a frame");
        assert_eq!(refused.headers()[0].name().as_str(), ":exception-type");
    }
}
