use crate::world::{Answer, Reply, World, answer, ask, block_stop, edge, edge_with, exception, post, stop, text, tool};
use concert_contract::chat::ChatEvent;
use concert_edge::{Body, Edge};
use http::Request;
use serde_json::{Value, json};
use std::rc::Rc;

fn query() -> Value {
    json!({
        "metrics": ["attendance"],
        "dimensions": ["city"],
        "order": [{"by": "attendance", "direction": "desc"}],
        "limit": 2,
    })
}

pub fn finish() -> Value {
    json!({
        "understood": [{"words": "best attended", "meaning": "metric attendance"}],
        "not_understood": ["please"],
        "confidence": 0.9,
        "follow_ups": [{"metrics": ["concerts"], "grain": "year"}, {"metrics": ["no such metric"]}],
    })
}

/// Asks for data, reads it, says a sentence, finishes.
pub fn conversation() -> [Vec<u8>; 2] {
    [
        answer(&[
            tool(0, "call-1", "query_data", &json!({"query": query()})),
            stop("tool_use"),
        ]),
        answer(&[
            text(0, "Washington saw "),
            text(0, "the most people."),
            block_stop(0),
            tool(1, "call-2", "finish", &finish()),
            stop("tool_use"),
        ]),
    ]
}

pub fn whole(bytes: &[u8]) -> Reply {
    Reply::Pieces(vec![bytes.to_vec()])
}

pub fn question() -> Request<Body> {
    post(
        "/api/chat",
        r#"{"message": "best attended cities please", "conversation_id": "c1"}"#,
    )
}

pub fn events(answer: &Answer) -> Vec<ChatEvent> {
    let records = answer.body.split("\n\n").filter(|record| record.starts_with("id:"));
    records
        .map(|record| {
            let field = |name: &str| record.lines().find_map(|line| line.strip_prefix(name)).expect(record);
            ChatEvent::parse(field("event: "), field("data: ")).expect(record)
        })
        .collect()
}

pub fn names(answer: &Answer) -> Vec<&'static str> {
    events(answer).iter().map(ChatEvent::name).collect()
}

fn error_code(answer: &Answer) -> String {
    let error = events(answer).into_iter().find_map(|event| match event {
        ChatEvent::Error(envelope) => Some(envelope),
        _ => None,
    });
    let error = error.unwrap_or_else(|| panic!("no error in {}", answer.body));
    assert_eq!(answer.headers["x-correlation-id"], error.correlation_id);
    assert!(
        !answer.body.contains("10.0.0.7") && !answer.body.contains("secret words"),
        "{}",
        answer.body
    );
    assert!(
        answer.body.trim_end().ends_with(r#"data: {"state":"failed"}"#),
        "{}",
        answer.body
    );
    error.error_code
}

/// The wire's shape is what is kept on file here; statement and sentence have their own files.
fn without_words(text: &str) -> String {
    ["\"sql\":\"", "\"summary\":\""]
        .iter()
        .fold(text.to_owned(), |text, field| {
            let mut kept = String::new();
            let mut rest = text.as_str();
            while let Some(at) = rest.find(field) {
                let (before, value) = rest.split_at(at + field.len());
                let mut escaped = false;
                let end = value.find(|char| {
                    let ends = char == '"' && !escaped;
                    escaped = char == '\\' && !escaped;
                    ends
                });
                let end = end.expect("a string ends");
                assert!(end > 10, "{field} is empty in {text}");
                kept.push_str(before);
                kept.push('…');
                rest = &value[end..];
            }
            kept + rest
        })
}

pub fn scripted(replies: impl IntoIterator<Item = Reply>) -> (Rc<World>, Edge) {
    let world = World::new();
    let edge = edge(&world);
    world.on("converse-stream", replies);
    (world, edge)
}

#[test]
fn a_turn_as_events() {
    let [first, second] = conversation();
    let (world, edge) = scripted([whole(&first), whole(&second)]);
    let answer = ask(&world, &edge, question());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/event-stream; charset=utf-8");
    insta::assert_snapshot!(without_words(&answer.body));

    // What the model was told: the question, the tools, who asks and when; then the result of its tool.
    let asked = world.sent("converse-stream");
    assert_eq!(
        asked[0]["messages"],
        json!([{"role": "user", "content": [{"text": "best attended cities please"}]}])
    );
    assert!(
        asked[0]["requestMetadata"]["prompt"]
            .as_str()
            .unwrap()
            .starts_with("20")
    );
    assert_eq!(asked[0]["requestMetadata"]["today"], "2026-03-31");
    assert_eq!(asked[0]["requestMetadata"]["role"], "guest");
    let tools: Vec<&Value> = asked[0]["toolConfig"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["toolSpec"]["name"])
        .collect();
    assert_eq!(tools, ["query_data", "run_sql", "look_up", "clarify", "finish"]);
    assert_eq!(asked[1]["messages"].as_array().unwrap().len(), 3);
    insta::assert_snapshot!(without_words(&asked[1]["messages"][2].to_string()));
}

#[test]
fn a_turn_as_one_json_answer() {
    let [first, second] = conversation();
    let (world, edge) = scripted([whole(&first), whole(&second)]);
    let mut request = question();
    request
        .headers_mut()
        .insert("accept", "application/json".parse().unwrap());
    let answer = ask(&world, &edge, request);
    assert_eq!(
        (answer.status, &answer.headers["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    insta::assert_snapshot!(without_words(&answer.body));

    world.on("converse-stream", [whole(&first), whole(&second)]);
    let plain = ask(&world, &edge, post("/chat", r#"{"message": "best attended cities"}"#));
    assert_eq!(plain.json()["text"], "Washington saw the most people.");
}

#[test]
fn frames_may_be_cut_anywhere() {
    let bodies = conversation();
    let expected = {
        let (world, edge) = scripted(bodies.iter().map(|body| whole(body)));
        ask(&world, &edge, question()).body
    };
    for size in [1, 2, 3, 7, 16, 64, 333] {
        let pieces = bodies
            .iter()
            .map(|body| Reply::Pieces(body.chunks(size).map(<[u8]>::to_vec).collect()));
        let (world, edge) = scripted(pieces);
        assert_eq!(ask(&world, &edge, question()).body, expected, "pieces of {size}");
    }
}

#[test]
fn clarify_ends_the_turn_with_choices_that_can_be_answered() {
    let input = json!({
        "question": "Which one?",
        "choices": [{"label": "By city", "query": query()}, {"label": "By nothing", "query": {"metrics": ["nothing"]}}],
    });
    let (world, edge) = scripted([whole(&answer(&[
        tool(0, "call-1", "clarify", &input),
        stop("tool_use"),
    ]))]);
    let answer = ask(&world, &edge, question());
    assert_eq!(names(&answer), ["ack", "usage", "clarify", "done"]);
    let ChatEvent::Clarify { question, choices } = &events(&answer)[2] else {
        panic!("{}", answer.body)
    };
    assert_eq!(
        (question.as_str(), choices.len(), choices[0].label.as_str()),
        ("Which one?", 1, "By city")
    );
}

#[test]
fn a_model_that_only_talks_ends_the_turn() {
    let (world, edge) = scripted([whole(&answer(&[text(0, "Good day."), block_stop(0), stop("end_turn")]))]);
    assert_eq!(names(&ask(&world, &edge, question())), ["ack", "text", "usage", "done"]);
}

#[test]
fn a_stream_that_is_cut_inside_a_frame_fails_the_turn_after_what_was_shown() {
    let said = answer(&[text(0, "Washington saw ")]);
    let cut = [said.clone(), text(0, "the most people.")[..20].to_vec()].concat();
    for (reply, log) in [
        (whole(&cut), "inside a frame"),
        (whole(&said), "between two frames"),
        (Reply::Broken(vec![said.clone()]), "10.0.0.7"),
    ] {
        let (world, edge) = scripted([reply]);
        let answer = ask(&world, &edge, question());
        assert_eq!(names(&answer), ["ack", "text", "error", "done"]);
        assert_eq!(error_code(&answer), "upstream_broken");
        assert_eq!(
            world.sent("converse-stream").len(),
            1,
            "what was shown cannot be taken back"
        );
        assert!(world.log_text().contains(log), "{}", world.log_text());
    }
}

#[test]
fn a_stream_that_is_cut_before_anything_was_shown_is_asked_for_again() {
    let [first, second] = conversation();
    let cut = Reply::Pieces(vec![first[..first.len() / 2].to_vec()]);
    let (world, edge) = scripted([cut.clone(), whole(&first), whole(&second)]);
    assert!(names(&ask(&world, &edge, question())).contains(&"follow_ups"));
    let (world, edge) = scripted([cut]);
    assert_eq!(error_code(&ask(&world, &edge, question())), "upstream_broken");
    assert_eq!(world.sent("converse-stream").len(), 3);
}

#[test]
fn a_corrupted_frame_fails_the_turn() {
    let mut bytes = answer(&[text(0, "Washington"), text(0, " saw")]);
    let last = bytes.len() - 6;
    bytes[last] ^= 1;
    let (world, edge) = scripted([whole(&bytes)]);
    let answer = ask(&world, &edge, question());
    assert_eq!(names(&answer), ["ack", "text", "error", "done"]);
    assert_eq!(error_code(&answer), "upstream_broken");
    assert!(world.log_text().contains("checksum"), "{}", world.log_text());
}

#[test]
fn throttling_is_waited_out_then_the_next_model_is_asked() {
    let [first, second] = conversation();
    let throttled = Reply::error(429, "ThrottlingException");
    let (world, edge) = scripted([throttled.clone(), throttled.clone(), whole(&first), whole(&second)]);
    assert!(names(&ask(&world, &edge, question())).contains(&"follow_ups"));

    let world = World::new();
    let edge = edge_with(&world, &[("CONCERT_MODELS", "first.model:0, local.planner")]);
    let denied = Reply::error(403, "AccessDeniedException");
    world.on("converse-stream", [denied, whole(&first), whole(&second)]);
    let answer = ask(&world, &edge, question());
    assert!(names(&answer).contains(&"follow_ups"), "{}", answer.body);

    let (world, edge) = scripted([throttled]);
    assert_eq!(error_code(&ask(&world, &edge, question())), "upstream_throttled");
    assert_eq!(world.sent("converse-stream").len(), 3);
}

#[test]
fn an_exception_inside_the_stream_fails_the_turn() {
    let bytes = answer(&[text(0, "Washington"), exception("throttlingException", "secret words")]);
    let (world, edge) = scripted([whole(&bytes)]);
    assert_eq!(error_code(&ask(&world, &edge, question())), "upstream_throttled");
}

#[test]
fn a_model_that_cannot_be_reached_fails_the_turn_and_a_json_client_gets_the_envelope() {
    let (world, edge) = scripted([Reply::Unreachable]);
    let as_events = ask(&world, &edge, question());
    assert_eq!(as_events.status, 200);
    assert_eq!(error_code(&as_events), "upstream_unavailable");
    let as_json = ask(&world, &edge, post("/chat", r#"{"message": "x"}"#));
    assert_eq!((as_json.status, as_json.code().as_str()), (502, "upstream_unavailable"));
    assert!(as_json.headers.contains_key("retry-after"));
}

#[test]
fn a_wrong_tool_call_is_a_result_that_the_model_can_mend() {
    let wrong = json!({"query": {"metrics": ["atendance"]}});
    let [_, second] = conversation();
    for (input, name, code) in [
        (wrong, "query_data", "unknown_metric"),
        (json!({}), "query_data", "bad_tool_input"),
        (
            json!({"dimension": "year", "text": "x"}),
            "look_up",
            "unknown_dimension",
        ),
        (json!({"sql": "SELECT secret FROM venues"}), "run_sql", "unknown_column"),
        (json!({"sql": "DELETE FROM venues"}), "run_sql", "not_a_query"),
        (json!({}), "drop_tables", "unknown_tool"),
        (json!({"question": "?"}), "clarify", "bad_tool_input"),
    ] {
        let first = answer(&[tool(0, "call-1", name, &input), stop("tool_use")]);
        let (world, edge) = scripted([whole(&first), whole(&second)]);
        let answer = ask(&world, &edge, question());
        let result = events(&answer).into_iter().find_map(|event| match event {
            ChatEvent::ToolResult(result) => Some(result),
            _ => None,
        });
        let error = result
            .and_then(|result| result.error)
            .unwrap_or_else(|| panic!("{name}: {}", answer.body));
        assert_eq!(error.error_code, code);
        let told = &world.sent("converse-stream")[1]["messages"][2]["content"][0]["toolResult"];
        assert_eq!(
            (&told["status"], &told["content"][0]["json"]["error_code"]),
            (&json!("error"), &json!(code))
        );
        if code == "unknown_metric" {
            assert!(told.to_string().contains("attendance"), "{told}");
        }
    }
}

#[test]
fn a_warehouse_that_is_down_is_told_to_the_model_without_its_words() {
    let [first, second] = conversation();
    let (world, edge) = scripted([whole(&first), whole(&second)]);
    world.on("select", [Reply::Unreachable]);
    let answer = ask(&world, &edge, question());
    assert!(
        names(&answer).ends_with(&["usage", "follow_ups", "done"]),
        "{}",
        answer.body
    );
    let told = world.sent("converse-stream")[1].to_string();
    assert!(
        told.contains("upstream_unavailable") && !told.contains("10.0.0.7"),
        "{told}"
    );
    assert!(!answer.body.contains("10.0.0.7"));
}

#[test]
fn names_can_be_looked_up() {
    let look_up = answer(&[
        tool(
            0,
            "call-1",
            "look_up",
            &json!({"dimension": "city", "text": "washingtn"}),
        ),
        stop("tool_use"),
    ]);
    let [_, second] = conversation();
    let (world, edge) = scripted([whole(&look_up), whole(&second)]);
    ask(&world, &edge, question());
    let told = &world.sent("converse-stream")[1]["messages"][2]["content"][0]["toolResult"]["content"][0]["json"];
    assert_eq!(told["values"][0]["value"], "Washington");
}

#[test]
fn a_model_that_goes_in_circles_is_stopped() {
    let [first, _] = conversation();
    let (world, edge) = scripted([whole(&first)]);
    assert_eq!(error_code(&ask(&world, &edge, question())), "too_many_rounds");
    assert_eq!(world.sent("converse-stream").len(), concert_edge::limits::ROUNDS_MAX);
}

#[test]
fn text_and_tool_inputs_have_bounds() {
    let much = answer(&[
        text(0, &"x".repeat(150 * 1024)),
        text(0, &"x".repeat(60 * 1024)),
        block_stop(0),
        stop("end_turn"),
    ]);
    let (world, edge) = scripted([whole(&much)]);
    assert_eq!(error_code(&ask(&world, &edge, question())), "too_many_rounds");
    let long = json!({"query": {"metrics": ["x".repeat(40 * 1024)]}});
    let (world, edge) = scripted([whole(&answer(&[
        tool(0, "call-1", "query_data", &long),
        stop("tool_use"),
    ]))]);
    assert_eq!(error_code(&ask(&world, &edge, question())), "too_many_rounds");
}

#[test]
fn a_quiet_stream_is_kept_open_and_a_silent_model_is_given_up() {
    let (world, edge) = scripted([Reply::Silent(vec![answer(&[text(0, "Washington")])])]);
    let answer = ask(&world, &edge, question());
    // A minute of silence, and a little for the store before it.
    assert_eq!(answer.body.matches(": keep-alive\n\n").count(), 4, "{}", answer.body);
    assert_eq!(error_code(&answer), "upstream_timeout");
}
