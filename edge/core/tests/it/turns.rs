//! Turns in the store: what outlives a connection, a process and an impatient client.

use crate::{
    chat::{conversation, events, names, question, scripted, whole},
    world::{
        Answer, NOW_MS, Reply, World, WorldHost, answer, ask, block_stop, edge_with, executed, get, post, stop, text,
        tool,
    },
};
use concert_contract::chat::{ChatEvent, TurnState};
use concert_edge::{Body, Edge, Host, limits::LEASE_MS};
use futures::StreamExt;
use http::Request;
use serde_json::{Value, json};
use std::rc::Rc;

/// The first answer sets a cookie; this adds it to later requests.
fn as_guest(mut request: Request<Body>, cookie: &str) -> Request<Body> {
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    request
}

fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

fn turn_of(answer: &Answer) -> String {
    match events(answer).first() {
        Some(ChatEvent::Ack { turn, .. }) => turn.clone(),
        other => panic!("{other:?}"),
    }
}

fn cookie(world: &Rc<World>, edge: &Edge) -> String {
    ask(world, edge, get("/api/catalogue")).cookie()
}

/// Reads a turn until `wanted` was seen, then leaves.
fn read_until(world: &Rc<World>, edge: &Edge, request: Request<Body>, wanted: &str) -> String {
    let host = Rc::new(WorldHost(world.clone()));
    world.run(async {
        let mut body = edge.handle(host, request).await.into_body();
        let mut seen = String::new();
        while !seen.contains(wanted) {
            seen.push_str(std::str::from_utf8(&body.next().await.expect(wanted).unwrap()).unwrap());
        }
        seen
    })
}

fn turn_in(seen: &str) -> String {
    let at = seen.find("\"turn\":\"").unwrap() + 8;
    seen[at..].split('"').next().unwrap().to_owned()
}

#[test]
fn a_turn_is_stored_before_it_is_streamed_and_read_again_is_the_same() {
    let [first, second] = conversation();
    let (world, edge) = scripted([whole(&first), whole(&second)]);
    let guest = cookie(&world, &edge);
    let told = ask(
        &world,
        &edge,
        with(as_guest(question(), &guest), "idempotency-key", "k1"),
    );
    let turn = turn_of(&told);
    let asked = world.sent("converse-stream").len();

    let again = ask(
        &world,
        &edge,
        with(as_guest(question(), &guest), "idempotency-key", "k1"),
    );
    assert_eq!(again.body, told.body);
    let replayed = ask(
        &world,
        &edge,
        as_guest(get(&format!("/api/chat/{turn}/events")), &guest),
    );
    assert_eq!(replayed.body, told.body);
    let rest = with(
        as_guest(get(&format!("/api/chat/{turn}/events")), &guest),
        "last-event-id",
        &format!("{turn}.4"),
    );
    let rest = ask(&world, &edge, rest);
    assert!(
        told.body.ends_with(&rest.body) && rest.body.starts_with(&format!("id: {turn}.5\n")),
        "{}",
        rest.body
    );
    let as_json = with(
        as_guest(get(&format!("/api/chat/{turn}/events")), &guest),
        "accept",
        "application/json",
    );
    assert_eq!(
        ask(&world, &edge, as_json).json()["text"],
        "Washington saw the most people."
    );
    assert_eq!(world.sent("converse-stream").len(), asked, "nothing was asked again");
    assert!(world.dynamo.borrow().with_prefix("LOG#").len() <= 24);
}

#[test]
fn the_head_is_there_before_the_model_is_asked() {
    let [first, second] = conversation();
    let (world, edge) = scripted([whole(&first), whole(&second)]);
    world.store_is_down.set(true);
    let refused = ask(&world, &edge, question());
    assert_eq!((refused.status, refused.code().as_str()), (502, "upstream_unavailable"));
    assert!(world.sent("converse-stream").is_empty(), "no turn without a store");
}

#[test]
fn a_key_is_good_for_one_question_of_one_person() {
    let [first, second] = conversation();
    let (world, edge) = scripted([whole(&first), whole(&second), whole(&first), whole(&second)]);
    let guest = cookie(&world, &edge);
    let told = ask(
        &world,
        &edge,
        with(as_guest(question(), &guest), "idempotency-key", "k1"),
    );
    let other = post(
        "/api/chat",
        r#"{"message": "another question", "conversation_id": "c1"}"#,
    );
    let refused = ask(&world, &edge, with(as_guest(other, &guest), "idempotency-key", "k1"));
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "idempotency_key_reused")
    );
    let stranger = ask(&world, &edge, with(question(), "idempotency-key", "k1"));
    assert_ne!(turn_of(&stranger), turn_of(&told));
    let wrong = ask(
        &world,
        &edge,
        with(as_guest(question(), &guest), "idempotency-key", &"x".repeat(201)),
    );
    assert_eq!(wrong.code(), "bad_idempotency_key");
}

#[test]
fn closing_the_connection_is_no_stop() {
    let [first, second] = conversation();
    let (world, edge) = scripted([whole(&first), whole(&second)]);
    let guest = cookie(&world, &edge);
    let seen = read_until(&world, &edge, as_guest(question(), &guest), "event: ack");
    world.run_detached();
    let turn = turn_in(&seen);
    let replayed = ask(
        &world,
        &edge,
        as_guest(get(&format!("/api/chat/{turn}/events")), &guest),
    );
    assert!(names(&replayed).ends_with(&["follow_ups", "done"]), "{}", replayed.body);
}

#[test]
fn whoever_leaves_while_the_turn_is_stored_has_asked_all_the_same() {
    let [first, second] = conversation();
    let (world, edge) = scripted([whole(&first), whole(&second)]);
    let guest = cookie(&world, &edge);
    let host = Rc::new(WorldHost(world.clone()));
    world.run(async {
        let mut asked = Box::pin(edge.handle(host, as_guest(question(), &guest)));
        assert!(futures::poll!(&mut asked).is_pending());
    });
    world.run_detached();
    let read = ask(&world, &edge, as_guest(get("/api/history/c1"), &guest)).json();
    assert_eq!(read["messages"][0]["state"], "complete", "{read}");
}

/// A text now and then, for longer than all intervals of the store together.
fn slow_words() -> Reply {
    Reply::Slow((0..120).map(|n| text(0, &format!("word{n} "))).collect(), 1_000)
}

#[test]
fn a_long_turn_is_written_at_growing_intervals_and_at_most_24_times() {
    let (world, edge) = scripted([slow_words()]);
    let guest = cookie(&world, &edge);
    let answer = ask(&world, &edge, as_guest(question(), &guest));
    assert_eq!(answer.body.matches("event: text").count(), 120);
    let dynamo = world.dynamo.borrow();
    let pieces = dynamo.with_prefix("LOG#");
    assert!((20..=24).contains(&pieces.len()), "{}", pieces.len());
    assert!(pieces.last().unwrap().contains_key("state"));
    // From the last write before the end on the lease holds as long as the turn may take.
    let lease = |at: usize| {
        pieces[at]["lease_until_ms"]["N"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(lease(pieces.len() - 2) >= NOW_MS + concert_edge::limits::TURN_MAX_MS);
}

#[test]
fn a_reader_follows_a_turn_that_another_request_writes() {
    let (world, edge) = scripted([slow_words()]);
    let guest = cookie(&world, &edge);
    let seen = read_until(&world, &edge, as_guest(question(), &guest), "word3 ");
    let turn = turn_in(&seen);
    let followed = ask(
        &world,
        &edge,
        as_guest(get(&format!("/api/chat/{turn}/events")), &guest),
    );
    assert_eq!(followed.body.matches("event: text").count(), 120);
    assert!(followed.body.trim_end().ends_with(r#"{"state":"complete"}"#) || followed.body.contains("event: error"));
    assert_eq!(world.sent("converse-stream").len(), 1);
}

#[test]
fn a_turn_can_be_stopped_from_elsewhere_and_here() {
    for may_meet in [false, true] {
        let (world, edge) = scripted([slow_words()]);
        world.may_meet.set(may_meet);
        let guest = cookie(&world, &edge);
        let seen = read_until(&world, &edge, as_guest(question(), &guest), "word3 ");
        let turn = turn_in(&seen);
        let stopped = ask(
            &world,
            &edge,
            as_guest(post(&format!("/api/chat/{turn}/stop"), ""), &guest),
        );
        assert_eq!((stopped.status, &stopped.json()["state"]), (200, &json!("running")));
        let before_ms = world.now();
        world.run_detached();
        assert!(world.now() - before_ms <= concert_edge::limits::STOP_POLL_MS + 1_000);
        let replayed = ask(
            &world,
            &edge,
            as_guest(get(&format!("/api/chat/{turn}/events")), &guest),
        );
        assert!(replayed.body.contains("word3 "), "what was said stays");
        assert!(
            matches!(
                events(&replayed).last(),
                Some(ChatEvent::Done {
                    state: TurnState::Stopped
                })
            ),
            "{}",
            replayed.body
        );
        let again = ask(
            &world,
            &edge,
            as_guest(post(&format!("/api/chat/{turn}/stop"), ""), &guest),
        );
        assert_eq!(again.json()["state"], "stopped");
    }
}

#[test]
fn stopping_cancels_the_statement_that_runs() {
    let [first, _] = conversation();
    let (world, edge) = scripted([whole(&first)]);
    world.may_meet.set(true);
    let guest = cookie(&world, &edge);
    world.on("select", [executed("s", "STARTED")]);
    world.on("DescribeStatement", [Reply::Hangs]);
    world.on("CancelStatement", [Reply::json(&json!({"Status": true}))]);
    let seen = read_until(&world, &edge, as_guest(question(), &guest), "event: tool_call");
    let turn = turn_in(&seen);
    ask(
        &world,
        &edge,
        as_guest(post(&format!("/api/chat/{turn}/stop"), ""), &guest),
    );
    world.run_detached();
    assert_eq!(world.sent("CancelStatement"), [json!({"Id": "s"})]);
}

#[test]
fn an_expired_lease_is_continued_from_the_last_finished_result() {
    let [first, second] = conversation();
    let half = answer(&[text(0, "Washington saw ")]);
    let (world, edge) = scripted([whole(&first), Reply::Silent(vec![half]), whole(&second)]);
    let guest = cookie(&world, &edge);
    let seen = read_until(&world, &edge, as_guest(question(), &guest), "Washington saw ");
    let turn = turn_in(&seen);
    let last_seen = seen
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap()
        .to_owned();
    // What is stored by then stays; the process does not.
    world.run(WorldHost(world.clone()).sleep(2_000));
    world.crash();
    world.pass(LEASE_MS + 1);
    let on = with(
        as_guest(get(&format!("/api/chat/{turn}/events")), &guest),
        "last-event-id",
        &last_seen,
    );
    let continued = ask(&world, &edge, on);
    let all = events(&continued);
    assert!(
        matches!(&all[0], ChatEvent::Reset { after } if after == "call-1"),
        "{}",
        continued.body
    );
    assert!(
        names(&continued).ends_with(&["usage", "follow_ups", "done"]),
        "{}",
        continued.body
    );
    assert_eq!(world.sent("select").len(), 1, "the query is not run again");
    let asked = world.sent("converse-stream");
    assert_eq!(
        asked[2]["messages"], asked[1]["messages"],
        "the model is asked from where it was"
    );

    let replayed = ask(
        &world,
        &edge,
        with(
            as_guest(get(&format!("/api/chat/{turn}/events")), &guest),
            "accept",
            "application/json",
        ),
    );
    assert_eq!(replayed.json()["text"], "Washington saw the most people.");
    let numbers: Vec<u64> = ask(
        &world,
        &edge,
        as_guest(get(&format!("/api/chat/{turn}/events")), &guest),
    )
    .body
    .lines()
    .filter_map(|line| line.strip_prefix("id: ")?.rsplit('.').next()?.parse().ok())
    .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

#[test]
fn a_turn_that_breaks_off_again_and_again_is_given_up() {
    let silent = Reply::Silent(vec![answer(&[text(0, "Wash")])]);
    let (world, edge) = scripted([silent]);
    let guest = cookie(&world, &edge);
    let seen = read_until(&world, &edge, as_guest(question(), &guest), "Wash");
    let turn = turn_in(&seen);
    for _ in 0..concert_edge::limits::ATTEMPTS_MAX {
        world.crash();
        world.pass(LEASE_MS + 1);
        read_until(
            &world,
            &edge,
            as_guest(get(&format!("/api/chat/{turn}/events")), &guest),
            "event: reset",
        );
    }
    world.crash();
    world.pass(LEASE_MS + 1);
    let given_up = ask(
        &world,
        &edge,
        as_guest(get(&format!("/api/chat/{turn}/events")), &guest),
    );
    assert!(given_up.body.contains("turn_abandoned"), "{}", given_up.body);
    assert!(given_up.body.trim_end().ends_with(r#"{"state":"failed"}"#));
}

#[test]
fn the_next_question_is_told_what_was_said_before() {
    let [first, second] = conversation();
    let (world, edge) = scripted([whole(&first), whole(&second), whole(&first), whole(&second)]);
    let guest = cookie(&world, &edge);
    ask(&world, &edge, as_guest(question(), &guest));
    ask(
        &world,
        &edge,
        as_guest(
            post("/api/chat", r#"{"message": "and by year?", "conversation_id": "c1"}"#),
            &guest,
        ),
    );
    let asked = world.sent("converse-stream");
    let messages = asked[2]["messages"].as_array().unwrap();
    let roles: Vec<&Value> = messages.iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant", "user"]);
    // The made result of `finish`, and the new question after it.
    assert_eq!(messages[4]["content"][0]["toolResult"]["toolUseId"], "call-2");
    assert_eq!(messages[4]["content"][1]["text"], "and by year?");
}

#[test]
fn without_a_table_a_turn_lives_in_its_request() {
    let [first, second] = conversation();
    let world = World::new();
    let edge = edge_with(&world, &[("CONCERT_TABLE", "")]);
    world.on("converse-stream", [whole(&first), whole(&second)]);
    let answer = ask(&world, &edge, question());
    assert!(names(&answer).ends_with(&["follow_ups", "done"]), "{}", answer.body);
    assert!(world.dynamo.borrow().calls.is_empty());
    let turn = turn_of(&answer);
    for request in [
        get("/api/history"),
        get(&format!("/api/chat/{turn}/events")),
        post(&format!("/api/chat/{turn}/stop"), ""),
    ] {
        assert_eq!(ask(&world, &edge, request).code(), "not_available_yet");
    }
}

#[test]
fn tools_of_one_round_run_at_the_same_time_and_their_results_keep_the_order() {
    let query = json!({"query": {"metrics": ["attendance"], "dimensions": ["city"], "limit": 2}});
    let calls: Vec<Vec<u8>> = (0..4)
        .map(|at| tool(at, &format!("call-{at}"), "query_data", &query))
        .collect();
    let mut first = calls;
    first.push(stop("tool_use"));
    let last = answer(&[text(0, "Done."), block_stop(0), stop("end_turn")]);
    let (world, edge) = scripted([whole(&answer(&first)), whole(&last)]);
    let told = ask(&world, &edge, question());
    let results = told.body.matches("event: tool_result").count();
    assert_eq!(results, 4, "{}", told.body);
    let content = &world.sent("converse-stream")[1]["messages"][2]["content"];
    let ids: Vec<&Value> = content
        .as_array()
        .unwrap()
        .iter()
        .map(|block| &block["toolResult"]["toolUseId"])
        .collect();
    assert_eq!(ids, ["call-0", "call-1", "call-2", "call-3"]);
}

#[test]
fn budgets_of_turn_and_day_end_a_turn_before_the_next_call() {
    let [first, second] = conversation();
    let world = World::new();
    // A round has 100 tokens in and 20 out.
    let edge = edge_with(
        &world,
        &[("CONCERT_BUDGET_TURN", "/100"), ("CONCERT_MODELS", "a.b:0=1000/0")],
    );
    world.on("converse-stream", [whole(&first), whole(&second)]);
    let answer = ask(&world, &edge, question());
    assert!(answer.body.contains("turn_budget_used_up"), "{}", answer.body);
    assert!(answer.body.contains(r#""cost":0.1"#), "{}", answer.body);

    let world = World::new();
    let edge = edge_with(
        &world,
        &[("CONCERT_BUDGET_DAY", "0.20/"), ("CONCERT_MODELS", "a.b:0=1000/0")],
    );
    world.on("converse-stream", [whole(&first), whole(&second)]);
    let guest = cookie(&world, &edge);
    assert!(names(&ask(&world, &edge, as_guest(question(), &guest))).contains(&"follow_ups"));
    let refused = ask(&world, &edge, as_guest(post("/chat", r#"{"message": "x"}"#), &guest));
    assert_eq!((refused.status, refused.code().as_str()), (429, "day_budget_used_up"));
    assert!(refused.headers.contains_key("retry-after"));
    world.on("converse-stream", [whole(&first), whole(&second)]);
    let stranger = ask(&world, &edge, post("/chat", r#"{"message": "x"}"#));
    assert_eq!(
        stranger.status, 200,
        "each has a budget of their own: {}",
        stranger.body
    );
}
