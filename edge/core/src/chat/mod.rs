//! Turns: a question, and the events of its answer. A turn is stored before it is streamed, by [`recorder`], so that it
//! outlives its connection; reading it again follows it ([`follow`]), and continues it if its writer is gone. Where no
//! store is configured a turn lives in its request.

mod agent;
mod answer;
mod budget;
mod follow;
mod past;
mod prompt;
mod recorder;
mod sse;
mod tools;

pub use answer::answer_of;

use crate::{
    Body, Level,
    failure::Failure,
    identity::Viewer,
    limits::{IDEMPOTENCY_KEY_MAX_CHARS, LEASE_MS, TURNS_MAX},
    lock,
    routes::{Incoming, json},
    store::{
        Store,
        turns::{self, Head, Numbered, TurnKey},
    },
    upstream::Context,
};
use concert_contract::{
    chat::{ChatEvent, ChatRequest, MESSAGE_MAX_CHARS, TurnState},
    history::{MessageState, StopAnswer},
};
use futures::{
    channel::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    future::{self, LocalBoxFuture},
    try_join,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
};
use sha2::{Digest, Sha256};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A turn that has been accepted.
#[derive(Clone)]
pub struct Turn {
    pub head: Head,
    pub viewer: Viewer,
    /// None where turns are not kept.
    pub store: Option<Store>,
}

impl Turn {
    pub fn id(&self) -> String {
        self.head.key.id()
    }

    /// The event that every reader sees first. It is the head's, and in no piece of the log.
    fn ack(&self) -> Numbered {
        Numbered {
            n: 1,
            event: ChatEvent::Ack {
                turn: self.id(),
                conversation_id: self.head.key.conversation_id.clone(),
            },
        }
    }
}

pub async fn chat(context: &Context, viewer: Viewer, mut incoming: Incoming) -> Result<Response<Body>, Failure> {
    let wants_json = incoming.plain || prefers_json(&incoming.headers);
    let idempotency_key = idempotency_key(context, &incoming.headers)?;
    let body = incoming.whole_body(context).await?;
    let request = read(&body)?;
    let (sender, receiver) = mpsc::unbounded();
    let (tell, told) = oneshot::channel();
    // From its first write on: whoever leaves while the turn is stored has asked all the same.
    context.host.detach(Box::pin(work(
        context.clone(),
        viewer,
        request,
        idempotency_key,
        sender,
        tell,
    )));
    let begun = told
        .await
        .map_err(|_| Failure::internal("a turn ended before it began"))?;
    let (head, feed): (Head, LocalBoxFuture<'static, ()>) = match begun? {
        Told::New(head) => (head, Box::pin(future::pending())),
        Told::Before { turn, store, sender } => (
            turn.head.clone(),
            Box::pin(follow::follow(context.clone(), store, turn, 0, sender)),
        ),
    };
    respond(context, &head.key, wants_json, receiver, feed).await
}

/// What a request is told of its turn before the turn's events.
enum Told {
    New(Head),
    /// The same request came before; its events are for the reader to fetch.
    Before {
        turn: Turn,
        store: Store,
        sender: Live,
    },
}

/// Begins a turn and runs it to its end.
async fn work(
    context: Context,
    viewer: Viewer,
    request: ChatRequest,
    idempotency_key: String,
    sender: Live,
    tell: oneshot::Sender<Result<Told, Failure>>,
) {
    let store = Store::of(&context);
    // Whoever has left is told nothing.
    match begin(&context, store.as_ref(), &viewer, &request, &idempotency_key).await {
        Err(failure) => {
            let _ = tell.send(Err(failure));
        }
        Ok(Begun::Before(head, store)) => {
            let turn = Turn {
                head,
                viewer,
                store: Some(store.clone()),
            };
            let _ = tell.send(Ok(Told::Before { turn, store, sender }));
        }
        Ok(Begun::New(head)) => {
            let turn = Turn { head, viewer, store };
            let _ = sender.unbounded_send(turn.ack());
            let _ = tell.send(Ok(Told::New(turn.head.clone())));
            recorder::drive(context, turn, recorder::From::Beginning, sender).await;
        }
    }
}

/// `GET /api/chat/{turn}/events`.
pub async fn events(
    context: &Context,
    viewer: Viewer,
    incoming: Incoming,
    id: &str,
) -> Result<Response<Body>, Failure> {
    let store = Store::needed(context, "Replaying a turn")?;
    let head = known(&store, &viewer, id).await?;
    let after = last_seen(&incoming, id);
    let (sender, receiver) = mpsc::unbounded();
    let key = head.key.clone();
    let turn = Turn {
        head,
        viewer,
        store: Some(store.clone()),
    };
    let feed = follow::follow(context.clone(), store, turn, after, sender);
    let wants_json = prefers_json(&incoming.headers);
    // One answer in JSON is the whole turn, whatever was seen of it.
    respond(context, &key, wants_json, receiver, Box::pin(feed)).await
}

/// `POST /api/chat/{turn}/stop`.
pub async fn stop(context: &Context, viewer: &Viewer, id: &str) -> Result<Response<Body>, Failure> {
    let store = Store::needed(context, "Stopping a turn from another request")?;
    let head = known(&store, viewer, id).await?;
    let log = store.turn_log(&head.key).await?;
    let state = match log.state() {
        Some(state) => state.into(),
        None => {
            store.ask_to_stop(&head.key).await?;
            // A writer in this process need not wait until it looks.
            let here = lock(&context.edge.running).remove(&head.key.id());
            if let Some(tell) = here {
                // It may have ended in this moment.
                let _ = tell.send(());
                MessageState::Running
            } else if log.lease_until_ms(&head) < context.host.now_ms() {
                recorder::finish_abandoned(context, &store, &head.key, &log, TurnState::Stopped, Vec::new()).await?;
                MessageState::Stopped
            } else {
                MessageState::Running
            }
        }
    };
    json(
        StatusCode::OK,
        &StopAnswer {
            turn: head.key.id(),
            state,
        },
    )
}

/// The turn of that id, if it is the viewer's.
async fn known(store: &Store, viewer: &Viewer, id: &str) -> Result<Head, Failure> {
    let unknown = || Failure::not_found("There is no such turn.").with_action("Check its id, or ask again.");
    let key = TurnKey::parse(&viewer.id, id).ok_or_else(unknown)?;
    store.head(&key).await?.ok_or_else(unknown)
}

enum Begun {
    New(Head),
    /// The same request came before.
    Before(Head, Store),
}

/// Stores the beginning of a turn, or finds the one that the same request began.
async fn begin(
    context: &Context,
    store: Option<&Store>,
    viewer: &Viewer,
    request: &ChatRequest,
    idempotency_key: &str,
) -> Result<Begun, Failure> {
    let secret = &context.edge.settings.cookie_key;
    let bad_parent = || {
        Failure::validation("bad_request", "parent_id is not a message of this conversation.")
            .with_action("Leave parent_id out, or send the id of a message of the same conversation.")
    };
    let parent = match &request.parent_id {
        None => None,
        Some(id) => Some(TurnKey::parse(&viewer.id, id).ok_or_else(bad_parent)?),
    };
    let given = match (&request.conversation_id, &parent) {
        (Some(id), _) if !turns::is_id(id) => {
            return Err(
                Failure::validation("bad_request", "conversation_id is not an id that was given out here.")
                    .with_action("Leave conversation_id out, or send one of an earlier answer."),
            );
        }
        (Some(id), Some(parent)) if *id != parent.conversation_id => return Err(bad_parent()),
        (Some(id), _) => Some(id.clone()),
        (None, parent) => parent.as_ref().map(|parent| parent.conversation_id.clone()),
    };
    let conversation_id = match &given {
        Some(id) => id.clone(),
        None => turns::new_conversation(secret, &viewer.id, idempotency_key),
    };
    let now_ms = context.host.now_ms();
    let mut head = Head {
        key: TurnKey::of_request(secret, &viewer.id, &conversation_id, idempotency_key),
        question: request.message.clone(),
        digest: digest(request),
        created_ms: now_ms,
        previous: None,
        replaces: parent.map(|parent| parent.hash),
        lease_until_ms: now_ms + LEASE_MS,
        is_stopping: false,
    };
    let Some(store) = store else {
        return Ok(Begun::New(head));
    };
    let before = |there: Head, store: &Store| {
        if there.digest == head.digest {
            return Ok(Begun::Before(there, store.clone()));
        }
        Err(Failure::conflict(
            "idempotency_key_reused",
            "This Idempotency-Key was sent before with another question.",
        )
        .with_action("Send a new key with each new question."))
    };
    let heads = match given {
        Some(_) => store.heads(&viewer.id, &conversation_id).await?,
        None => Vec::new(),
    };
    if let Some(there) = heads.iter().find(|there| there.key == head.key) {
        return before(there.clone(), store);
    }
    if heads.len() >= TURNS_MAX {
        return Err(Failure::conflict(
            "conversation_full",
            format!("This conversation has {TURNS_MAX} questions already."),
        )
        .with_action("Begin a new one."));
    }
    let previous = match &head.replaces {
        Some(replaced) => {
            let replaced = heads
                .iter()
                .find(|there| there.key.hash == *replaced)
                .ok_or_else(bad_parent)?;
            replaced.previous.clone()
        }
        None => turns::shown(&heads, None).last().map(|last| last.key.hash.clone()),
    };
    head.previous = previous;
    let mut questions: Vec<&str> = heads.iter().map(|head| head.question.as_str()).collect();
    questions.push(&request.message);
    let (is_new, ()) = try_join!(
        store.begin(&head),
        store.touch(&viewer.id, &conversation_id, &questions)
    )?;
    if is_new {
        return Ok(Begun::New(head));
    }
    match store.head(&head.key).await? {
        Some(there) => before(there, store),
        None => Err(
            Failure::conflict("conversation_deleted", "The conversation was deleted in this moment.")
                .with_action("Ask again."),
        ),
    }
}

fn digest(request: &ChatRequest) -> String {
    let parts = [
        Some(request.message.as_str()),
        request.conversation_id.as_deref(),
        request.parent_id.as_deref(),
    ];
    let mut hash = Sha256::new();
    for part in parts {
        // Lengths keep parts apart.
        hash.update(part.map_or(0, |part| part.len() as u64 + 1).to_le_bytes());
        hash.update(part.unwrap_or_default());
    }
    hex::encode(hash.finalize())
}

/// Events, or one JSON answer. `feed` fills the channel where nothing else does; reading drives it.
async fn respond(
    context: &Context,
    key: &TurnKey,
    wants_json: bool,
    receiver: UnboundedReceiver<Numbered>,
    feed: LocalBoxFuture<'static, ()>,
) -> Result<Response<Body>, Failure> {
    if wants_json {
        let gathered = answer::gather(key, receiver);
        futures::pin_mut!(gathered);
        let answer = match future::select(gathered, feed).await {
            future::Either::Left((answer, _)) => answer,
            future::Either::Right(((), gathered)) => gathered.await,
        };
        return match answer.error {
            Some(envelope) => Err(Failure::of_envelope(envelope)),
            None => json(StatusCode::OK, &answer.answer),
        };
    }
    let stream = sse::stream(context.host.clone(), key.id(), receiver, feed);
    let mut response = Response::new(Body::stream(stream));
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

/// Where events go to whoever reads the turn now. What is sent after they left is stored all the same.
pub type Live = UnboundedSender<Numbered>;

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

fn idempotency_key(context: &Context, headers: &HeaderMap) -> Result<String, Failure> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return context.random_id();
    };
    value
        .to_str()
        .ok()
        .filter(|key| (1..=IDEMPOTENCY_KEY_MAX_CHARS).contains(&key.len()))
        .map(str::to_owned)
        .ok_or_else(|| {
            Failure::validation("bad_idempotency_key", "The header Idempotency-Key cannot be used.").with_action(
                format!("Send 1 to {IDEMPOTENCY_KEY_MAX_CHARS} visible characters, such as a random UUID."),
            )
        })
}

/// The number of the last event that the reader has seen; 0 for none of this turn.
fn last_seen(incoming: &Incoming, id: &str) -> u64 {
    let header = incoming
        .headers
        .get(LAST_EVENT_ID)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    header
        .or_else(|| incoming.parameter("last_event_id"))
        .and_then(|seen| {
            let (turn, n) = seen.rsplit_once('.')?;
            (turn == id).then(|| n.parse().ok())?
        })
        .unwrap_or(0)
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

/// Logs why a turn failed: the person is told less.
fn note_failure(context: &Context, id: &str, failure: &Failure) {
    context.log(
        Level::Error,
        &format!("turn {id}: {} {:?}", failure.code, failure.internal),
    );
}
