//! Who writes a turn: runs the agent, passes each event on at once to whoever reads now, and appends events to the
//! stored log at growing intervals. It stops when it is told to, and when another writer has taken the turn over.

use super::{Live, Turn, agent, note_failure};
use crate::{
    Level,
    failure::Failure,
    limits::{
        ITEM_MAX_BYTES, LEASE_MS, STOP_POLL_MS, STORE_FIRST_MS, STORE_INTERVAL_MAX_MS, STORE_WRITES_MAX, TURN_MAX_MS,
    },
    lock, memory,
    store::{
        Store,
        turns::{Log, Numbered, Piece, TurnKey},
    },
    upstream::{Context, MODEL},
};
use concert_aws::bedrock::Message;
use concert_contract::chat::{ChatEvent, TurnState};
use futures::{
    FutureExt, StreamExt,
    channel::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    future::{self, Either, Fuse, LocalBoxFuture},
    pin_mut, select_biased,
};
use std::collections::VecDeque;

/// After a turn was continued its events count on from here, so that none has the number of one that its writer before
/// may have shown without storing it.
const NUMBERS_APART: u64 = 100_000;
/// Room in an item for what stands beside events and messages.
const ITEM_OVERHEAD_BYTES: usize = 4_000;
/// Of the text that the memory is told.
const SAID_MAX_CHARS: usize = 4_000;

/// What the agent tells the recorder.
pub enum Note {
    Event(ChatEvent),
    /// A round of model and tools is over: from here the turn can be continued.
    Messages(Vec<Message>),
}

/// The way from the agent to the recorder.
#[derive(Clone)]
pub struct Notes(UnboundedSender<Note>);

/// Nobody takes notes any more: the turn was stopped, or is another's.
#[derive(Debug)]
pub struct Gone;

impl Notes {
    pub fn event(&self, event: ChatEvent) -> Result<(), Gone> {
        self.0.unbounded_send(Note::Event(event)).map_err(|_| Gone)
    }

    pub fn messages(&self, messages: Vec<Message>) -> Result<(), Gone> {
        self.0.unbounded_send(Note::Messages(messages)).map_err(|_| Gone)
    }
}

/// Where a turn begins.
pub enum From {
    Beginning,
    /// After a writer that was not heard of any more: its log, with this writer's first piece at its end.
    Log(Log),
}

/// Runs a turn to its end.
pub async fn drive(context: Context, turn: Turn, from: From, live: Live) {
    let id = turn.id();
    let (tell, told) = oneshot::channel();
    if context.host.requests_may_meet() && turn.store.is_some() {
        lock(&context.edge.running).insert(id.clone(), tell);
    }
    let (sender, notes) = mpsc::unbounded();
    let (log, said) = match from {
        From::Beginning => (Log::default(), Vec::new()),
        From::Log(log) => {
            let said = log.messages();
            (log, said)
        }
    };
    let recorder = Recorder::new(&context, &turn, &log, live);
    let agent = run(context.clone(), turn.clone(), Notes(sender), said);
    let recorded = recorder.record(notes, told);
    pin_mut!(agent, recorded);
    // Whichever way the recorder ends, an agent that still runs ends with it, and its statements are cancelled.
    let answer = match future::select(agent, recorded).await {
        Either::Left(((), recorded)) => recorded.await,
        Either::Right((answer, _)) => answer,
    };
    lock(&context.edge.running).remove(&id);
    if let Some(text) = answer {
        memory::note(&context, &turn.viewer, &turn.head, &text).await;
    }
}

/// The agent, and the events at its end.
async fn run(context: Context, turn: Turn, notes: Notes, said: Vec<Message>) {
    let result = context
        .within(TURN_MAX_MS, agent::run(&context, &turn, &notes, said))
        .await
        .unwrap_or_else(|| {
            Err(agent::Ended::Failed(
                Failure::timeout(MODEL, format!("the turn took longer than {TURN_MAX_MS} ms"))
                    .with_action("Ask a simpler question."),
            ))
        });
    let state = match result {
        Ok(()) => TurnState::Complete,
        Err(agent::Ended::Gone) => return,
        Err(agent::Ended::Failed(failure)) => {
            note_failure(&context, &turn.id(), &failure);
            let envelope = failure.envelope(context.host.now_ms(), &context.correlation_id);
            let _ = notes.event(ChatEvent::Error(envelope));
            TurnState::Failed
        }
    };
    let _ = notes.event(ChatEvent::Done { state });
}

/// Ends a turn whose writer is gone.
///
/// # Errors
/// The store.
pub async fn finish_abandoned(
    context: &Context,
    store: &Store,
    turn: &TurnKey,
    log: &Log,
    state: TurnState,
    mut events: Vec<ChatEvent>,
) -> Result<Vec<Numbered>, Failure> {
    events.push(ChatEvent::Done { state });
    let events: Vec<Numbered> = events
        .into_iter()
        .zip(log.last_n() + NUMBERS_APART..)
        .map(|(event, n)| Numbered { n, event })
        .collect();
    let piece = Piece {
        number: log.next_number(),
        events: events.clone(),
        messages: Vec::new(),
        state: Some(state),
        lease_until_ms: context.host.now_ms(),
        attempt: log.attempt(),
        writer: context.random_id()?,
    };
    store.append(turn, &piece).await?;
    Ok(events)
}

/// Tries to become the writer of a turn whose lease is over: the piece that says so. None if another was faster.
///
/// # Errors
/// The store.
pub async fn take_over(context: &Context, store: &Store, turn: &TurnKey, log: &Log) -> Result<Option<Piece>, Failure> {
    // Only whole rounds can be continued from; what came after the last one is said again.
    let after = last_whole_result(log);
    let piece = Piece {
        number: log.next_number(),
        events: vec![Numbered {
            n: log.last_n() + NUMBERS_APART,
            event: ChatEvent::Reset { after },
        }],
        messages: Vec::new(),
        state: None,
        lease_until_ms: context.host.now_ms() + LEASE_MS,
        attempt: log.attempt() + 1,
        writer: context.random_id()?,
    };
    Ok(store.append(turn, &piece).await?.then_some(piece))
}

/// The id of the last tool call whose result the model has been told; empty if there is none.
fn last_whole_result(log: &Log) -> String {
    use concert_aws::bedrock::ContentBlock;
    let messages = log.messages();
    let told: Vec<&str> = messages
        .iter()
        .flat_map(|message| &message.content)
        .filter_map(|block| match block {
            ContentBlock::ToolResult(result) => Some(result.tool_use_id.as_str()),
            _ => None,
        })
        .collect();
    log.events()
        .filter_map(|numbered| match &numbered.event {
            ChatEvent::ToolResult(result) if told.contains(&result.id.as_str()) => Some(result.id.clone()),
            _ => None,
        })
        .last()
        .unwrap_or_default()
}

/// Something that waits to be stored.
enum Entry {
    Event(Numbered),
    Message(Message),
}

struct Recorder {
    context: Context,
    key: TurnKey,
    store: Option<Store>,
    live: Live,
    writer: String,
    /// Of the next event and the next piece.
    n: u64,
    number: u32,
    attempt: u64,
    waiting: VecDeque<(Entry, usize)>,
    writes: u32,
    interval_ms: u64,
    /// When what waits is due.
    due_ms: Option<u64>,
    lease_until_ms: u64,
    /// Until when this writer can be at work.
    deadline_ms: u64,
    state: Option<TurnState>,
    /// The beginning of what was said, for the memory.
    said: String,
}

enum Wrote {
    Yes,
    /// Another writer has the turn, or it was deleted.
    Lost,
    Failed(Piece),
}

impl Recorder {
    fn new(context: &Context, turn: &Turn, log: &Log, live: Live) -> Recorder {
        let now_ms = context.host.now_ms();
        Recorder {
            context: context.clone(),
            key: turn.head.key.clone(),
            store: turn.store.clone(),
            live,
            // Without randomness nothing gets this far.
            writer: context.random_id().unwrap_or_default(),
            n: log.last_n() + 1,
            number: log.next_number(),
            attempt: log.attempt(),
            waiting: VecDeque::new(),
            writes: 0,
            interval_ms: STORE_FIRST_MS,
            due_ms: None,
            lease_until_ms: log.lease_until_ms(&turn.head),
            deadline_ms: now_ms + TURN_MAX_MS,
            state: None,
            said: String::new(),
        }
    }

    /// Until the turn is over, stopped, or lost. Gives what was said if it is complete.
    async fn record(mut self, mut notes: UnboundedReceiver<Note>, told: oneshot::Receiver<()>) -> Option<String> {
        let mut told = told.fuse();
        let mut polling: Fuse<LocalBoxFuture<'static, bool>> = Fuse::terminated();
        let mut next_poll_ms = self.now_ms() + STOP_POLL_MS;
        let mut writing: Fuse<LocalBoxFuture<'static, Wrote>> = Fuse::terminated();
        let mut is_writing = false;
        let mut is_polling = false;
        while self.state.is_none() {
            let now_ms = self.now_ms();
            if !is_writing && self.is_due(now_ms) {
                writing = self.write(None).fuse();
                is_writing = true;
            }
            if !is_polling && self.store.is_some() && now_ms >= next_poll_ms {
                polling = self.poll().fuse();
                is_polling = true;
            }
            let mut timer = self.timer(now_ms, is_writing, is_polling, next_poll_ms).fuse();
            select_biased! {
                note = notes.next() => match note {
                    Some(note) => self.take(note),
                    // The agent is dropped together with its end of the channel only when it has ended.
                    None => break,
                },
                wrote = &mut writing => {
                    is_writing = false;
                    match wrote {
                        Wrote::Yes => {}
                        Wrote::Lost => return None,
                        Wrote::Failed(piece) => self.put_back(piece),
                    }
                }
                must_stop = &mut polling => {
                    is_polling = false;
                    next_poll_ms = self.now_ms() + STOP_POLL_MS;
                    if must_stop {
                        self.take(Note::Event(ChatEvent::Done { state: TurnState::Stopped }));
                    }
                }
                told = &mut told => {
                    if told.is_ok() {
                        self.take(Note::Event(ChatEvent::Done { state: TurnState::Stopped }));
                    }
                }
                () = &mut timer => {}
            }
            if self.store.is_none() && self.live.is_closed() {
                return None;
            }
        }
        // From here on the agent has nobody to tell.
        drop(notes);
        if is_writing {
            match writing.await {
                Wrote::Yes => {}
                Wrote::Lost => return None,
                Wrote::Failed(piece) => self.put_back(piece),
            }
        }
        self.close().await
    }

    /// Stores what is left and lets the reader go.
    async fn close(mut self) -> Option<String> {
        let state = self.state?;
        let mut failures = 0;
        while self.store.is_some() {
            // An item that is full leaves the rest to the next one; the last one says that the turn is over.
            match self.write(Some(state)).await {
                Wrote::Yes if self.waiting.is_empty() => break,
                Wrote::Yes => {}
                Wrote::Lost => return None,
                Wrote::Failed(piece) => {
                    self.put_back(piece);
                    failures += 1;
                    if failures > 1 {
                        self.context.log(
                            Level::Error,
                            &format!("turn {}: its end could not be stored", self.key.id()),
                        );
                        break;
                    }
                }
            }
        }
        // Whoever has seen the end finds it in the store.
        let _ = self.live.unbounded_send(Numbered {
            n: self.n - 1,
            event: ChatEvent::Done { state },
        });
        (state == TurnState::Complete && self.store.is_some()).then_some(self.said)
    }

    fn take(&mut self, note: Note) {
        let now_ms = self.now_ms();
        match note {
            Note::Event(event) => {
                if let ChatEvent::Text { delta } = &event
                    && self.said.len() < SAID_MAX_CHARS
                {
                    self.said.push_str(delta);
                }
                let is_result = matches!(event, ChatEvent::ToolResult(_));
                let done = match &event {
                    ChatEvent::Done { state } => Some(*state),
                    _ => None,
                };
                let numbered = Numbered { n: self.n, event };
                self.n += 1;
                if done.is_none() {
                    // A reader who has left misses nothing.
                    let _ = self.live.unbounded_send(numbered.clone());
                }
                if self.store.is_some() {
                    let bytes = serde_json::to_string(&numbered).map_or(0, |json| json.len() + 1);
                    self.waiting.push_back((Entry::Event(numbered), bytes));
                }
                self.state = done;
                let at_ms = now_ms + if is_result { 0 } else { self.interval_ms };
                self.due_ms = Some(self.due_ms.map_or(at_ms, |due| due.min(at_ms)));
            }
            Note::Messages(messages) => {
                for message in messages {
                    let bytes = serde_json::to_string(&message).map_or(0, |json| json.len() + 1);
                    self.waiting.push_back((Entry::Message(message), bytes));
                }
                self.due_ms = Some(now_ms);
            }
        }
    }

    /// Two writes are kept: one that holds the lease to the turn's last moment, and the end.
    fn may_write(&self) -> bool {
        self.store.is_some() && self.writes + 1 < STORE_WRITES_MAX
    }

    fn is_last_before_end(&self) -> bool {
        self.writes + 2 >= STORE_WRITES_MAX
    }

    fn is_due(&self, now_ms: u64) -> bool {
        let is_waiting = !self.waiting.is_empty() && self.due_ms.is_some_and(|due| due <= now_ms);
        let needs_lease = self.lease_until_ms < now_ms + LEASE_MS / 2;
        self.may_write() && (is_waiting || needs_lease)
    }

    fn timer(&self, now_ms: u64, is_writing: bool, is_polling: bool, next_poll_ms: u64) -> LocalBoxFuture<'static, ()> {
        let mut at_ms = Vec::new();
        if !is_writing && self.may_write() {
            at_ms.extend(self.due_ms.filter(|_| !self.waiting.is_empty()));
            at_ms.push((self.lease_until_ms + 1).saturating_sub(LEASE_MS / 2));
        }
        if !is_polling && self.store.is_some() {
            at_ms.push(next_poll_ms);
        }
        if self.store.is_none() {
            // Whether the reader has left is only seen by looking.
            at_ms.push(now_ms + STOP_POLL_MS);
        }
        match at_ms.into_iter().min() {
            Some(at_ms) => self.context.host.sleep(at_ms.saturating_sub(now_ms).max(1)),
            None => future::pending().boxed_local(),
        }
    }

    /// Puts the next piece with as much as an item holds. With `state` it may be the last.
    fn write(&mut self, state: Option<TurnState>) -> LocalBoxFuture<'static, Wrote> {
        let Some(store) = self.store.clone() else {
            return future::ready(Wrote::Yes).boxed_local();
        };
        let mut bytes = ITEM_OVERHEAD_BYTES;
        let (mut events, mut messages) = (Vec::new(), Vec::new());
        while let Some((_, more)) = self.waiting.front() {
            let is_full = bytes + more > ITEM_MAX_BYTES && !(events.is_empty() && messages.is_empty());
            if is_full {
                break;
            }
            bytes += more;
            match self.waiting.pop_front() {
                Some((Entry::Event(event), _)) => events.push(event),
                Some((Entry::Message(message), _)) => messages.push(message),
                None => break,
            }
        }
        let now_ms = self.now_ms();
        self.lease_until_ms = if self.is_last_before_end() {
            self.deadline_ms.max(now_ms) + LEASE_MS
        } else {
            now_ms + LEASE_MS
        };
        self.due_ms = (!self.waiting.is_empty()).then_some(now_ms);
        self.interval_ms = (self.interval_ms * 2).min(STORE_INTERVAL_MAX_MS);
        self.writes += 1;
        let piece = Piece {
            number: self.number,
            events,
            messages,
            state: state.filter(|_| self.waiting.is_empty()),
            lease_until_ms: self.lease_until_ms,
            attempt: self.attempt,
            writer: format!("{}.{}", self.writer, self.number),
        };
        self.number += 1;
        let (context, key) = (self.context.clone(), self.key.clone());
        async move {
            match store.append(&key, &piece).await {
                Ok(true) => Wrote::Yes,
                Ok(false) => Wrote::Lost,
                Err(failure) => {
                    note_failure(&context, &key.id(), &failure);
                    Wrote::Failed(piece)
                }
            }
        }
        .boxed_local()
    }

    /// What could not be stored goes with the next piece, which takes the same number.
    fn put_back(&mut self, piece: Piece) {
        self.number = piece.number;
        for message in piece.messages.into_iter().rev() {
            let bytes = serde_json::to_string(&message).map_or(0, |json| json.len() + 1);
            self.waiting.push_front((Entry::Message(message), bytes));
        }
        for event in piece.events.into_iter().rev() {
            let bytes = serde_json::to_string(&event).map_or(0, |json| json.len() + 1);
            self.waiting.push_front((Entry::Event(event), bytes));
        }
        self.due_ms = Some(self.now_ms() + self.interval_ms);
    }

    /// Whether somebody wants the turn to stop. One that was deleted stops too.
    fn poll(&self) -> LocalBoxFuture<'static, bool> {
        let (store, key) = (self.store.clone(), self.key.clone());
        async move {
            match store {
                None => false,
                Some(store) => match store.head(&key).await {
                    Ok(head) => head.is_none_or(|head| head.is_stopping),
                    // Asked again at the next look.
                    Err(_) => false,
                },
            }
        }
        .boxed_local()
    }

    fn now_ms(&self) -> u64 {
        self.context.host.now_ms()
    }
}
