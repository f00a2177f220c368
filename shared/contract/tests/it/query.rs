//! The model itself: its JSON, its schema and its compact form.

use concert_contract::query::{QUERY_SCHEMA, Query, QueryErrorCode};
use proptest::prelude::*;

/// `UPDATE_SCHEMA=1 cargo test -p concert-contract --all-features schema` writes it anew.
#[test]
fn the_schema_on_file_is_that_of_the_types() {
    let schema = schemars::schema_for!(Query);
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/query.json");
        std::fs::write(path, &text).expect("the schema can be written");
        return;
    }
    assert!(
        text == QUERY_SCHEMA,
        "schema/query.json is out of date; run with UPDATE_SCHEMA=1"
    );
}

#[test]
fn a_tool_takes_the_schema_in_one_piece_with_the_names_of_the_catalogue() {
    let schema = concert_contract::compile::query_schema(&crate::support::catalogue());
    let text = schema.to_string();
    assert!(!text.contains("$ref") && !text.contains("$defs"), "{text}");
    assert!(text.len() < 26_000, "{} bytes", text.len());
    for (place, name) in [
        ("/properties/metrics/items/anyOf/0/enum", "revenue"),
        ("/properties/dimensions/items/enum", "city"),
        ("/properties/filters/items/anyOf/0/properties/dimension/enum", "genre"),
    ] {
        let names = schema.pointer(place).and_then(|names| names.as_array());
        assert!(
            names.is_some_and(|names| names.iter().any(|n| n == name)),
            "{place}: {text}"
        );
    }
    for place in [
        "/properties/filters/items/anyOf/1/properties/any/items/properties/op",
        "/properties/filters/items/anyOf/4/properties/exists/properties/having/items",
        "/properties/period/oneOf",
        "/properties/top/properties/n",
        "/properties/compare/items",
    ] {
        assert!(schema.pointer(place).is_some(), "{place}: {text}");
    }
}

/// Every construct, once.
pub const EXAMPLES: [&str; 13] = [
    r#"{"version":1,"metrics":["revenue"]}"#,
    r#"{"version":1,"metrics":[{"metric":"concerts","filters":[{"dimension":"genre","op":"=","values":["rock & roll"]}],"as":"rock"}],"dimensions":["city"]}"#,
    r#"{"version":1,"metrics":[{"metric":"revenue","aggregate":"median"},{"metric":"revenue","aggregate":{"percentile":99.5}}]}"#,
    r#"{"version":1,"metrics":[{"metric":"revenue","window":"running_total"},{"metric":"revenue","window":{"moving_average":3}}],"grain":"month"}"#,
    r#"{"version":1,"metrics":["concerts"],"filters":[{"any":[{"dimension":"city","op":"!=","values":["São Paulo","it's 100% !"]},{"not":{"all":[{"dimension":"state","op":"is null"},{"dimension":"capacity","op":">","values":[-1.5]}]}}]}]}"#,
    r#"{"version":1,"metrics":["venues"],"dimensions":["venue"],"filters":[{"not":{"exists":{"dimension":"venue","of":"concerts","filters":[{"dimension":"status","op":"=","values":["completed"]}],"per":["concert"],"having":[{"metric":"attendance_rate","op":">=","values":[100]}],"period":{"kind":"relative","unit":"year","offset":-1,"count":1}}}}]}"#,
    r#"{"version":1,"metrics":["revenue"],"dimensions":["city"],"focus":[{"dimension":"city","op":"=","values":["Chicago"]}],"compare":["share_of_total","rank","average_of_peers"]}"#,
    r#"{"version":1,"metrics":["revenue"],"having":[{"any":[{"metric":"revenue_change_percent","op":">","values":[10]},{"not":{"metric":"revenue","op":"<","values":[0]}}]}],"period":{"kind":"between","from":"2025-01-01"},"compare":["previous_period","same_period_last_year"]}"#,
    r#"{"version":1,"metrics":["tickets_sold"],"period":{"kind":"since","dimension":"announced","unit":"week","offset":0,"count":2}}"#,
    r#"{"version":1,"metrics":["concerts"],"time":"announced","grain":"week"}"#,
    r#"{"version":1,"metrics":["revenue"],"dimensions":["city","artist"],"top":{"n":3,"by":"revenue","per":["city"],"direction":"asc"}}"#,
    r#"{"version":1,"metrics":["revenue"],"dimensions":["city"],"order":[{"by":"revenue","direction":"desc"}],"limit":5,"cursor":"abc"}"#,
    r#"{"version":1,"metrics":[],"of":"concerts","distinct":true,"dimensions":["venue"],"filters":[{"than":{"dimension":"capacity","op":">","statistic":"average"}}],"order":[{"by":"capacity","direction":"desc"}]}"#,
];

#[test]
fn every_construct_is_read_and_written_the_same() {
    for text in EXAMPLES {
        let query = Query::from_json(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(serde_json::to_string(&query).expect("JSON"), text);
        let compact = query.to_compact();
        assert!(
            compact
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.~!'(),:*@$%".contains(&b)),
            "{compact}"
        );
        assert_eq!(
            Query::from_compact(&compact).unwrap_or_else(|error| panic!("{compact}: {error}")),
            query
        );
    }
}

#[test]
fn the_compact_form_is_readable() {
    let query = Query::from_json(EXAMPLES[1]).expect("a query");
    assert_eq!(
        query.to_compact(),
        "version:1,metrics:!((metric:concerts,filters:!((dimension:genre,op:'%3D',values:!('rock%20%26%20roll'))),as:rock)),dimensions:!(city)"
    );
}

#[test]
fn fields_of_no_form_are_refused_by_name() {
    let cases = [
        (r#"{"metrics":["a"],"filter":[]}"#, "unknown field `filter`"),
        (r#"{"metrics":[{"metric":"a","where":[]}]}"#, "unknown field `where`"),
        (
            r#"{"metrics":["a"],"filters":[{"op":"="}]}"#,
            "missing field `dimension`",
        ),
        (
            r#"{"metrics":["a"],"filters":[{"any":[],"not":{"all":[]}}]}"#,
            "a filter is one of",
        ),
        (
            r#"{"metrics":["a"],"filters":[{"dimension":"b","op":"=","values":[1],"any":[]}]}"#,
            "a filter is one of",
        ),
        (
            r#"{"metrics":["a"],"having":[{"metric":"b","op":"=","all":[]}]}"#,
            "a condition on a metric is one of",
        ),
        (
            r#"{"metrics":["a"],"filters":[{"exists":{"dimension":"b","of":"c","limit":1}}]}"#,
            "unknown field `limit`",
        ),
        (
            r#"{"metrics":["a"],"compare":["last_week"]}"#,
            "unknown variant `last_week`",
        ),
        (r#"{"metrics":["a"],"top":{"per":[]}}"#, "missing field `n`"),
        (
            r#"{"metrics":["a"],"period":{"kind":"since","unit":"day","count":1}}"#,
            "missing field `dimension`",
        ),
        (
            r#"{"metrics":["a"],"period":{"kind":"between","from":"2025-02-30"}}"#,
            "must be in range `1..=28`",
        ),
    ];
    for (text, expected) in cases {
        let error = Query::from_json(text).expect_err(text);
        assert_eq!(error.code, QueryErrorCode::BadQuery, "{text}");
        assert!(error.message.contains(expected), "{text}: {}", error.message);
    }
}

#[test]
fn a_broken_link_is_refused_with_its_place() {
    let deep = format!("metrics:{}", "!(".repeat(1_000));
    let cases = [
        ("metrics", "':' at character 8"),
        ("metrics:!(a", "character 12"),
        ("metrics:!(a),metrics:!(b)", "metrics stands there twice"),
        ("metrics:'a", "closing '"),
        ("metrics:!x", "after !"),
        ("metrics:!(-)", "a number"),
        ("metrics:!(a),version:2", "Version 2"),
        ("metrics:%FF", "UTF-8"),
        (deep.as_str(), "nested deeper"),
    ];
    for (text, expected) in cases {
        let error = Query::from_compact(text).expect_err(text);
        assert!(error.message.contains(expected), "{text}: {}", error.message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_text_and_number_survives_the_compact_form(text in any::<String>(), float in any::<f64>(), integer in any::<i64>()) {
        prop_assume!(float.is_finite());
        let query: Query = serde_json::from_value(serde_json::json!({
            "metrics": [text.clone()],
            "filters": [{"dimension": text.clone(), "op": "in", "values": [text, float, integer, true]}],
        })).expect("a query");
        let compact = query.to_compact();
        prop_assert_eq!(Query::from_compact(&compact), Ok(query));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z!'(),:%0-9.-]{0,60}") {
        let _ = Query::from_compact(&text);
    }
}
