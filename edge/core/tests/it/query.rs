use crate::world::{Answer, Reply, World, ask, edge, executed, post, publication, result};
use concert_edge::{Body, Edge};
use http::Request;
use serde_json::{Value, json};
use std::rc::Rc;

const BY_CITY: &str =
    r#"{"metrics": ["attendance"], "dimensions": ["city"], "order": [{"by": "attendance", "direction": "desc"}]}"#;

fn with_cookie(cookie: &str, body: String) -> Request<Body> {
    Request::post("/api/query")
        .header("cookie", cookie)
        .body(Body::from(body.into_bytes()))
        .unwrap()
}

/// A result with one row more than a page.
fn many() -> Reply {
    let rows: Vec<Value> = (0..201).map(|at| json!([format!("City {at:03}"), "1"])).collect();
    Reply::json(&result(&[("city", "varchar"), ("attendance", "numeric")], &rows))
}

#[test]
fn a_query_is_answered_with_its_table_its_sql_and_its_date() {
    let world = World::new();
    let edge = edge(&world);
    let answer = ask(&world, &edge, post("/api/query", BY_CITY));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut shape = answer.json();
    shape["sql"] = json!("…");
    insta::assert_json_snapshot!(shape);
    let statement = &world.sent("select")[0];
    assert_eq!(
        (&statement["Database"], &statement["WorkgroupName"]),
        (&json!("dev"), &json!("concert"))
    );
    assert_eq!(statement["Sql"], answer.json()["sql"]);
}

#[test]
fn a_dry_run_compiles_and_runs_nothing() {
    let world = World::new();
    let edge = edge(&world);
    let query = r#"{"metrics": ["concerts"], "filters": [{"dimension": "city", "op": "=", "values": ["Washington"]}]}"#;
    let answer = ask(&world, &edge, post("/api/query?dry_run=true", query)).json();
    assert!(answer["sql"].as_str().unwrap().contains(':'), "{answer}");
    assert!(
        !answer["sql"].as_str().unwrap().contains("Washington"),
        "values are parameters: {answer}"
    );
    assert_eq!(answer["parameters"][0]["value"], "Washington");
    assert_eq!(answer["columns"][0]["name"], "concerts");
    assert!(world.sent("select").is_empty());
}

/// The first page, and the query that asks for the second.
fn first_page(world: &Rc<World>, edge: &Edge) -> (Answer, Value) {
    world.on("GetStatementResult/s", [many()]);
    let first = ask(world, edge, post("/api/query", BY_CITY));
    let mut query: Value = serde_json::from_str(BY_CITY).unwrap();
    query["cursor"] = first.json()["next_cursor"].clone();
    assert!(query["cursor"].is_string(), "{}", first.body);
    (first, query)
}

#[test]
fn the_next_page_goes_on_where_the_first_ended() {
    let world = World::new();
    let edge = edge(&world);
    let (first, query) = first_page(&world, &edge);
    assert_eq!(
        (&first.json()["row_count"], &first.json()["truncated"]),
        (&json!(200), &json!(true))
    );
    world.on(
        "GetStatementResult/s",
        [Reply::json(&crate::world::attendance_by_city())],
    );
    let second = ask(&world, &edge, with_cookie(&first.cookie(), query.to_string()));
    assert_eq!(second.status, 200, "{}", second.body);
    assert_eq!(
        (&second.json()["row_count"], &second.json()["next_cursor"]),
        (&json!(2), &Value::Null)
    );
    assert!(
        second.json()["sql"].as_str().unwrap().contains("OFFSET 200"),
        "{}",
        second.body
    );
    assert_eq!(second.json()["query"].get("cursor"), None);
}

#[test]
fn a_cursor_is_bound_to_viewer_query_and_snapshot() {
    let world = World::new();
    let edge = edge(&world);
    let (first, query) = first_page(&world, &edge);
    let stranger = ask(&world, &edge, post("/api/query", query.to_string()));
    assert_eq!((stranger.status, stranger.code().as_str()), (400, "invalid_cursor"));
    let mut other = query.clone();
    other["limit"] = json!(300);
    let other = ask(&world, &edge, with_cookie(&first.cookie(), other.to_string()));
    assert_eq!((other.status, other.code().as_str()), (400, "invalid_cursor"));
    // The data is another by now, although the edge has read its state less than a minute ago.
    world.on("GetStatementResult/p", [Reply::json(&publication("snapshot-2"))]);
    let late = ask(&world, &edge, with_cookie(&first.cookie(), query.to_string()));
    assert_eq!((late.status, late.code().as_str()), (409, "snapshot_changed"));
}

#[test]
fn a_slow_statement_is_waited_for_and_its_pages_are_put_together() {
    let world = World::new();
    let edge = edge(&world);
    world.on("select", [executed("s", "STARTED")]);
    let state = |status: &str| Reply::json(&json!({"Id": "s", "Status": status}));
    world.on(
        "DescribeStatement",
        [state("STARTED"), state("SOMETHING_NEW"), state("FINISHED")],
    );
    let columns = [("city", "varchar"), ("attendance", "numeric")];
    let mut page = result(&columns, &[json!(["Washington", "41520"])]);
    page["NextToken"] = json!("more");
    let last = result(&columns, &[json!(["New York", null])]);
    world.on("GetStatementResult/s", [Reply::json(&page), Reply::json(&last)]);
    let answer = ask(&world, &edge, post("/api/query", BY_CITY));
    assert_eq!(
        answer.json()["rows"],
        json!([["Washington", 41520], ["New York", null]])
    );
    assert_eq!(world.sent("GetStatementResult/s")[1]["NextToken"], "more");
    assert_eq!(world.sent("DescribeStatement").len(), 3);
}

#[test]
fn a_statement_without_end_is_cancelled() {
    let world = World::new();
    let edge = edge(&world);
    world.on("select", [executed("s", "STARTED")]);
    world.on(
        "DescribeStatement",
        [Reply::json(&json!({"Id": "s", "Status": "STARTED"}))],
    );
    world.on("CancelStatement", [Reply::json(&json!({"Status": true}))]);
    let answer = ask(&world, &edge, post("/api/query", BY_CITY));
    assert_eq!((answer.status, answer.code().as_str()), (504, "upstream_timeout"));
    world.run_detached();
    assert_eq!(world.sent("CancelStatement"), [json!({"Id": "s"})]);
}

#[test]
fn a_statement_that_fails_keeps_the_engines_words_in_the_log() {
    let world = World::new();
    let edge = edge(&world);
    world.on("select", [executed("s", "FAILED")]);
    let failed =
        json!({"Id": "s", "Status": "FAILED", "Error": "secret words: permission denied for relation concerts"});
    world.on("DescribeStatement", [Reply::json(&failed)]);
    let answer = ask(&world, &edge, post("/api/query", BY_CITY));
    assert_eq!((answer.status, answer.code().as_str()), (502, "upstream_refused"));
    assert!(world.log_text().contains("permission denied"), "{}", world.log_text());
}

#[test]
fn throttling_is_waited_out() {
    let world = World::new();
    let edge = edge(&world);
    world.on(
        "select",
        [
            Reply::error(400, "ThrottlingException"),
            Reply::error(503, "ServiceUnavailable"),
            executed("s", "FINISHED"),
        ],
    );
    assert_eq!(ask(&world, &edge, post("/api/query", BY_CITY)).status, 200);
    let tokens: Vec<Value> = world
        .sent("select")
        .iter()
        .map(|body| body["ClientToken"].clone())
        .collect();
    assert_eq!(tokens.len(), 3);
    assert!(
        tokens.iter().all(|token| token == &tokens[0]),
        "one statement, however often it is sent: {tokens:?}"
    );
}
