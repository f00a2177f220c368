//! A world in memory. Upstream answers come from a script; time stands still until everything waits for it.

use crate::dynamo::Dynamo;
use bytes::Bytes;
use concert_aws::eventstream::{Header, HeaderValue, Message, encode};
use concert_edge::{Body, BodyError, Edge, Host, Level, SendError};
use futures::{FutureExt, StreamExt, future::LocalBoxFuture, stream};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// 2026-03-31T12:00:00Z.
pub const NOW_MS: u64 = 1_774_958_400_000;

/// An answer of an upstream service.
#[derive(Clone)]
pub enum Reply {
    /// Status, headers, body.
    Whole(u16, Vec<(&'static str, &'static str)>, Vec<u8>),
    /// A success whose body comes in pieces, and then ends.
    Pieces(Vec<Vec<u8>>),
    /// A success whose body comes in pieces, and then breaks.
    Broken(Vec<Vec<u8>>),
    /// A success whose body comes in pieces, and then never ends.
    Silent(Vec<Vec<u8>>),
    /// As `Pieces`, with so many milliseconds before each.
    Slow(Vec<Vec<u8>>, u64),
    Unreachable,
    /// The connection stands, no answer comes.
    Hangs,
}

impl Reply {
    pub fn json(value: &Value) -> Reply {
        Reply::Whole(200, vec![], value.to_string().into_bytes())
    }

    pub fn error(status: u16, code: &'static str) -> Reply {
        let body = json!({"message": format!("secret words of the service about {code}")}).to_string();
        Reply::Whole(status, vec![("x-amzn-errortype", code)], body.into_bytes())
    }
}

type Timer = (u64, Rc<Cell<bool>>, Rc<RefCell<Option<Waker>>>);

#[derive(Default)]
pub struct World {
    now_ms: Cell<u64>,
    random: Cell<u8>,
    timers: RefCell<Vec<Timer>>,
    detached: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    pub log: RefCell<Vec<String>>,
    /// What was sent: the operation, and its body.
    pub sent: RefCell<Vec<(String, Value)>>,
    pub waits_ms: RefCell<Vec<u64>>,
    pub dynamo: RefCell<Dynamo>,
    /// A store that cannot be reached.
    pub store_is_down: Cell<bool>,
    /// Whether the Redshift Data API has AWS's quotas; what was refused by them.
    pub has_quotas: Cell<bool>,
    pub throttled: RefCell<Vec<String>>,
    calls_at_ms: RefCell<BTreeMap<String, Vec<u64>>>,
    /// Whether one request may wake another.
    pub may_meet: Cell<bool>,
    /// By operation, in order; the last one of a list is used again and again.
    replies: RefCell<BTreeMap<String, VecDeque<Reply>>>,
}

pub struct WorldHost(pub Rc<World>);

impl World {
    pub fn new() -> Rc<World> {
        let world = World::default();
        world.now_ms.set(NOW_MS);
        Rc::new(world)
    }

    /// The answers to an operation: `converse-stream`, `converse`, `publication`, `values`, `health`, `select`,
    /// `DescribeStatement`, `GetStatementResult/ID`.
    pub fn on(&self, operation: &str, replies: impl IntoIterator<Item = Reply>) {
        self.replies
            .borrow_mut()
            .insert(operation.to_owned(), replies.into_iter().collect());
    }

    pub fn sent(&self, operation: &str) -> Vec<Value> {
        self.sent
            .borrow()
            .iter()
            .filter(|(name, _)| name == operation)
            .map(|(_, body)| body.clone())
            .collect()
    }

    pub fn pass(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
    }

    /// Counts a call; the quotas are those of any second.
    fn is_over_quota(&self, target: &str) -> bool {
        let quota = match target {
            "RedshiftData.ExecuteStatement" => 30,
            "RedshiftData.GetStatementResult" => 20,
            "RedshiftData.DescribeStatement" => 100,
            _ => return false,
        };
        let mut calls = self.calls_at_ms.borrow_mut();
        let times = calls.entry(target.to_owned()).or_default();
        times.retain(|at| at + 1_000 > self.now());
        let is_over = self.has_quotas.get() && times.len() >= quota;
        if !is_over {
            times.push(self.now());
        }
        is_over
    }

    pub fn throttled_of(&self, operation: &str) -> usize {
        self.throttled.borrow().iter().filter(|name| *name == operation).count()
    }

    pub fn now(&self) -> u64 {
        self.now_ms.get()
    }

    pub fn log_text(&self) -> String {
        self.log.borrow().join("\n")
    }

    fn reply(&self, operation: &str) -> Reply {
        let mut replies = self.replies.borrow_mut();
        let Some(queue) = replies.get_mut(operation) else {
            panic!("nothing is scripted for {operation}")
        };
        if queue.len() > 1 {
            queue.pop_front().unwrap()
        } else {
            queue.front().expect("a reply").clone()
        }
    }

    /// Lets the earliest timer go off.
    fn advance(&self) -> bool {
        let mut timers = self.timers.borrow_mut();
        timers.retain(|(_, fired, waker)| !fired.get() && Rc::strong_count(waker) > 1);
        let Some(at) = (0..timers.len()).min_by_key(|at| timers[*at].0) else {
            return false;
        };
        let (deadline_ms, fired, waker) = timers.remove(at);
        self.now_ms.set(self.now_ms.get().max(deadline_ms));
        fired.set(true);
        if let Some(waker) = waker.borrow_mut().take() {
            waker.wake();
        }
        true
    }

    /// Runs `future` to its end, moving time only when everything waits.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        struct Flag(AtomicBool);
        impl Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(flag.clone());
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            // Those that these detach, and what waits for those that are done, come in the next round.
            let before = self.detached.borrow().len();
            let mut detached = std::mem::take(&mut *self.detached.borrow_mut());
            detached.retain_mut(|future| future.as_mut().poll(&mut context).is_pending());
            self.detached.borrow_mut().extend(detached);
            if self.detached.borrow().len() != before {
                continue;
            }
            if !flag.0.swap(false, Ordering::SeqCst) {
                assert!(self.advance(), "everything waits, and for nothing");
            }
        }
    }

    /// Runs what was detached to its end.
    pub fn run_detached(&self) {
        self.run(poll_fn(|_| match self.detached.borrow().is_empty() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }));
    }

    /// The process is gone, and what it had detached with it.
    pub fn crash(&self) {
        self.detached.borrow_mut().clear();
        self.timers.borrow_mut().clear();
    }
}

impl Host for WorldHost {
    fn send(&self, request: Request<Bytes>) -> LocalBoxFuture<'static, Result<Response<Body>, SendError>> {
        if request.uri().path().ends_with("/.well-known/jwks.json") {
            assert!(!request.headers().contains_key("authorization"));
            assert_eq!(request.uri().host(), Some("issuer.example.com"));
            self.0.sent.borrow_mut().push(("jwks".into(), Value::Null));
            let reply = self.0.reply("jwks");
            return answered(reply);
        }
        let authority = request.uri().authority().map(ToString::to_string);
        assert_eq!(
            authority.as_deref(),
            Some("127.0.0.1:4566"),
            "only the configured endpoint is called: {}",
            request.uri()
        );
        assert!(
            request.headers().contains_key("authorization"),
            "{} is not signed",
            request.uri()
        );
        let target = request
            .headers()
            .get("x-amz-target")
            .map(|target| target.to_str().unwrap().to_owned());
        if let Some(operation) = target
            .as_deref()
            .and_then(|target| target.strip_prefix("DynamoDB_20120810."))
        {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            if self.0.store_is_down.get() {
                return answered(Reply::Unreachable);
            }
            let (status, answer) = self.0.dynamo.borrow_mut().answer(operation, &body);
            let reply = Reply::Whole(status, vec![], answer.to_string().into_bytes());
            // Another request may come in between, as over a network.
            let pause = self.sleep(1);
            return async move {
                pause.await;
                answered(reply).await
            }
            .boxed_local();
        }
        let body: Value = match request.body().len() {
            0 => Value::Null,
            _ => serde_json::from_slice(request.body()).expect("a JSON body"),
        };
        let operation = operation(&request, &body);
        self.0.sent.borrow_mut().push((operation.clone(), body));
        let target = target.as_deref().unwrap_or_default();
        if self.0.is_over_quota(target) {
            self.0.throttled.borrow_mut().push(operation);
            return answered(Reply::error(400, "ThrottlingException"));
        }
        let reply = self.0.reply(&operation);
        if let Reply::Slow(pieces, ms) = reply {
            let host = WorldHost(self.0.clone());
            let slow = stream::iter(pieces).then(move |piece| {
                let pause = host.sleep(ms);
                async move {
                    pause.await;
                    Ok::<_, BodyError>(Bytes::from(piece))
                }
            });
            return futures::future::ready(Ok(Response::new(Body::stream(slow)))).boxed_local();
        }
        answered(reply)
    }

    fn requests_may_meet(&self) -> bool {
        self.0.may_meet.get()
    }

    fn now_ms(&self) -> u64 {
        self.0.now_ms.get()
    }

    /// Different each time, and the same in each run.
    fn random(&self, bytes: &mut [u8]) -> Result<(), String> {
        self.0.random.set(self.0.random.get().wrapping_add(1));
        bytes.fill(self.0.random.get());
        Ok(())
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        self.0.waits_ms.borrow_mut().push(ms);
        let fired = Rc::new(Cell::new(false));
        let waker = Rc::new(RefCell::new(None));
        self.0
            .timers
            .borrow_mut()
            .push((self.0.now_ms.get() + ms, fired.clone(), waker.clone()));
        poll_fn(move |context| {
            if fired.get() {
                return Poll::Ready(());
            }
            *waker.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .boxed_local()
    }

    fn log(&self, _: Level, line: &str) {
        self.0.log.borrow_mut().push(line.to_owned());
    }

    fn detach(&self, future: LocalBoxFuture<'static, ()>) {
        self.0.detached.borrow_mut().push(future);
    }
}

fn answered(reply: Reply) -> LocalBoxFuture<'static, Result<Response<Body>, SendError>> {
    async move {
        let pieces = |pieces: Vec<Vec<u8>>| stream::iter(pieces).map(|piece| Ok::<_, BodyError>(Bytes::from(piece)));
        Ok(match reply {
            Reply::Whole(status, headers, body) => {
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                for (name, value) in headers {
                    response.headers_mut().insert(name, value.parse().unwrap());
                }
                response
            }
            Reply::Pieces(all) => Response::new(Body::stream(pieces(all))),
            Reply::Broken(all) => Response::new(Body::stream(
                pieces(all).chain(stream::iter([Err(BodyError("connection reset by 10.0.0.7".into()))])),
            )),
            Reply::Silent(all) => Response::new(Body::stream(pieces(all).chain(stream::pending()))),
            Reply::Slow(..) => unreachable!("the host lets time pass"),
            Reply::Unreachable => return Err(SendError("connection refused by 10.0.0.7".into())),
            Reply::Hangs => std::future::pending().await,
        })
    }
    .boxed_local()
}

/// What a request is about.
fn operation(request: &Request<Bytes>, body: &Value) -> String {
    let path = request.uri().path();
    if let Some(operation) = path
        .rsplit_once('/')
        .filter(|_| path.starts_with("/model/"))
        .map(|(_, last)| last)
    {
        return operation.to_owned();
    }
    if let Some(rest) = path.strip_prefix("/memories/concert-localmem01/") {
        return format!("{} {rest}", request.method());
    }
    let target = request.headers()["x-amz-target"].to_str().unwrap();
    let name = target.strip_prefix("RedshiftData.").expect("the service's prefix");
    match name {
        "ExecuteStatement" => {
            let sql = body["Sql"].as_str().unwrap();
            if sql.contains("concert_dw.publication") {
                "publication".into()
            } else if sql.contains("concert_dw.catalogue_values") {
                "values".into()
            } else if sql == "SELECT 1" {
                "health".into()
            } else {
                "select".into()
            }
        }
        "GetStatementResult" => format!("GetStatementResult/{}", body["Id"].as_str().unwrap()),
        other => other.to_owned(),
    }
}

/// An edge over `world`, with what everything needs scripted: data about concerts, and health.
pub fn edge(world: &Rc<World>) -> Edge {
    edge_with(world, &[])
}

pub fn edge_with(world: &Rc<World>, settings: &[(&str, &str)]) -> Edge {
    edge_of(world, settings, concert_contract::catalogue::CONCERT_DW)
}

/// With a catalogue of its own, as TOML.
pub fn edge_of(world: &Rc<World>, settings: &[(&str, &str)], catalogue: &str) -> Edge {
    world.on("publication", [executed("p", "FINISHED")]);
    world.on("GetStatementResult/p", [Reply::json(&publication("snapshot-1"))]);
    world.on("values", [executed("v", "FINISHED")]);
    world.on("GetStatementResult/v", [Reply::json(&values())]);
    world.on("health", [executed("h", "FINISHED")]);
    world.on("converse", [Reply::error(400, "ValidationException")]);
    world.on("select", [executed("s", "FINISHED")]);
    world.on("GetStatementResult/s", [Reply::json(&attendance_by_city())]);
    let settings: BTreeMap<String, String> = [
        ("CONCERT_WORKGROUP", "concert"),
        ("CONCERT_MODELS", "local.planner"),
        ("CONCERT_COOKIE_KEY", "0123456789abcdef0123456789abcdef"),
        ("CONCERT_AWS_ENDPOINT", "http://127.0.0.1:4566"),
        ("CONCERT_TABLE", "concert"),
        ("AWS_ACCESS_KEY_ID", "concert"),
        ("AWS_SECRET_ACCESS_KEY", "concert-local-secret"),
    ]
    .iter()
    .chain(settings)
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect();
    let catalogue = concert_contract::catalogue::Catalogue::from_toml(catalogue).expect("a catalogue");
    Edge::with_catalogue("native", |name| settings.get(name).cloned(), catalogue).expect("complete settings")
}

pub fn executed(id: &str, status: &str) -> Reply {
    Reply::json(&json!({"Id": id, "Status": status, "Database": "dev", "WorkgroupName": "concert"}))
}

fn column(name: &str, type_name: &str) -> Value {
    json!({"name": name, "label": name, "typeName": type_name, "nullable": 1})
}

fn field(value: &Value) -> Value {
    match value {
        Value::Null => json!({"isNull": true}),
        Value::Bool(value) => json!({"booleanValue": value}),
        Value::Number(value) if value.is_i64() => json!({"longValue": value}),
        Value::Number(value) => json!({"doubleValue": value}),
        other => json!({"stringValue": other}),
    }
}

/// A page of `GetStatementResult`.
pub fn result(columns: &[(&str, &str)], rows: &[Value]) -> Value {
    json!({
        "ColumnMetadata": columns.iter().map(|(name, kind)| column(name, kind)).collect::<Vec<_>>(),
        "Records": rows.iter().map(|row| row.as_array().unwrap().iter().map(field).collect::<Vec<_>>()).collect::<Vec<_>>(),
        "TotalNumRows": rows.len(),
    })
}

pub fn publication(snapshot: &str) -> Value {
    let columns = [
        ("snapshot_id", "varchar"),
        ("published_at", "timestamp"),
        ("table_name", "varchar"),
        ("row_count", "int8"),
        ("first_day", "date"),
        ("last_complete_day", "date"),
        ("filled_columns", "varchar"),
    ];
    let row = |table: &str, rows: i64, filled: Value| {
        json!([
            snapshot,
            "2026-03-30 06:00:00",
            table,
            rows,
            "1987-09-03",
            "2002-11-04",
            filled.to_string()
        ])
    };
    result(
        &columns,
        &[
            row("artists", 1, json!(["artist_id", "name"])),
            row(
                "concerts",
                1049,
                json!([
                    "concert_id",
                    "artist_id",
                    "venue_id",
                    "event_date",
                    "status",
                    "total_attendance"
                ]),
            ),
            row("venues", 643, json!(["venue_id", "name", "city", "country"])),
        ],
    )
}

fn values() -> Value {
    let columns = [
        ("dimension", "varchar"),
        ("value", "varchar"),
        ("label", "varchar"),
        ("weight", "int8"),
        ("sounds_like", "varchar"),
    ];
    result(
        &columns,
        &[
            json!(["artist", "Fugazi", "Fugazi", 1049, null]),
            json!(["city", "Washington", "Washington", 90, null]),
            json!(["city", "New York", "New York", 40, null]),
            json!(["venue", "9:30 Club", "9:30 Club, Washington", 20, null]),
        ],
    )
}

/// Two rows for a query of attendance by city: a sum of integers is a NUMERIC in Redshift.
pub fn attendance_by_city() -> Value {
    let columns = [("city", "varchar"), ("attendance", "numeric")];
    result(
        &columns,
        &[json!(["Washington", "41520"]), json!(["New York", "30110"])],
    )
}

/// One frame of `ConverseStream`.
pub fn frame(event: &str, payload: &Value) -> Vec<u8> {
    let header = |name: &'static str, value: &str| Header::new(name, HeaderValue::String(value.to_owned().into()));
    let message = Message::new(Bytes::from(payload.to_string()))
        .add_header(header(":message-type", "event"))
        .add_header(header(":event-type", event))
        .add_header(header(":content-type", "application/json"));
    encode(&message).unwrap()
}

pub fn exception(kind: &str, message: &str) -> Vec<u8> {
    let header = |name: &'static str, value: &str| Header::new(name, HeaderValue::String(value.to_owned().into()));
    let message = Message::new(Bytes::from(json!({"message": message}).to_string()))
        .add_header(header(":message-type", "exception"))
        .add_header(header(":exception-type", kind));
    encode(&message).unwrap()
}

pub fn text(index: u32, text: &str) -> Vec<u8> {
    frame(
        "contentBlockDelta",
        &json!({"contentBlockIndex": index, "delta": {"text": text}}),
    )
}

pub fn block_stop(index: u32) -> Vec<u8> {
    frame("contentBlockStop", &json!({"contentBlockIndex": index}))
}

/// A tool call whose input comes in two pieces.
pub fn tool(index: u32, id: &str, name: &str, input: &Value) -> Vec<u8> {
    let input = input.to_string();
    let (first, second) = input.split_at(input.len() / 2);
    let delta = |piece: &str| {
        frame(
            "contentBlockDelta",
            &json!({"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}}),
        )
    };
    [
        frame(
            "contentBlockStart",
            &json!({"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": id, "name": name}}}),
        ),
        delta(first),
        delta(second),
        block_stop(index),
    ]
    .concat()
}

pub fn stop(reason: &str) -> Vec<u8> {
    [
        frame("messageStop", &json!({"stopReason": reason})),
        frame(
            "metadata",
            &json!({"usage": {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}, "metrics": {"latencyMs": 1}}),
        ),
    ]
    .concat()
}

/// A whole answer as one body.
pub fn answer(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = frame("messageStart", &json!({"role": "assistant"}));
    bytes.extend(parts.concat());
    bytes
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path)
        .header("host", "127.0.0.1:8080")
        .body(Body::empty())
        .unwrap()
}

pub fn post(path: &str, body: impl Into<String>) -> Request<Body> {
    Request::post(path)
        .header("host", "127.0.0.1:8080")
        .body(Body::from(body.into().into_bytes()))
        .unwrap()
}

/// An answer, read to its end.
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn code(&self) -> String {
        let envelope: concert_contract::error::ErrorEnvelope = serde_json::from_str(&self.body).expect("an envelope");
        assert_eq!(self.headers["x-correlation-id"], envelope.correlation_id);
        assert!(!envelope.error_message.is_empty());
        assert!(
            !self.body.contains("10.0.0.7") && !self.body.contains("secret words"),
            "{}",
            self.body
        );
        envelope.error_code
    }

    /// The cookie to send back.
    pub fn cookie(&self) -> String {
        self.headers["set-cookie"]
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    }
}

pub fn ask(world: &Rc<World>, edge: &Edge, request: Request<Body>) -> Answer {
    let host = Rc::new(WorldHost(world.clone()));
    world.run(async {
        let (parts, mut body) = edge.handle(host, request).await.into_parts();
        let mut whole = Vec::new();
        while let Some(piece) = body.next().await {
            whole.extend_from_slice(&piece.expect("a whole body"));
        }
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(whole).expect("text"),
        }
    })
}
