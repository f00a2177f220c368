//! `POST /api/chat`: one turn, as server-sent events or as one JSON answer. For now a turn lives in its request: it is
//! not stored, and ends when its reader leaves.

mod agent;
mod prompt;
mod sse;
mod tools;

use crate::{
    Body,
    failure::Failure,
    identity::Viewer,
    limits::{ID_MAX_CHARS, TURN_MAX_MS},
    routes::{Incoming, json},
    upstream::{Context, MODEL},
};
use concert_contract::chat::{ChatAnswer, ChatEvent, ChatRequest, Clarify, MESSAGE_MAX_CHARS, TurnState};
use futures::{
    SinkExt, StreamExt,
    channel::mpsc::{self, Receiver, Sender},
    future::join,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
};

/// Events that may wait for a slow reader before the turn waits too.
const EVENTS_MAX: usize = 16;

/// A turn that has been accepted.
pub struct Turn {
    pub id: String,
    pub conversation_id: String,
    pub message: String,
    pub viewer: Viewer,
}

/// Where a turn's events go.
#[derive(Clone)]
pub struct Events(Sender<ChatEvent>);

/// The reader has left.
pub struct Gone;

impl Events {
    pub async fn send(&mut self, event: ChatEvent) -> Result<(), Gone> {
        self.0.send(event).await.map_err(|_| Gone)
    }
}

pub async fn chat(context: &Context, viewer: Viewer, mut incoming: Incoming) -> Result<Response<Body>, Failure> {
    let wants_json = incoming.plain || prefers_json(&incoming.headers);
    let request = read(&incoming.whole_body().await?)?;
    let conversation_id = match request.conversation_id {
        Some(id) => checked_id("conversation_id", id)?,
        None => context.random_id()?,
    };
    if let Some(parent_id) = request.parent_id {
        checked_id("parent_id", parent_id)?;
    }
    let turn = Turn {
        id: context.random_id()?,
        conversation_id,
        message: request.message,
        viewer,
    };
    let (sender, receiver) = mpsc::channel(EVENTS_MAX);
    if wants_json {
        let (result, answer) = join(drive(context, &turn, Events(sender)), gather(&turn, receiver)).await;
        result?;
        return json(StatusCode::OK, &answer);
    }
    let id = turn.id.clone();
    let driver = {
        let context = context.clone();
        async move {
            let mut events = Events(sender);
            let ended = drive(&context, &turn, events.clone()).await;
            let state = match ended {
                Ok(()) => TurnState::Complete,
                Err(failure) => {
                    context.log(
                        crate::Level::Error,
                        &format!("turn {}: {} {:?}", turn.id, failure.code, failure.internal),
                    );
                    let envelope = failure.envelope(context.host.now_ms(), &context.correlation_id);
                    // A reader who has left misses nothing.
                    let _ = events.send(ChatEvent::Error(envelope)).await;
                    TurnState::Failed
                }
            };
            let _ = events.send(ChatEvent::Done { state }).await;
        }
    };
    let mut response = Response::new(Body::stream(sse::stream(context.host.clone(), id, receiver, driver)));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    // Neither a cache nor a proxy may hold events back.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(response)
}

/// Runs the turn within its time. A reader who leaves ends it without a failure.
async fn drive(context: &Context, turn: &Turn, events: Events) -> Result<(), Failure> {
    match context.within(TURN_MAX_MS, agent::run(context, turn, events)).await {
        Some(Ok(()) | Err(agent::Ended::Gone)) => Ok(()),
        Some(Err(agent::Ended::Failed(failure))) => Err(failure),
        None => Err(
            Failure::timeout(MODEL, format!("the turn took longer than {TURN_MAX_MS} ms"))
                .with_action("Ask a simpler question."),
        ),
    }
}

/// Events are what a client gets that does not say what it wants.
fn prefers_json(headers: &HeaderMap) -> bool {
    let accepts = |wanted: &str| {
        headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|entry| {
                entry
                    .split(';')
                    .next()
                    .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted))
            })
    };
    accepts("application/json") && !accepts("text/event-stream")
}

fn read(body: &[u8]) -> Result<ChatRequest, Failure> {
    let request: ChatRequest = serde_json::from_slice(body).map_err(|error| {
        Failure::validation("bad_request", format!("This is not a question: {error}."))
            .with_action(r#"Send JSON such as {"message": "attendance by year"}."#)
    })?;
    if request.message.trim().is_empty() {
        return Err(Failure::validation("empty_message", "The question is empty.").with_action("Write a question."));
    }
    let chars = request.message.chars().count();
    if chars > MESSAGE_MAX_CHARS {
        return Err(Failure::too_large(
            "message_too_long",
            format!("The question has {chars} characters; at most {MESSAGE_MAX_CHARS} are read."),
        )
        .with_action("Write a shorter question."));
    }
    Ok(request)
}

fn checked_id(name: &str, id: String) -> Result<String, Failure> {
    let fits = (1..=ID_MAX_CHARS).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if fits {
        return Ok(id);
    }
    Err(
        Failure::validation("bad_request", format!("{name} is not an id that was given out here."))
            .with_action(format!("Leave {name} out, or send one of an earlier answer.")),
    )
}

/// The events of a turn as one answer.
async fn gather(turn: &Turn, mut events: Receiver<ChatEvent>) -> ChatAnswer {
    let mut answer = ChatAnswer {
        turn: turn.id.clone(),
        conversation_id: turn.conversation_id.clone(),
        text: String::new(),
        results: Vec::new(),
        understood: Vec::new(),
        not_understood: Vec::new(),
        confidence: None,
        follow_ups: Vec::new(),
        clarify: None,
    };
    while let Some(event) = events.next().await {
        match event {
            ChatEvent::Text { delta } => answer.text.push_str(&delta),
            ChatEvent::ToolResult(result) => answer.results.push(*result),
            ChatEvent::Clarify { question, choices } => answer.clarify = Some(Clarify { question, choices }),
            ChatEvent::FollowUps {
                understood,
                not_understood,
                confidence,
                follow_ups,
            } => {
                answer.understood = understood;
                answer.not_understood = not_understood;
                answer.confidence = Some(confidence);
                answer.follow_ups = follow_ups;
            }
            ChatEvent::Ack { .. }
            | ChatEvent::ToolCall { .. }
            | ChatEvent::Usage { .. }
            | ChatEvent::Reset { .. }
            | ChatEvent::Done { .. }
            | ChatEvent::Error(_) => {}
        }
    }
    answer
}
