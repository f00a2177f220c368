use crate::world::{Reply, World, ask, edge, get, post};
use concert_edge::{Body, limits::BODY_MAX_BYTES};
use futures::stream;
use http::Request;
use serde_json::{Value, json};

#[test]
fn every_refusal_is_the_envelope() {
    let world = World::new();
    let edge = edge(&world);
    let long = format!(r#"{{"message": "{}"}}"#, "x".repeat(10_001));
    let cases: [(&str, Request<Body>, u16, &str); 32] = [
        ("no such route", get("/api/nothing"), 404, "not_found"),
        ("no route at all", get("/api"), 404, "not_found"),
        ("outside of the API", get("/elsewhere"), 404, "not_found"),
        ("a plain address that has none", get("/query"), 404, "not_found"),
        ("a longer address", get("/api/health/x"), 404, "not_found"),
        ("wrong method", post("/api/health", ""), 405, "method_not_allowed"),
        ("wrong method of free SQL", get("/api/sql"), 405, "method_not_allowed"),
        (
            "a query that is no JSON",
            post("/api/query", "SELECT 1"),
            400,
            "bad_query",
        ),
        (
            "a query that ends early",
            post("/api/query", r#"{"metrics": ["#),
            400,
            "bad_query",
        ),
        ("a query without metrics", post("/api/query", "{}"), 400, "bad_query"),
        (
            "an unknown field",
            post("/api/query", r#"{"metrics": ["concerts"], "sql": "x"}"#),
            400,
            "bad_query",
        ),
        (
            "an unknown metric",
            post("/api/query", r#"{"metrics": ["atendance"]}"#),
            400,
            "unknown_metric",
        ),
        (
            "an unknown dimension",
            post("/api/query", r#"{"metrics": ["concerts"], "dimensions": ["town"]}"#),
            400,
            "unknown_dimension",
        ),
        (
            "a made-up cursor",
            post("/api/query", r#"{"metrics": ["concerts"], "cursor": "abc"}"#),
            400,
            "invalid_cursor",
        ),
        (
            "a dry run of neither kind",
            post("/api/query?dry_run=maybe", r#"{"metrics": ["concerts"]}"#),
            400,
            "bad_parameter",
        ),
        (
            "too much at once",
            post("/api/query", " ".repeat(BODY_MAX_BYTES + 1)),
            413,
            "body_too_large",
        ),
        (
            "a question that is no JSON",
            post("/api/chat", "attendance by year"),
            400,
            "bad_request",
        ),
        (
            "a question of another shape",
            post("/api/chat", r#"{"question": "x"}"#),
            400,
            "bad_request",
        ),
        (
            "an empty question",
            post("/api/chat", r#"{"message": "  "}"#),
            400,
            "empty_message",
        ),
        ("a long question", post("/api/chat", long), 413, "message_too_long"),
        (
            "an id that is none",
            post("/api/chat", r#"{"message": "x", "conversation_id": "../../etc"}"#),
            400,
            "bad_request",
        ),
        (
            "a limit that is none",
            get("/api/suggest?q=a&limit=0"),
            400,
            "bad_parameter",
        ),
        (
            "a dimension without values",
            get("/api/suggest?q=a&dimension=year"),
            400,
            "unknown_dimension",
        ),
        ("no such turn to replay", get("/api/chat/t1/events"), 404, "not_found"),
        ("no such turn to stop", post("/api/chat/t1/stop", ""), 404, "not_found"),
        ("no such conversation", get("/history/c1"), 404, "not_found"),
        (
            "a conversation that has no id",
            get("/api/history/%2e%2e"),
            404,
            "not_found",
        ),
        ("no memory", get("/api/memory"), 501, "not_available_yet"),
        (
            "free SQL that the guard refuses",
            post("/api/sql", r#"{"sql": "DROP TABLE concerts"}"#),
            400,
            "not_a_query",
        ),
        ("the models", get("/recommendations"), 501, "not_available_yet"),
        ("imports", post("/api/imports", ""), 501, "not_available_yet"),
        ("empty feedback", post("/api/feedback", "{}"), 400, "bad_request"),
    ];
    for (what, request, status, code) in cases {
        let answer = ask(&world, &edge, request);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{what}: {}",
            answer.body
        );
        assert_eq!(answer.headers["content-type"], "application/json", "{what}");
        if status == 405 {
            assert!(answer.headers.contains_key("allow"), "{what}");
        }
    }
}

#[test]
fn a_refused_query_says_where_it_is_wrong_and_what_is_near() {
    let world = World::new();
    let edge = edge(&world);
    let answer = ask(
        &world,
        &edge,
        post("/api/query", "{\"metrics\": [\"concerts\"],\n \"dimension\": []}"),
    )
    .json();
    let message = answer["error_message"].as_str().unwrap();
    assert!(message.contains("dimension") && message.contains("line 2"), "{message}");
    let answer = ask(
        &world,
        &edge,
        post("/api/query", r#"{"metrics": ["concerts", "atendance"]}"#),
    )
    .json();
    assert!(
        answer["error_message"].as_str().unwrap().contains("metrics[1]"),
        "{answer}"
    );
    assert!(
        answer["suggested_action"].as_str().unwrap().contains("attendance"),
        "{answer}"
    );
    let broken = Request::post("/api/query")
        .body(Body::from(vec![b'"', 0xff, b'"']))
        .unwrap();
    let answer = ask(&world, &edge, broken).json();
    assert!(answer["error_message"].as_str().unwrap().contains("byte 1"), "{answer}");
}

#[test]
fn a_body_that_does_not_say_its_length_is_cut_off_at_the_limit() {
    let world = World::new();
    let edge = edge(&world);
    let endless = stream::repeat_with(|| Ok(bytes::Bytes::from_static(&[b' '; 4096])));
    let request = Request::post("/api/query").body(Body::stream(endless)).unwrap();
    let answer = ask(&world, &edge, request);
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    let said = Request::post("/api/query")
        .header("content-length", "99999999")
        .body(Body::empty())
        .unwrap();
    assert_eq!(ask(&world, &edge, said).code(), "body_too_large");
    let broken = stream::iter([Err(concert_edge::BodyError("reset".into()))]);
    let request = Request::post("/api/query").body(Body::stream(broken)).unwrap();
    assert_eq!(ask(&world, &edge, request).code(), "body_broken");
}

#[test]
fn a_correlation_id_is_taken_if_it_is_fit_for_a_log_line() {
    let world = World::new();
    let edge = edge(&world);
    let with_id = |id: &str| {
        Request::get("/api/nothing")
            .header("x-correlation-id", id)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(
        ask(&world, &edge, with_id("my-id.7")).headers["x-correlation-id"],
        "my-id.7"
    );
    for unfit in ["a b", "x\"y", &"x".repeat(65)] {
        let answer = ask(&world, &edge, with_id(unfit));
        assert_ne!(answer.headers["x-correlation-id"], unfit);
        assert_eq!(answer.headers["x-correlation-id"].len(), 24);
    }
}

#[test]
fn a_guest_gets_a_cookie_once_and_a_tampered_one_is_replaced() {
    let world = World::new();
    let edge = edge(&world);
    let first = ask(&world, &edge, get("/api/catalogue"));
    let cookie = first.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("concert_guest=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
    assert!(!cookie.contains("Secure"), "plain http on this machine: {cookie}");
    let with_cookie = |cookie: &str| {
        Request::get("/api/catalogue")
            .header("cookie", cookie)
            .body(Body::empty())
            .unwrap()
    };
    let known = format!("theme=dark; {}", first.cookie());
    assert!(
        !ask(&world, &edge, with_cookie(&known))
            .headers
            .contains_key("set-cookie")
    );
    for tampered in [
        first.cookie().replacen('=', "=0", 1),
        first.cookie() + "0",
        "concert_guest=".into(),
    ] {
        let answer = ask(&world, &edge, with_cookie(&tampered));
        assert_ne!(answer.cookie(), first.cookie());
    }
    let elsewhere = Request::get("https://concert.example/api/catalogue")
        .body(Body::empty())
        .unwrap();
    assert!(
        ask(&world, &edge, elsewhere).headers["set-cookie"]
            .to_str()
            .unwrap()
            .ends_with("; Secure")
    );
}

#[test]
fn the_catalogue_tells_what_can_be_asked_and_what_is_loaded() {
    let world = World::new();
    let edge = edge(&world);
    let answer = ask(&world, &edge, get("/api/catalogue"));
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["data"]["snapshot_id"], "snapshot-1");
    assert_eq!(answer["data"]["as_of"], "2026-03-30T06:00:00Z");
    assert_eq!(answer["data"]["last_complete_day"], "2002-11-04");
    assert!(
        answer["metrics"]
            .as_array()
            .unwrap()
            .iter()
            .any(|metric| metric["name"] == "attendance")
    );
    let questions = answer["questions"].as_array().unwrap();
    assert!((3..=6).contains(&questions.len()), "{questions:?}");
    // A question is a query that the edge takes.
    for question in questions {
        let dry = ask(
            &world,
            &edge,
            post("/api/query?dry_run=true", question["query"].to_string()),
        );
        assert_eq!(dry.status, 200, "{question} {}", dry.body);
    }
    let labels: Vec<&Value> = questions.iter().map(|question| &question["label"]).collect();
    insta::assert_json_snapshot!(labels);
}

#[test]
fn an_empty_warehouse_is_a_state_and_not_a_fault() {
    let world = World::new();
    let edge = edge(&world);
    world.on("publication", [crate::world::executed("p", "FAILED")]);
    let missing =
        json!({"Id": "p", "Status": "FAILED", "Error": "ERROR: relation \"concert_dw.publication\" does not exist"});
    world.on("DescribeStatement", [Reply::json(&missing)]);
    let answer = ask(&world, &edge, get("/api/catalogue"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["data"]["snapshot_id"], "");
    assert_eq!(answer.json()["questions"], json!([]));
}

#[test]
fn publication_is_read_once_a_minute_and_values_once_for_each_snapshot() {
    let world = World::new();
    let edge = edge(&world);
    ask(&world, &edge, get("/api/catalogue"));
    world.pass(59_999);
    ask(&world, &edge, get("/api/suggest?q=wash"));
    assert_eq!((world.sent("publication").len(), world.sent("values").len()), (1, 1));
    world.pass(1);
    ask(&world, &edge, get("/api/suggest?q=wash"));
    assert_eq!((world.sent("publication").len(), world.sent("values").len()), (2, 1));
    world.pass(60_000);
    world.on(
        "GetStatementResult/p",
        [Reply::json(&crate::world::publication("snapshot-2"))],
    );
    ask(&world, &edge, get("/api/catalogue"));
    assert_eq!((world.sent("publication").len(), world.sent("values").len()), (3, 2));
}

#[test]
fn values_are_suggested_from_memory() {
    let world = World::new();
    let edge = edge(&world);
    let answer = ask(&world, &edge, get("/api/suggest?q=9%3A30+cl&dimension=venue&limit=5"));
    assert_eq!(
        answer.json(),
        json!({"values": [{"dimension": "venue", "value": "9:30 Club", "label": "9:30 Club, Washington"}]})
    );
}

#[test]
fn a_warehouse_that_is_down_or_busy_says_when_to_come_back() {
    for (reply, status, code, log) in [
        (Reply::Unreachable, 502, "upstream_unavailable", "10.0.0.7"),
        (
            Reply::error(429, "ThrottlingException"),
            503,
            "upstream_throttled",
            "ThrottlingException",
        ),
        (
            Reply::error(500, "InternalServerException"),
            503,
            "upstream_unavailable",
            "InternalServerException",
        ),
        (
            Reply::error(403, "InvalidSignatureException"),
            502,
            "upstream_refused",
            "InvalidSignatureException",
        ),
        (
            Reply::Whole(200, vec![], b"<html>".to_vec()),
            502,
            "upstream_broken",
            "ExecuteStatement",
        ),
        (Reply::Hangs, 504, "upstream_timeout", "no answer within"),
        (
            Reply::Broken(vec![b"{\"Id\":".to_vec()]),
            502,
            "upstream_broken",
            "10.0.0.7",
        ),
    ] {
        let world = World::new();
        let edge = edge(&world);
        world.on("publication", [reply]);
        let answer = ask(&world, &edge, get("/api/catalogue"));
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        if code != "upstream_refused" {
            assert_eq!(answer.headers["retry-after"], answer.json()["retry_after"].to_string());
        }
        assert!(world.log_text().contains(log), "{code}: {}", world.log_text());
        let id = answer.headers["x-correlation-id"].to_str().unwrap();
        assert!(world.log_text().lines().any(|line| line.contains(id)));
    }
}
