use crate::world::{Reply, World, ask, edge, executed, post, result};
use serde_json::{Value, json};

fn asked(sql: &str) -> String {
    json!({ "sql": sql }).to_string()
}

#[test]
fn what_the_guard_lets_through_runs_as_the_guard_wrote_it() {
    let world = World::new();
    let edge = edge(&world);
    let answer = ask(
        &world,
        &edge,
        post("/api/sql", asked("SELECT v.city FROM venues v LIMIT 5000")),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer = answer.json();
    assert_eq!(answer["sql"], "SELECT v.city FROM concert_dw.venues v LIMIT 201");
    assert_eq!(world.sent("select")[0]["Sql"], answer["sql"]);
    assert_eq!(answer["columns"][0]["name"], "city");
    assert_eq!((&answer["row_count"], &answer["truncated"]), (&json!(2), &json!(false)));
}

#[test]
fn more_rows_than_an_answer_holds_are_cut_and_said() {
    let world = World::new();
    let edge = edge(&world);
    let rows: Vec<Value> = (0..201).map(|at| json!([format!("City {at}")])).collect();
    world.on(
        "GetStatementResult/s",
        [Reply::json(&result(&[("city", "varchar")], &rows))],
    );
    let answer = ask(&world, &edge, post("/api/sql", asked("SELECT city FROM venues"))).json();
    assert_eq!(
        (&answer["row_count"], &answer["truncated"]),
        (&json!(200), &json!(true))
    );
    assert_eq!(answer["rows"].as_array().unwrap().len(), 200);
}

#[test]
fn what_the_guard_refuses_never_reaches_the_warehouse() {
    let world = World::new();
    let edge = edge(&world);
    for (sql, code, told) in [
        ("DROP TABLE concerts", "not_a_query", "line 1, column 1"),
        ("SELECT 1;\nSELECT 2", "several_statements", "line 1, column 9"),
        (
            "SELECT city,\n  pasword FROM venues",
            "unknown_column",
            "line 2, column 3",
        ),
        ("SELECT * FROM pg_user", "system_table", "line 1, column 15"),
    ] {
        let answer = ask(&world, &edge, post("/api/sql", asked(sql)));
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, code),
            "{sql}: {}",
            answer.body
        );
        assert!(answer.body.contains(told), "{}", answer.body);
    }
    for body in [
        "SELECT 1",
        "{}",
        r#"{"sql": 1}"#,
        r#"{"sql": "SELECT 1", "role": "admin"}"#,
    ] {
        let answer = ask(&world, &edge, post("/api/sql", body));
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{body}");
    }
    assert!(world.sent("select").is_empty());
}

#[test]
fn the_warehouses_own_words_stay_in_the_log() {
    let world = World::new();
    let edge = edge(&world);
    world.on("select", [executed("s", "FAILED")]);
    world.on(
        "DescribeStatement",
        [Reply::json(
            &json!({"Id": "s", "Status": "FAILED", "Error": "ERROR: node-7 division by zero"}),
        )],
    );
    let answer = ask(
        &world,
        &edge,
        post("/api/sql", asked("SELECT 1 / (capacity - capacity) FROM venues")),
    );
    assert_eq!((answer.status, answer.code().as_str()), (400, "statement_failed"));
    assert!(!answer.body.contains("node-7") && world.log_text().contains("node-7"));
}
