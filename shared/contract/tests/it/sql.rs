//! Queries and the statements they compile to. The statements are golden files: a change shows in review.
//! `INSTA_UPDATE=always cargo test -p concert-contract --features compile` writes them anew.

use crate::support::{full, run, sparse};
use concert_contract::query::{Direction, Filter, Grain, MetricFilter, Operator, Order, Period, Query, Value};
use concert_contract::{
    api::DataState,
    compile::Compiled,
    query::{QueryError, QueryErrorCode},
    table::{Cell, Decimal},
};
use proptest::prelude::*;
use std::fmt::Write;

fn text_of(json: &str, state: &DataState) -> String {
    told(json, run(json, state))
}

/// A query and what became of it, as a golden file has it.
pub fn told(json: &str, result: Result<Compiled, QueryError>) -> String {
    let mut text = format!("{json}\n\n");
    match result {
        Ok(compiled) => {
            text.push_str(&compiled.sql);
            text.push('\n');
            for parameter in &compiled.parameters {
                let _ = write!(text, "\n:{} = {}", parameter.name, parameter.value);
            }
            let columns: Vec<String> = compiled
                .public_columns()
                .into_iter()
                .map(|c| {
                    format!(
                        "{} {:?}{}",
                        c.name,
                        c.column_type,
                        c.unit.map(|u| format!(" {u}")).unwrap_or_default()
                    )
                })
                .collect();
            let _ = write!(
                text,
                "\ncolumns: {}\ntables: {}",
                columns.join(", "),
                compiled.tables.join(", ")
            );
            for note in &compiled.notes {
                let _ = write!(text, "\nnote: {note}");
            }
        }
        Err(error) => {
            let action = error.suggested_action.clone().unwrap_or_default();
            let _ = write!(
                text,
                "{} at {:?}: {} {action}",
                error.code.name(),
                error.path,
                error.message
            );
        }
    }
    text
}

#[test]
fn queries_compile_to_the_statements_on_file() {
    let cases = [
        ("total", full(), r#"{"metrics": ["concerts"]}"#),
        (
            "best_attended",
            sparse(),
            r#"{"metrics": ["attendance"], "dimensions": ["concert"], "period": {"kind": "between", "from": "1999-01-01", "to": "1999-12-31"}, "order": [{"by": "attendance", "direction": "desc"}], "limit": 10}"#,
        ),
        ("by_year", sparse(), r#"{"metrics": ["attendance"], "grain": "year"}"#),
        (
            "having",
            sparse(),
            r#"{"metrics": ["concerts"], "dimensions": ["city"], "having": [{"metric": "concerts", "op": ">", "values": [20]}]}"#,
        ),
        (
            "every_filter",
            full(),
            r#"{"metrics": ["concerts"], "filters": [
                {"dimension": "city", "op": "=", "values": ["Chicago"]},
                {"dimension": "genre", "op": "in", "values": ["rock", "jazz"]},
                {"dimension": "state", "op": "not in", "values": ["NY", "CA"]},
                {"dimension": "venue", "op": "contains", "values": ["100%_sure"]},
                {"dimension": "artist", "op": "is not null"},
                {"dimension": "venue_type", "op": "=", "values": [""]},
                {"dimension": "capacity", "op": ">=", "values": [1000.5]},
                {"dimension": "date", "op": "between", "values": ["2026-01-01", "2026-02-01"]},
                {"dimension": "weekday", "op": "in", "values": [5, 6]}]}"#,
        ),
        (
            "metrics_of_two_tables",
            full(),
            r#"{"metrics": ["concerts", "tickets_sold", "revenue"], "dimensions": ["city"], "grain": "month", "filters": [{"dimension": "channel", "op": "=", "values": ["online"]}], "limit": 5}"#,
        ),
        (
            "a_filter_down_a_join",
            full(),
            r#"{"metrics": ["concerts"], "filters": [{"dimension": "channel", "op": "=", "values": ["online"]}]}"#,
        ),
        (
            "ratios",
            full(),
            r#"{"metrics": ["average_price", "attendance_rate", "average_attendance"], "dimensions": ["venue"]}"#,
        ),
        (
            "list_prices_in_many_currencies",
            sparse(),
            r#"{"metrics": ["average_price"]}"#,
        ),
        (
            "money_by_city_in_many_currencies",
            sparse(),
            r#"{"metrics": ["average_price", "concerts"], "dimensions": ["city"]}"#,
        ),
        (
            "money_by_city",
            sparse(),
            r#"{"metrics": ["average_price"], "dimensions": ["city"], "filters": [{"dimension": "country", "op": "=", "values": ["GB"]}]}"#,
        ),
        (
            "money_by_currency",
            sparse(),
            r#"{"metrics": ["average_price"], "dimensions": ["currency"]}"#,
        ),
        (
            "money_in_one_currency",
            sparse(),
            r#"{"metrics": ["average_price"], "dimensions": ["city"], "filters": [{"dimension": "currency", "op": "=", "values": ["GBP"]}]}"#,
        ),
        (
            "cancelled",
            full(),
            r#"{"metrics": ["concerts", "attendance"], "filters": [{"dimension": "status", "op": "=", "values": ["cancelled"]}]}"#,
        ),
        (
            "cut_at_the_last_complete_day",
            full(),
            r#"{"metrics": ["revenue"], "grain": "quarter", "period": {"kind": "relative", "unit": "year", "offset": 0, "count": 1}}"#,
        ),
        (
            "coming_concerts_are_not_cut",
            full(),
            r#"{"metrics": ["concerts"], "period": {"kind": "relative", "unit": "day", "offset": 1, "count": 90}}"#,
        ),
        (
            "after_the_data",
            sparse(),
            r#"{"metrics": ["attendance"], "period": {"kind": "relative", "unit": "year", "offset": 0, "count": 1}}"#,
        ),
        (
            "purchases_by_channel",
            full(),
            r#"{"metrics": ["revenue"], "dimensions": ["channel"], "period": {"kind": "between", "from": "2026-03-01"}}"#,
        ),
        (
            "hidden_condition",
            full(),
            r#"{"metrics": ["attendance"], "dimensions": ["artist"], "having": [{"metric": "concerts", "op": "between", "values": [5, 10]}], "order": [{"by": "artist", "direction": "asc"}]}"#,
        ),
        (
            "parts_of_time",
            full(),
            r#"{"metrics": ["concerts"], "dimensions": ["weekday", "month", "quarter", "year"]}"#,
        ),
        ("unknown_metric", full(), r#"{"metrics": ["attendence"]}"#),
        (
            "unknown_dimension",
            full(),
            r#"{"metrics": ["concerts"], "filters": [{"dimension": "town", "op": "=", "values": ["x"]}]}"#,
        ),
        (
            "wrong_type",
            full(),
            r#"{"metrics": ["concerts"], "filters": [{"dimension": "capacity", "op": ">", "values": ["many"]}]}"#,
        ),
        (
            "wrong_count",
            full(),
            r#"{"metrics": ["concerts"], "filters": [{"dimension": "city", "op": "between", "values": ["a"]}]}"#,
        ),
        (
            "bad_weekday",
            full(),
            r#"{"metrics": ["concerts"], "filters": [{"dimension": "weekday", "op": "=", "values": [8]}]}"#,
        ),
        (
            "bad_period",
            full(),
            r#"{"metrics": ["concerts"], "period": {"kind": "between", "from": "2026-02-01", "to": "2026-01-01"}}"#,
        ),
        (
            "bad_order",
            full(),
            r#"{"metrics": ["concerts"], "order": [{"by": "city", "direction": "asc"}]}"#,
        ),
        (
            "no_join",
            full(),
            r#"{"metrics": ["attendance_rate"], "dimensions": ["channel"]}"#,
        ),
        ("not_in_data", sparse(), r#"{"metrics": ["revenue"]}"#),
        (
            "dimension_not_in_data",
            sparse(),
            r#"{"metrics": ["concerts"], "dimensions": ["genre"]}"#,
        ),
        (
            "nothing_published",
            DataState::default(),
            r#"{"metrics": ["concerts"]}"#,
        ),
        (
            "list_without_a_metric",
            full(),
            r#"{"metrics": [], "dimensions": ["city"]}"#,
        ),
        (
            "list_of_figures",
            full(),
            r#"{"of": "concerts", "dimensions": ["city"], "grain": "year"}"#,
        ),
        (
            "than_of_a_text",
            full(),
            r#"{"metrics": ["concerts"], "filters": [{"than": {"dimension": "city", "op": ">", "statistic": "average"}}]}"#,
        ),
        ("unknown_field", full(), r#"{"metrics": ["concerts"], "colour": "red"}"#),
        ("not_json", full(), "{\"metrics\": [\n\"concerts\""),
        ("version", full(), r#"{"version": 9, "metrics": ["concerts"]}"#),
        ("no_metric", full(), r#"{"metrics": []}"#),
        ("zero_limit", full(), r#"{"metrics": ["concerts"], "limit": 0}"#),
    ];
    for (name, state, json) in cases {
        insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(name, text_of(json, &state));
        });
    }
}

#[test]
fn a_page_cuts_the_row_too_many_and_takes_the_currency_into_the_unit() {
    let compiled = run(
        r#"{"metrics": ["average_price"], "dimensions": ["city"], "limit": 3}"#,
        &sparse(),
    )
    .expect("compiles");
    let price = |text| Cell::Decimal(Decimal::parse(text).expect("a decimal"));
    let row =
        |city: &str, currency: &str, amount| vec![Cell::Text(city.into()), Cell::Text(currency.into()), price(amount)];
    let page = compiled.page(vec![row("Leeds", "GBP", "4.00"), row("London", "GBP", "3.50")]);
    let names: Vec<_> = page
        .table
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.unit.as_deref()))
        .collect();
    assert_eq!(names, [("city", None), ("average_price", Some("GBP"))]);
    assert_eq!(page.table.rows[0], [Cell::Text("Leeds".into()), price("4.00")]);
    assert!(page.notes.iter().any(|note| note.contains("GBP")), "{:?}", page.notes);

    let compiled = run(r#"{"metrics": ["average_price"]}"#, &sparse()).expect("compiles");
    let rows = vec![
        vec![Cell::Text("USD".into()), price("5.10")],
        vec![Cell::Text("GBP".into()), price("4.00")],
    ];
    let page = compiled.page(rows);
    assert_eq!(page.table.columns.len(), 2);
    assert_eq!(page.table.columns[1].unit, None);

    let compiled = run(r#"{"metrics": ["concerts"], "dimensions": ["city"]}"#, &sparse()).expect("compiles");
    let page = compiled.page(
        (0..201)
            .map(|n| vec![Cell::Text(n.to_string()), Cell::Integer(n)])
            .collect(),
    );
    assert!(page.table.truncated);
    assert_eq!((page.table.rows.len(), page.table.row_count), (200, 200));
}

#[test]
fn a_value_is_never_part_of_the_statement() {
    let hostile = "x'); DROP TABLE concerts; --";
    let json = format!(
        r#"{{"metrics": ["concerts"], "filters": [{{"dimension": "city", "op": "=", "values": [{hostile:?}]}}]}}"#
    );
    let compiled = run(&json, &full()).expect("compiles");
    assert!(!compiled.sql.contains("DROP"), "{}", compiled.sql);
    assert!(compiled.parameters.iter().any(|p| p.value == hostile));
    let long = format!(
        r#"{{"metrics": ["concerts"], "filters": [{{"dimension": "city", "op": "=", "values": ["{}"]}}]}}"#,
        "x".repeat(2000)
    );
    assert_eq!(
        run(&long, &full()).expect_err("too long").code,
        QueryErrorCode::WrongType
    );
}

fn a_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
        "\\PC{0,12}".prop_map(Value::Text),
        Just(Value::Text("2026-03-01".to_owned())),
    ]
}

fn a_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "concerts",
        "attendance",
        "revenue",
        "average_price",
        "attendance_rate",
        "tickets_sold",
        "venues",
        "concert",
        "artist",
        "venue",
        "city",
        "currency",
        "capacity",
        "date",
        "year",
        "month",
        "weekday",
        "channel",
        "status",
        "nothing",
        "",
    ])
    .prop_map(str::to_owned)
}

fn an_operator() -> impl Strategy<Value = Operator> {
    prop::sample::select(vec![
        Operator::Equal,
        Operator::In,
        Operator::NotIn,
        Operator::Between,
        Operator::Greater,
        Operator::LessOrEqual,
        Operator::Contains,
        Operator::IsNull,
        Operator::IsNotNull,
    ])
}

fn a_query() -> impl Strategy<Value = Query> {
    let filter = (a_name(), an_operator(), prop::collection::vec(a_value(), 0..3))
        .prop_map(|(dimension, op, values)| Filter { dimension, op, values });
    let having = (a_name(), an_operator(), prop::collection::vec(a_value(), 0..3))
        .prop_map(|(metric, op, values)| MetricFilter { metric, op, values });
    let grain = prop::sample::select(Grain::ALL.to_vec());
    let period = (grain.clone(), any::<i32>(), any::<u32>()).prop_map(|(unit, offset, count)| Period::Relative {
        unit,
        offset,
        count,
    });
    let order = (a_name(), any::<bool>()).prop_map(|(by, up)| Order {
        by,
        direction: if up {
            Direction::Ascending
        } else {
            Direction::Descending
        },
    });
    (
        prop::collection::vec(a_name(), 0..3),
        prop::collection::vec(a_name(), 0..3),
        prop::collection::vec(filter, 0..3),
        prop::collection::vec(having, 0..2),
        prop::option::of(period),
        prop::option::of(grain),
        prop::collection::vec(order, 0..2),
        prop::option::of(any::<u32>()),
    )
        .prop_map(
            |(metrics, dimensions, filters, having, period, grain, order, limit)| Query {
                metrics: metrics.into_iter().map(Into::into).collect(),
                dimensions,
                filters: filters.into_iter().map(Into::into).collect(),
                having: having.into_iter().map(Into::into).collect(),
                period,
                grain,
                order,
                limit,
                ..Query::default()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a query holds, it compiles or says what is wrong; what compiles names every parameter that it binds.
    #[test]
    fn no_query_panics(query in a_query(), is_full in any::<bool>()) {
        let state = if is_full { full() } else { sparse() };
        match crate::support::compiled(&query, &state) {
            Ok(compiled) => {
                for parameter in &compiled.parameters {
                    prop_assert!(compiled.sql.contains(&format!(":{}", parameter.name)), "{}", compiled.sql);
                    prop_assert!(!parameter.value.is_empty());
                }
                prop_assert!(!compiled.columns.is_empty());
            }
            Err(error) => prop_assert!(!error.message.is_empty()),
        }
    }
}
