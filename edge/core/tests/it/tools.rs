//! A model that gets its calls wrong and mends them by what the tool says: the error says which name is wrong and which
//! is the nearest valid one, and the model knows nothing else.

use crate::world::{Reply, World, answer, ask, edge, post, stop, tool};
use serde_json::{Value, json};

/// What `query_data` gives the model for a call.
fn result(query: &Value) -> Value {
    let world = World::new();
    let edge = edge(&world);
    let replies = [
        answer(&[
            tool(0, "call-1", "query_data", &json!({"query": query})),
            stop("tool_use"),
        ]),
        answer(&[stop("end_turn")]),
    ];
    world.on("converse-stream", replies.map(|bytes| Reply::Pieces(vec![bytes])));
    ask(
        &world,
        &edge,
        post("/api/chat", r#"{"message": "best attended cities"}"#),
    );
    let told = world.sent("converse-stream");
    let messages = told.last().and_then(|request| request["messages"].as_array());
    messages
        .and_then(|messages| messages.last())
        .expect("an answer to the call")["content"][0]["toolResult"]
        .clone()
}

/// The scripted model: calls, reads the error, puts what it offers in the place of what it says is wrong, calls again.
fn mended(mut query: Value) -> (Value, Vec<Value>) {
    const MOST_CALLS: usize = 5;
    let mut errors = Vec::new();
    for _ in 0..MOST_CALLS {
        let result = result(&query);
        if result["status"] != "error" {
            return (query, errors);
        }
        let error = result["content"][0]["json"].clone();
        query = mend(&query, &error).unwrap_or_else(|| panic!("nothing in {error} says how to mend {query}"));
        errors.push(error);
    }
    panic!("{query} is still wrong after {errors:#?}");
}

fn mend(query: &Value, error: &Value) -> Option<Value> {
    let message = error["error_message"].as_str()?.replace('`', "\"");
    let action = error["suggested_action"].as_str().unwrap_or_default();
    let written = query.to_string();
    // "parameter 'day' for "2025-02" is invalid, must be in range "1..=28""
    if let Some((month, last)) = message
        .split_once("for \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .zip(message.split_once("..=").and_then(|(_, rest)| rest.split('"').next()))
        .map(|((month, _), last)| (month.to_owned(), last.to_owned()))
    {
        let start = written.find(&format!("\"{month}-"))? + 1;
        let end = start + written[start..].find('"')?;
        let day = format!("{month}-{last:0>2}");
        return serde_json::from_str(&format!("{}{day}{}", &written[..start], &written[end..])).ok();
    }
    let wrong = message.split('"').nth(1)?;
    let offer = action
        .strip_prefix("Did you mean ")
        .or_else(|| action.split_once(": ").map(|(_, names)| names))?;
    let near = offer
        .split([',', '?'])
        .next()?
        .split(" or ")
        .next()?
        .trim_end_matches('.');
    let changed = written.replace(&format!("\"{wrong}\""), &format!("\"{near}\""));
    (changed != written).then(|| serde_json::from_str(&changed).expect("still JSON"))
}

#[test]
fn a_model_mends_its_calls_by_what_the_errors_say() {
    let city = |op: &str, value: &str| json!([{"dimension": "city", "op": op, "values": [value]}]);
    for (wrong, right, codes) in [
        // A wrong metric, a wrong dimension, and both at once.
        (
            json!({"metrics": ["atendance"]}),
            json!({"metrics": ["attendance"]}),
            vec!["unknown_metric"],
        ),
        (
            json!({"metrics": ["atendance"], "dimensions": ["citty"]}),
            json!({"metrics": ["attendance"], "dimensions": ["city"]}),
            vec!["unknown_dimension", "unknown_metric"],
        ),
        // Fields and operators that are not there, by the names that other query languages have for them.
        (
            json!({"metric": ["attendance"]}),
            json!({"metrics": ["attendance"]}),
            vec!["bad_query"],
        ),
        (
            json!({"metrics": ["attendance"], "filters": city("equals", "Boston")}),
            json!({"metrics": ["attendance"], "filters": city("=", "Boston")}),
            vec!["bad_query"],
        ),
        (
            json!({"metrics": ["attendance"], "filters": [{"dimension": "city", "operator": "=", "values": ["Boston"]}]}),
            json!({"metrics": ["attendance"], "filters": city("=", "Boston")}),
            vec!["bad_query"],
        ),
        // Days that are not there, words for stretches of time that are not there.
        (
            json!({"metrics": ["attendance"], "period": {"kind": "between", "from": "2025-02-30"}}),
            json!({"metrics": ["attendance"], "period": {"kind": "between", "from": "2025-02-28"}}),
            vec!["bad_query"],
        ),
        (
            json!({"metrics": ["attendance"], "grain": "months"}),
            json!({"metrics": ["attendance"], "grain": "month"}),
            vec!["bad_query"],
        ),
        (
            json!({"metrics": ["attendance"], "grain": "year", "compare": ["last_year"]}),
            json!({"metrics": ["attendance"], "grain": "year", "compare": ["same_period_last_year"]}),
            vec!["bad_query"],
        ),
        // An order by what the answer does not have, and in a direction that is spelt otherwise.
        (
            json!({"metrics": ["attendance"], "dimensions": ["city"], "order": [{"by": "atendance", "direction": "descending"}]}),
            json!({"metrics": ["attendance"], "dimensions": ["city"], "order": [{"by": "attendance", "direction": "desc"}]}),
            vec!["bad_query", "bad_order"],
        ),
        // A condition on a figure that is not there.
        (
            json!({"metrics": ["attendance"], "dimensions": ["city"], "having": [{"metric": "attendence", "op": "gt", "values": [5]}]}),
            json!({"metrics": ["attendance"], "dimensions": ["city"], "having": [{"metric": "attendance", "op": ">", "values": [5]}]}),
            vec!["bad_query", "unknown_metric"],
        ),
    ] {
        let (query, errors) = mended(wrong.clone());
        assert_eq!(query, right, "{wrong} after {errors:#?}");
        let told: Vec<&str> = errors.iter().filter_map(|error| error["error_code"].as_str()).collect();
        assert_eq!(told, codes, "{wrong}");
    }
}

#[test]
fn an_error_says_where_a_value_is_of_the_wrong_kind() {
    let query = json!({"metrics": ["attendance"], "filters": [{"dimension": "city", "op": ">", "values": [5]}]});
    let result = result(&query);
    let error = &result["content"][0]["json"];
    assert_eq!(result["status"], "error");
    assert_eq!(error["error_code"], "wrong_type");
    let message = error["error_message"].as_str().unwrap_or_default();
    assert!(message.starts_with("filters[0].values[0]: "), "{message}");
    assert!(error["suggested_action"].is_string(), "{error}");
}

#[test]
fn a_tool_that_is_not_there_is_answered_with_those_that_are() {
    let world = World::new();
    let edge = edge(&world);
    let replies = [
        answer(&[tool(0, "call-1", "query", &json!({})), stop("tool_use")]),
        answer(&[stop("end_turn")]),
    ];
    world.on("converse-stream", replies.map(|bytes| Reply::Pieces(vec![bytes])));
    ask(
        &world,
        &edge,
        post("/api/chat", r#"{"message": "best attended cities"}"#),
    );
    let told = world.sent("converse-stream");
    let offered: Vec<&str> = told[0]["toolConfig"]["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .filter_map(|tool| tool["toolSpec"]["name"].as_str())
        .collect();
    let result = &told[1]["messages"]
        .as_array()
        .and_then(|messages| messages.last())
        .expect("a result")["content"][0]["toolResult"]["content"][0]["json"];
    assert_eq!(result["error_code"], "unknown_tool");
    let action = result["suggested_action"].as_str().unwrap_or_default();
    assert!(offered.iter().all(|name| action.contains(name)), "{action}");
}
