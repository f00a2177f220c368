//! Results and what is said, titled and drawn of them.

use crate::support::{TODAY, catalogue, full, sparse};
use concert_contract::{
    api::DataState,
    chart::{ChartKind, choose},
    compile::{CompileContext, compile},
    insight::{InsightContext, describe, summarise, title},
    query::Query,
    table::{Cell, ColumnType, Decimal},
};

/// Cells from text by the types of the columns: `Washington|67`, `-` for NULL.
fn page(json: &str, state: &DataState, rows: &[&str]) -> (Query, concert_contract::compile::Page) {
    let query = Query::from_json(json).expect("a query");
    let compiled = compile(
        &query,
        &catalogue(),
        &CompileContext {
            today: TODAY,
            state,
            role: None,
            max_rows: 200,
            offset: 0,
        },
    )
    .expect("it compiles");
    let cells = rows
        .iter()
        .map(|row| {
            row.split('|')
                .zip(&compiled.columns)
                .map(|(text, column)| match column.column_type {
                    _ if text == "-" => Cell::Null,
                    ColumnType::Integer => Cell::Integer(text.parse().expect("a whole number")),
                    ColumnType::Float => Cell::Float(text.parse().expect("a number")),
                    ColumnType::Decimal => Cell::Decimal(Decimal::parse(text).expect("a decimal")),
                    _ => Cell::Text(text.to_owned()),
                })
                .collect()
        })
        .collect();
    (query, compiled.page(cells))
}

fn told(json: &str, state: &DataState, rows: &[&str]) -> String {
    let (query, page) = page(json, state, rows);
    summarise(
        &query,
        &catalogue(),
        &page.table,
        &InsightContext {
            today: TODAY,
            notes: &page.notes,
        },
    )
}

/// Kind, x, y and series of the chart.
type Drawn = (ChartKind, Option<String>, Vec<String>, Option<String>);

fn drawn(json: &str, state: &DataState, rows: &[&str]) -> Option<Drawn> {
    let (query, page) = page(json, state, rows);
    choose(&query, &catalogue(), &page.table).map(|chart| (chart.kind, chart.x, chart.y, chart.series))
}

const BEST: &str = r#"{"metrics": ["attendance"], "dimensions": ["concert"],
    "period": {"kind": "between", "from": "1999-01-01", "to": "1999-12-31"},
    "order": [{"by": "attendance", "direction": "desc"}], "limit": 10}"#;
const BEST_ROWS: [&str; 3] = [
    "1999-09-30|Fugazi|Forte Prenestino|Rome|5000",
    "1999-05-15|Fugazi|Rex|London|3100",
    "1999-10-01|Fugazi|CPA|Florence|3000",
];
const MANY: &str = r#"{"metrics": ["concerts"], "dimensions": ["city"], "having": [{"metric": "concerts", "op": ">", "values": [20]}]}"#;

#[test]
fn the_sentence_holds_the_number_that_matters() {
    let cases = [
        (
            told(BEST, &sparse(), &BEST_ROWS),
            "The best attended concert in 1999 was by **Fugazi** at **Forte Prenestino** in **Rome** on **30 Sep 1999**, \
             with an attendance of **5,000**. Together the 3 concerts come to 11,100.",
        ),
        (
            told(
                r#"{"metrics": ["attendance"], "grain": "year"}"#,
                &sparse(),
                &["1987|1335", "1988|-", "1993|172215", "2002|25900"],
            ),
            "Attendance peaked in **1993** at **172,215**. Between 1993 and 2002 it fell, from 172,215 to 25,900. \
             1 year has no known value.",
        ),
        // Neither where the data begins nor what is only planned ends a course.
        (
            told(
                r#"{"metrics": ["concerts"], "grain": "year"}"#,
                &full(),
                &["2023|60", "2024|100", "2025|110", "2026|90", "2027|5"],
            ),
            "Concerts peaked in **2025** with **110 concerts**. Between 2024 and 2025 they rose, from 100 to 110. 2026 is \
             not over yet, and what comes after it is only what is planned so far.",
        ),
        (
            told(
                r#"{"metrics": ["concerts"], "dimensions": ["venue", "capacity"], "order": [{"by": "capacity", "direction": "desc"}], "limit": 10}"#,
                &full(),
                &["Mill Field|Austin|58700|1", "Riverside|Chicago|32000|4"],
            ),
            "**Mill Field, Austin** has the highest capacity: **58,700**, ahead of **Riverside, Chicago** with 32,000.",
        ),
        (
            told(
                r#"{"metrics": ["attendance_rate"], "dimensions": ["concert"], "having": [{"metric": "attendance_rate", "op": ">=", "values": [100]}]}"#,
                &full(),
                &[],
            ),
            "No concerts had an attendance rate of at least 100\u{2009}%.",
        ),
        (
            told(
                r#"{"metrics": ["revenue"], "grain": "month", "period": {"kind": "relative", "unit": "year", "offset": 0, "count": 1}}"#,
                &full(),
                &["2026-01-01|20000.00", "2026-10-01|30000.00", "2026-11-01|900.00"],
            ),
            "Revenue this year peaked in **Oct 2026** at **$30.0\u{2009}k**. Between Jan 2026 and Oct 2026 it rose, from \
             $20.0\u{2009}k to $30.0\u{2009}k. Nov 2026 is not over yet. Figures for revenue come from the box office. The data \
             is complete up to 15 Nov 2026; what comes after is left out.",
        ),
        (
            told(MANY, &sparse(), &["Washington|67"]),
            "**1 city** had more than 20 concerts: **Washington** (67).",
        ),
        (
            told(MANY, &sparse(), &["Washington|67", "New York|25"]),
            "**2 cities** had more than 20 concerts: **Washington** (67) and **New York** (25).",
        ),
        (told(MANY, &sparse(), &[]), "No cities had more than 20 concerts."),
        (
            told(r#"{"metrics": ["concerts"]}"#, &full(), &["1049"]),
            "There were **1,049 concerts**.",
        ),
        (
            told(r#"{"metrics": ["concerts"]}"#, &full(), &["1"]),
            "There was **1 concert**.",
        ),
        (
            told(
                r#"{"metrics": ["concerts"], "filters": [{"dimension": "country", "op": "=", "values": ["DE"]}], "period": {"kind": "relative", "unit": "day", "offset": 1, "count": 90}}"#,
                &full(),
                &["12"],
            ),
            "There are **12 concerts** in Germany in the next 90 days.",
        ),
        (
            told(
                r#"{"metrics": ["attendance"], "filters": [{"dimension": "city", "op": "=", "values": ["Boise"]}]}"#,
                &full(),
                &["-"],
            ),
            "No attendance matches: in Boise.",
        ),
        (
            told(
                r#"{"metrics": ["revenue"], "dimensions": ["venue"]}"#,
                &full(),
                &[
                    "The Meridian|Chicago|1840250.00",
                    "Orpheum|Austin|1120000.00",
                    "-|-|5.00",
                ],
            ),
            "**The Meridian, Chicago** leads with revenue of **$1.84\u{2009}M**, ahead of **Orpheum, Austin** with \
             $1.12\u{2009}M. Together the 3 venues come to $2.96\u{2009}M; **The Meridian, Chicago** has 62.2\u{2009}% of \
             it. Figures for revenue come from the box office.",
        ),
        (
            told(
                r#"{"metrics": ["average_price"]}"#,
                &sparse(),
                &["USD|4.92", "GBP|4.36"],
            ),
            "Average price was **$4.92** and **£4.36**. Figures for average price come from list prices. Amounts in \
             different currencies are not added up.",
        ),
        (
            told(
                r#"{"metrics": ["concerts"], "dimensions": ["weekday"], "order": [{"by": "concerts", "direction": "asc"}], "limit": 1}"#,
                &full(),
                &["1|7"],
            ),
            "**Monday** had the fewest concerts: **7**.",
        ),
        (
            told(
                r#"{"metrics": ["attendance"], "dimensions": ["concert"], "filters": [{"dimension": "city", "op": "=", "values": ["Tokyo"]}], "order": [{"by": "concert", "direction": "asc"}]}"#,
                &sparse(),
                &["1991-11-11|Fugazi|Anti Knock|300", "1993-11-05|Fugazi|Club Quattro|-"],
            ),
            "There were **2 concerts** in Tokyo, from **11 Nov 1991** to **5 Nov 1993**.",
        ),
    ];
    for (actual, expected) in cases {
        assert_eq!(actual, expected);
    }
}

#[test]
fn text_from_the_data_is_never_markup() {
    let text = told(
        r#"{"metrics": ["concerts"], "dimensions": ["city"]}"#,
        &full(),
        &["<b>*x*</b>[a](http://b)|9", "Rome|8"],
    );
    assert!(text.contains("\\<b\\>\\*x\\*\\</b\\>\\[a\\](http://b)"), "{text}");
}

#[test]
fn a_result_is_drawn_as_what_it_is() {
    let some = |kind, x: &str, y: &str, series: Option<&str>| {
        Some((kind, Some(x.to_owned()), vec![y.to_owned()], series.map(str::to_owned)))
    };
    assert_eq!(
        drawn(BEST, &sparse(), &BEST_ROWS),
        some(ChartKind::Bar, "venue", "attendance", None)
    );
    assert_eq!(
        drawn(MANY, &sparse(), &["A|30", "B|25"]),
        some(ChartKind::Bar, "city", "concerts", None)
    );
    assert_eq!(drawn(MANY, &sparse(), &["A|30"]), None, "one bar compares with nothing");
    assert_eq!(
        drawn(
            r#"{"metrics": ["attendance"], "grain": "year"}"#,
            &sparse(),
            &["1987|5", "1988|7"]
        ),
        some(ChartKind::Line, "year", "attendance", None)
    );
    assert_eq!(
        drawn(
            r#"{"metrics": ["concerts"], "dimensions": ["weekday"]}"#,
            &full(),
            &["1|5", "2|7"]
        ),
        some(ChartKind::Column, "weekday", "concerts", None)
    );
    assert_eq!(
        drawn(
            r#"{"metrics": ["concerts"], "dimensions": ["city"], "grain": "month"}"#,
            &full(),
            &["2026-01-01|A|5", "2026-02-01|B|7"]
        ),
        some(ChartKind::Line, "month", "concerts", Some("city"))
    );
    assert_eq!(
        drawn(r#"{"metrics": ["concerts"]}"#, &full(), &["5"]),
        Some((ChartKind::Number, None, vec!["concerts".to_owned()], None))
    );
    assert_eq!(
        drawn(
            r#"{"metrics": ["average_price"], "dimensions": ["currency"]}"#,
            &sparse(),
            &["USD|5.00", "GBP|4.00"]
        ),
        None
    );
    assert_eq!(
        drawn(
            r#"{"metrics": ["attendance"], "grain": "year"}"#,
            &sparse(),
            &["1987|-", "1988|-"]
        ),
        None
    );
}

#[test]
fn titles_and_chips_say_what_was_asked() {
    let query = Query::from_json(
        r#"{"metrics": ["revenue"], "dimensions": ["venue"], "grain": "month",
            "filters": [{"dimension": "city", "op": "=", "values": ["Chicago"]}, {"dimension": "country", "op": "not in", "values": ["US", "CA"]}, {"dimension": "weekday", "op": "in", "values": [5, 6]}],
            "having": [{"metric": "concerts", "op": ">=", "values": [1000]}],
            "period": {"kind": "between", "from": "2026-03-01", "to": "2026-11-21"}}"#,
    )
    .expect("a query");
    let catalogue = catalogue();
    assert_eq!(
        title(&query, &catalogue),
        "Revenue by venue and month in Chicago not in United States or Canada on a Friday or Saturday from 1 Mar 2026 to \
         21 Nov 2026 with at least 1,000 concerts"
    );
    let chips: Vec<String> = describe(&query, &catalogue)
        .into_iter()
        .map(|chip| format!("{} {}", chip.label, chip.value))
        .collect();
    assert_eq!(
        chips,
        [
            "Metric Revenue",
            "By Venue",
            "By Month",
            "City Chicago",
            "Country not United States or Canada",
            "Weekday Friday or Saturday",
            "Concerts at least 1,000",
            "Period 1 Mar 2026 to 21 Nov 2026",
        ]
    );
    let best = Query::from_json(BEST).expect("a query");
    assert_eq!(title(&best, &catalogue), "Top 10 concerts by attendance in 1999");
}
