//! Each construct of the model and each kind of role, as the statement that it compiles to; and every kind of bad input,
//! as the error that it gets. `docs/query.md` shows the same queries.

use crate::{
    sql::told,
    support::{TODAY, full, rich},
};
use concert_contract::{
    api::DataState,
    catalogue::{CONCERT_DW, Catalogue},
    compile::{CompileContext, Compiled, compile},
    query::{Query, QueryError},
};
use std::sync::LazyLock;

/// The catalogue of `concert_dw` with three roles.
const ROLES: &str = r#"
[roles.staff]
description = "Sees everything."

[roles.booker]
description = "Sees German venues, and no money."
hidden = ["concerts.revenue", "ticket_sales.unit_price", "customers"]
[[roles.booker.rows]]
table = "venues"
filters = [{ dimension = "venues.country", op = "=", values = ["DE"] }]
[[roles.booker.rows]]
table = "concerts"
filters = [{ dimension = "venues.country", op = "=", values = ["DE"] }]

[roles.web]
description = "Sees purchases on the web only."
[[roles.web.rows]]
table = "ticket_sales"
filters = [{ dimension = "ticket_sales.channel", op = "=", values = ["web"] }]
[[roles.web.rows]]
table = "daily_sales"
filters = [{ dimension = "daily_sales.tickets", op = ">", values = [1] }]
"#;

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::from_toml(&format!("{CONCERT_DW}\n{ROLES}")).unwrap_or_else(|error| panic!("{error}")));

fn run_as(role: Option<&str>, json: &str, state: &DataState) -> Result<Compiled, QueryError> {
    compile(
        &Query::from_json(json)?,
        &CATALOGUE,
        &CompileContext {
            today: TODAY,
            state,
            role,
            max_rows: 200,
            offset: 0,
        },
    )
}

#[test]
fn each_construct_compiles_to_the_statement_on_file() {
    let cases = [
        (
            "metric_with_filters",
            r#"{"metrics": ["concerts", {"metric": "concerts", "filters": [{"dimension": "genre", "op": "=", "values": ["rock"]}], "as": "rock_concerts"}], "dimensions": ["city"]}"#,
        ),
        (
            "any_all_not",
            r#"{"metrics": ["concerts"], "filters": [{"any": [{"dimension": "city", "op": "!=", "values": ["Boston"]}, {"not": {"all": [{"dimension": "state", "op": "is null"}, {"dimension": "venue", "op": "starts with", "values": ["The"]}]}}]}]}"#,
        ),
        (
            "exists",
            r#"{"metrics": ["concerts"], "dimensions": ["artist"], "filters": [{"exists": {"dimension": "artist", "of": "concerts", "filters": [{"dimension": "city", "op": "=", "values": ["Chicago"]}]}}]}"#,
        ),
        (
            "no_sold_out_concert",
            r#"{"metrics": ["concerts"], "dimensions": ["venue"], "filters": [{"not": {"exists": {"dimension": "venue", "of": "concerts", "per": ["concert"], "having": [{"metric": "attendance_rate", "op": ">=", "values": [100]}]}}}]}"#,
        ),
        (
            "having_any",
            r#"{"metrics": ["concerts"], "dimensions": ["city"], "having": [{"any": [{"metric": "concerts", "op": ">", "values": [20]}, {"metric": "attendance", "op": ">=", "values": [10000]}]}]}"#,
        ),
        (
            "since_announcement",
            r#"{"metrics": ["tickets_sold"], "dimensions": ["channel"], "period": {"kind": "since", "dimension": "announced", "unit": "week", "offset": 0, "count": 1}}"#,
        ),
        (
            "another_time",
            r#"{"metrics": ["concerts"], "time": "announced", "grain": "month", "period": {"kind": "relative", "unit": "year", "offset": 0, "count": 1}}"#,
        ),
        (
            "days_since",
            r#"{"metrics": ["purchases"], "dimensions": ["days_since_announcement"]}"#,
        ),
        ("hour", r#"{"metrics": ["purchases"], "dimensions": ["hour"]}"#),
        (
            "previous_period",
            r#"{"metrics": ["attendance"], "period": {"kind": "relative", "unit": "year", "offset": 0, "count": 1}, "compare": ["previous_period"]}"#,
        ),
        (
            "same_period_last_year",
            r#"{"metrics": ["attendance"], "dimensions": ["city"], "grain": "month", "compare": ["same_period_last_year"]}"#,
        ),
        (
            "share_rank_peers",
            r#"{"metrics": ["attendance"], "dimensions": ["city"], "focus": [{"dimension": "city", "op": "=", "values": ["Chicago"]}], "compare": ["share_of_total", "rank", "average_of_peers"]}"#,
        ),
        (
            "grown",
            r#"{"metrics": ["revenue"], "dimensions": ["venue"], "filters": [{"dimension": "currency", "op": "=", "values": ["USD"]}], "period": {"kind": "between", "from": "2025-01-01", "to": "2025-12-31"}, "compare": ["previous_period"], "having": [{"metric": "revenue_change_percent", "op": ">", "values": [10]}]}"#,
        ),
        (
            "top_in_each",
            r#"{"metrics": ["attendance"], "dimensions": ["city", "artist"], "top": {"n": 3, "per": ["city"]}}"#,
        ),
        (
            "running_total",
            r#"{"metrics": ["attendance", {"metric": "attendance", "window": "running_total"}], "grain": "month"}"#,
        ),
        (
            "moving_average",
            r#"{"metrics": [{"metric": "revenue", "window": {"moving_average": 3}, "as": "smooth"}], "grain": "month", "dimensions": ["genre"]}"#,
        ),
        (
            "statistics",
            r#"{"metrics": [{"metric": "attendance", "aggregate": "median"}, {"metric": "attendance", "aggregate": {"percentile": 90}}, {"metric": "attendance", "aggregate": "maximum"}], "dimensions": ["venue_type"]}"#,
        ),
        ("many_values", r#"{"metrics": ["concerts"], "dimensions": ["amenity"]}"#),
        (
            "filter_of_many_values",
            r#"{"metrics": ["concerts"], "filters": [{"not": {"dimension": "amenity", "op": "=", "values": ["parking"]}}]}"#,
        ),
        (
            "by_a_roll_up",
            r#"{"metrics": ["purchases", "tickets_sold"], "dimensions": ["city"], "filters": [{"dimension": "customer_city", "op": "=", "values": ["Rome"]}]}"#,
        ),
        (
            "several_currencies",
            r#"{"metrics": ["revenue"], "dimensions": ["city"], "limit": 5}"#,
        ),
    ];
    for (name, json) in cases {
        insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name, told(json, run_as(None, json, &rich())));
        });
    }
}

/// No box office: purchases are what there is.
fn purchases() -> DataState {
    let mut state = rich();
    for table in &mut state.tables {
        if table.table_name == "concerts" {
            table
                .filled_columns
                .retain(|c| c != "revenue" && c != "total_attendance");
        }
    }
    state
}

#[test]
fn a_roll_up_answers_what_it_can() {
    let cases = [
        (
            "roll_up_by_month",
            r#"{"metrics": ["tickets_sold"], "grain": "month"}"#,
            true,
        ),
        (
            "roll_up_through_joins",
            r#"{"metrics": ["tickets_sold"], "dimensions": ["city"], "filters": [{"dimension": "genre", "op": "=", "values": ["rock"]}]}"#,
            true,
        ),
        (
            "not_by_channel",
            r#"{"metrics": ["tickets_sold"], "dimensions": ["channel"]}"#,
            false,
        ),
        (
            "not_by_hour",
            r#"{"metrics": ["tickets_sold"], "dimensions": ["hour"]}"#,
            false,
        ),
        (
            "not_a_mean",
            r#"{"metrics": ["tickets_per_purchase"], "grain": "month"}"#,
            false,
        ),
    ];
    for (name, json, is_rolled_up) in cases {
        let compiled = run_as(None, json, &purchases()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            compiled.tables.contains(&"daily_sales".to_owned()),
            is_rolled_up,
            "{name}"
        );
        assert_eq!(
            compiled.tables.contains(&"ticket_sales".to_owned()),
            !is_rolled_up,
            "{name}"
        );
        if is_rolled_up {
            insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
                insta::assert_snapshot!(name, told(json, Ok(compiled)));
            });
        }
    }
    let mut unpublished = purchases();
    unpublished.tables.retain(|table| table.table_name != "daily_sales");
    let compiled = run_as(None, cases[0].1, &unpublished).expect("it is answered from the purchases");
    assert!(compiled.tables.contains(&"ticket_sales".to_owned()));
}

#[test]
fn each_role_gets_its_own_statement() {
    let by_city = r#"{"metrics": ["concerts"], "dimensions": ["city"]}"#;
    let by_month = r#"{"metrics": ["tickets_sold"], "grain": "month"}"#;
    let revenue = r#"{"metrics": ["average_revenue"]}"#;
    let cases = [
        ("role_staff", Some("staff"), by_city, rich()),
        ("role_booker", Some("booker"), by_city, rich()),
        ("role_booker_hidden_metric", Some("booker"), revenue, rich()),
        (
            "role_booker_hidden_dimension",
            Some("booker"),
            r#"{"metrics": ["tickets_sold"], "dimensions": ["customer_city"]}"#,
            rich(),
        ),
        (
            "role_booker_hidden_filter",
            Some("booker"),
            r#"{"metrics": ["concerts"], "filters": [{"not": {"dimension": "customer_city", "op": "=", "values": ["Ulm"]}}]}"#,
            rich(),
        ),
        // The roll-up does not tell the channel, so the rule on it cannot be kept there.
        ("role_web", Some("web"), by_month, purchases()),
        ("role_unknown", Some("visitor"), by_city, rich()),
    ];
    for (name, role, json, state) in cases {
        insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name, told(json, run_as(role, json, &state)));
        });
    }
}

#[test]
fn bad_input_is_told_what_is_wrong_where_and_how_to_mend_it() {
    // The query, the code, the place, and a piece of what is said.
    let cases: &[(&str, &str, &str, &str)] = &[
        (
            r#"{"metrics": ["concrets"]}"#,
            "unknown_metric",
            "metrics[0]",
            "concerts",
        ),
        (
            r#"{"metrics": ["concerts"], "dimensions": ["citty"]}"#,
            "unknown_dimension",
            "dimensions[0]",
            "city",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"any": [{"dimension": "genra", "op": "is null"}]}]}"#,
            "unknown_dimension",
            "filters[0].any[0].dimension",
            "genre",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"any": []}]}"#,
            "bad_query",
            "filters[0]",
            "empty",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"dimension": "capacity", "op": "=", "values": ["big"]}]}"#,
            "wrong_type",
            "filters[0].values[0]",
            "a number",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"dimension": "capacity", "op": "starts with", "values": [1]}]}"#,
            "wrong_type",
            "filters[0].op",
            "not text",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"dimension": "date", "op": "=", "values": ["2026-02-30"]}]}"#,
            "wrong_type",
            "filters[0].values[0]",
            "YYYY-MM-DD",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"dimension": "weekday", "op": "=", "values": [8]}]}"#,
            "wrong_type",
            "filters[0].values[0]",
            "1 to 7",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"dimension": "city", "op": "between", "values": ["A"]}]}"#,
            "wrong_type",
            "filters[0].values",
            "2 values",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"dimension": "concert", "op": "=", "values": ["A"]}]}"#,
            "wrong_type",
            "filters[0].dimension",
            "no value of its own",
        ),
        (
            r#"{"metrics": ["concerts"], "period": {"kind": "between", "from": "2026-05-01", "to": "2026-04-01"}}"#,
            "bad_period",
            "period",
            "before it begins",
        ),
        (
            r#"{"metrics": ["concerts"], "period": {"kind": "between", "from": "2026-02-30"}}"#,
            "bad_query",
            "",
            "1..=28",
        ),
        (
            r#"{"metrics": ["concerts"], "period": {"kind": "relative", "unit": "day", "offset": 0, "count": 0}}"#,
            "bad_period",
            "period",
            "no days",
        ),
        (
            r#"{"metrics": ["concerts"], "period": {"kind": "relative", "unit": "year", "offset": 90000, "count": 1}}"#,
            "bad_period",
            "period",
            "calendar",
        ),
        (
            r#"{"metrics": ["concerts"], "period": {"kind": "since", "dimension": "city", "unit": "day", "count": 3}}"#,
            "wrong_type",
            "period.dimension",
            "neither a day",
        ),
        (
            r#"{"metrics": ["concerts"], "period": {"kind": "since", "dimension": "announced", "unit": "day", "count": 0}}"#,
            "bad_period",
            "period",
            "no days",
        ),
        (
            r#"{"metrics": ["concerts"], "period": {"kind": "since", "dimension": "announced", "unit": "day", "count": 4000000000}}"#,
            "bad_period",
            "period",
            "at most",
        ),
        (
            r#"{"metrics": ["concerts"], "time": "city", "grain": "month"}"#,
            "wrong_type",
            "time",
            "neither a day",
        ),
        (
            r#"{"metrics": ["total_capacity"], "grain": "month"}"#,
            "no_join",
            "metrics[0]",
            "no time",
        ),
        (
            r#"{"metrics": ["concerts"], "dimensions": ["hour"]}"#,
            "wrong_type",
            "",
            "days only",
        ),
        (
            r#"{"metrics": ["concerts"], "having": [{"metric": "attendence", "op": ">", "values": [1]}]}"#,
            "unknown_metric",
            "having[0].metric",
            "attendance",
        ),
        (
            r#"{"metrics": ["concerts"], "having": [{"metric": "concerts_change", "op": ">", "values": [1]}]}"#,
            "unknown_metric",
            "having[0].metric",
            "concerts",
        ),
        (
            r#"{"metrics": ["concerts"], "having": [{"metric": "concerts", "op": "contains", "values": ["1"]}]}"#,
            "wrong_type",
            "having[0].op",
            "a number",
        ),
        (
            r#"{"metrics": ["concerts"], "dimensions": ["city"], "compare": ["previous_period"]}"#,
            "bad_compare",
            "compare",
            "Add a period",
        ),
        (
            r#"{"metrics": ["concerts"], "period": {"kind": "between", "to": "2026-01-01"}, "compare": ["previous_period"]}"#,
            "bad_compare",
            "compare",
            "beginning",
        ),
        (
            r#"{"metrics": ["concerts"], "grain": "month", "dimensions": ["date"], "compare": ["previous_period"]}"#,
            "bad_compare",
            "compare[0]",
            "earlier",
        ),
        (
            r#"{"metrics": ["concerts"], "compare": ["rank"]}"#,
            "bad_compare",
            "compare[0]",
            "Add a dimension",
        ),
        (
            r#"{"metrics": ["concerts"], "dimensions": ["city"], "compare": ["rank", "rank"]}"#,
            "bad_compare",
            "compare[1]",
            "twice",
        ),
        (
            r#"{"metrics": ["average_attendance"], "dimensions": ["city"], "compare": ["share_of_total"]}"#,
            "bad_compare",
            "compare[0]",
            "added up",
        ),
        (
            r#"{"metrics": ["concerts"], "top": {"n": 3}}"#,
            "bad_top",
            "top",
            "Add a dimension",
        ),
        (
            r#"{"metrics": ["concerts"], "dimensions": ["city"], "top": {"n": 0}}"#,
            "bad_top",
            "top.n",
            "at least 1",
        ),
        (
            r#"{"metrics": ["concerts"], "dimensions": ["city"], "top": {"n": 3, "by": "revenue"}}"#,
            "bad_top",
            "top.by",
            "concerts",
        ),
        (
            r#"{"metrics": ["concerts"], "dimensions": ["city"], "top": {"n": 3, "per": ["genre"]}}"#,
            "bad_top",
            "top.per[0]",
            "city",
        ),
        (
            r#"{"metrics": ["concerts"], "dimensions": ["city"], "top": {"n": 3, "per": ["city"]}}"#,
            "bad_top",
            "top.per",
            "one row only",
        ),
        (
            r#"{"metrics": [{"metric": "concerts", "window": "running_total"}]}"#,
            "bad_window",
            "metrics[0].window",
            "Add a grain",
        ),
        (
            r#"{"metrics": [{"metric": "average_attendance", "window": "running_total"}], "grain": "day"}"#,
            "bad_window",
            "metrics[0].window",
            "moving average",
        ),
        (
            r#"{"metrics": [{"metric": "concerts", "window": {"moving_average": 0}}], "grain": "day"}"#,
            "bad_window",
            "metrics[0].window",
            "1 to 400",
        ),
        (
            r#"{"metrics": [{"metric": "concerts", "aggregate": "median"}]}"#,
            "bad_aggregate",
            "metrics[0].aggregate",
            "Leave out",
        ),
        (
            r#"{"metrics": [{"metric": "attendance", "aggregate": {"percentile": 101}}]}"#,
            "bad_aggregate",
            "metrics[0].aggregate",
            "0 to 100",
        ),
        (
            r#"{"metrics": [{"metric": "concerts", "as": "select"}]}"#,
            "bad_query",
            "metrics[0].as",
            "cannot be a name",
        ),
        (
            r#"{"metrics": [{"metric": "concerts", "as": "x\"; DROP TABLE y"}]}"#,
            "bad_query",
            "metrics[0].as",
            "cannot be a name",
        ),
        (
            r#"{"metrics": [{"metric": "concerts", "as": "city"}], "dimensions": ["city"]}"#,
            "bad_query",
            "metrics[0].as",
            "two columns",
        ),
        (
            r#"{"metrics": ["concerts", "concerts"]}"#,
            "bad_query",
            "metrics[1]",
            "twice",
        ),
        (
            r#"{"metrics": ["concerts"], "focus": [{"dimension": "city", "op": "is null"}]}"#,
            "bad_query",
            "focus[0].dimension",
            "Add it",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"exists": {"dimension": "weekday", "of": "concerts"}}]}"#,
            "bad_exists",
            "filters[0].exists.dimension",
            "names no things",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"exists": {"dimension": "venue", "of": "gigz"}}]}"#,
            "unknown_metric",
            "filters[0].exists.of",
            "metric",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"exists": {"dimension": "venue", "of": "concerts", "per": ["concert"]}}]}"#,
            "bad_exists",
            "filters[0].exists.per",
            "Add having",
        ),
        (
            r#"{"metrics": ["concerts"], "filters": [{"exists": {"dimension": "venue", "of": "concerts", "having": [{"metric": "purchases", "op": ">", "values": [1]}]}}]}"#,
            "bad_exists",
            "filters[0].exists.having[0].metric",
            "other rows",
        ),
        (
            r#"{"metrics": ["average_capacity"], "dimensions": ["channel"]}"#,
            "no_join",
            "metrics[0]",
            "Leave out",
        ),
        (
            r#"{"metrics": ["concerts"], "order": [{"by": "revenue", "direction": "asc"}]}"#,
            "bad_order",
            "order[0].by",
            "concerts",
        ),
        (
            r#"{"metrics": ["concerts"], "limit": 0}"#,
            "bad_limit",
            "limit",
            "at least 1",
        ),
        (r#"{"metrics": []}"#, "bad_query", "metrics", "at least one"),
        (
            r#"{"version": 7, "metrics": ["concerts"]}"#,
            "unsupported_version",
            "version",
            "7",
        ),
    ];
    let mut wrong = Vec::new();
    for (json, code, path, piece) in cases {
        let error = match run_as(None, json, &rich()) {
            Err(error) => error,
            Ok(compiled) => panic!("{json} compiles: {}", compiled.sql),
        };
        let said = format!(
            "{} {}",
            error.message,
            error.suggested_action.clone().unwrap_or_default()
        );
        if (error.code.name(), error.path.as_str()) != (*code, *path) || !said.contains(piece) {
            wrong.push(format!("{json}\n  {} at {:?}: {said}", error.code.name(), error.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let deep = format!(
        r#"{{"metrics": ["concerts"], "filters": [{}{}{}]}}"#,
        r#"{"not": "#.repeat(40),
        r#"{"dimension": "city", "op": "is null"}"#,
        "}".repeat(40)
    );
    assert!(run_as(None, &deep, &full()).is_err_and(|error| error.message.contains("deep")));
}

#[test]
fn two_chains_of_joins_are_an_error_that_names_both() {
    let text = r#"
version = "1"
schema = "s"
[tables.trades]
key = ["id"]
columns = { id = "text", buyer = "text", seller = "text" }
[tables.users]
key = ["id"]
columns = { id = "text", name = "text" }
[[joins]]
from = "trades.buyer"
to = "users.id"
[[joins]]
from = "trades.seller"
to = "users.id"
[[metrics]]
name = "trades"
label = "Trades"
[[metrics.sources]]
aggregate = "count"
of = "trades.id"
[[dimensions]]
name = "someone"
label = "Someone"
plural = "people"
type = "text"
column = "users.name"
[[dimensions]]
name = "buyer"
label = "Buyer"
plural = "buyers"
type = "text"
column = "users.name"
via = ["trades.buyer"]
"#;
    let catalogue = Catalogue::from_toml(text).unwrap_or_else(|error| panic!("{error}"));
    let state = DataState {
        tables: ["trades", "users"]
            .map(|name| concert_contract::api::TableState {
                table_name: name.to_owned(),
                row_count: 1,
                filled_columns: ["id", "buyer", "seller", "name"].map(str::to_owned).to_vec(),
                ..Default::default()
            })
            .to_vec(),
        ..DataState::default()
    };
    let run = |dimension: &str| {
        let query = Query {
            metrics: vec!["trades".into()],
            dimensions: vec![dimension.to_owned()],
            ..Query::default()
        };
        compile(
            &query,
            &catalogue,
            &CompileContext {
                today: TODAY,
                state: &state,
                role: None,
                max_rows: 10,
                offset: 0,
            },
        )
    };
    let error = run("someone").expect_err("it is ambiguous");
    assert_eq!(error.code.name(), "ambiguous_join");
    for path in ["trades.buyer = users.id", "trades.seller = users.id"] {
        assert!(error.message.contains(path), "{}", error.message);
    }
    let sql = run("buyer").expect("it names its join").sql;
    assert!(sql.contains("users.id = trades.buyer"), "{sql}");
}

#[test]
fn a_role_is_told_of_nothing_that_it_may_not_see() {
    let seen = CATALOGUE.seen_by(Some("booker")).expect("the role is there");
    assert!(seen.metric("average_revenue").is_none());
    let revenue = CATALOGUE.metric("revenue").expect("revenue");
    assert_eq!(revenue.sources.len(), 2);
    assert!(seen.metric("revenue").is_none(), "both of its sources are hidden");
    assert!(seen.dimension("customer_city").is_none());
    assert!(seen.dimension("city").is_some() && seen.metric("attendance").is_some());
    assert!(!seen.tables["concerts"].columns.contains_key("revenue"));
    assert_eq!(CATALOGUE.seen_by(None).as_ref(), Ok(&*CATALOGUE));
    assert!(CATALOGUE.seen_by(Some("visitor")).is_err());
    // What is left compiles for the role, or is refused for want of data, never for want of rights.
    for metric in &seen.metrics {
        for dimension in &seen.dimensions {
            let json = format!(
                r#"{{"metrics": ["{}"], "dimensions": ["{}"]}}"#,
                metric.name, dimension.name
            );
            if let Err(error) = run_as(Some("booker"), &json, &rich()) {
                assert_ne!(error.code.name(), "not_allowed", "{json}: {error}");
            }
        }
    }
}

/// `UPDATE_DOCS=1` writes the compact forms and the statements anew.
#[test]
fn the_page_about_queries_shows_what_they_compile_to() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/query.md");
    let text = std::fs::read_to_string(path).expect("docs/query.md is there");
    let mut written = String::new();
    let mut query: Option<Query> = None;
    let mut lines = text.lines();
    let mut examples = 0;
    while let Some(line) = lines.next() {
        written.push_str(line);
        written.push('\n');
        let language = match line.strip_prefix("```") {
            Some(language @ ("json" | "text" | "sql")) => language,
            _ => continue,
        };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let shown = match language {
            "json" => {
                query = Some(Query::from_json(&body.join("\n")).unwrap_or_else(|error| panic!("{body:?}: {error}")));
                body.join("\n")
            }
            "text" => query.as_ref().expect("JSON comes first").to_compact(),
            _ => {
                examples += 1;
                let json = serde_json::to_string(query.as_ref().expect("JSON comes first")).expect("JSON");
                run_as(None, &json, &rich())
                    .unwrap_or_else(|error| panic!("{json}: {error}"))
                    .sql
            }
        };
        written.push_str(&shown);
        written.push_str("\n```\n");
    }
    assert!(examples > 10, "{examples} examples");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, written).expect("docs/query.md can be written");
    } else {
        assert!(written == text, "docs/query.md is out of date; run with UPDATE_DOCS=1");
    }
}
