//! What is said and drawn of comparisons, of the first in each group, of what exists, and of windows.

use crate::support::{TODAY, catalogue};
use concert_contract::{
    chart::{AxisFormat, choose},
    insight::{InsightContext, describe, summarise, title},
    query::Query,
    table::{Cell, Column, ColumnType, Decimal, Table},
};

/// A table from `name:type:unit …` and rows of cells between `|`; `-` is NULL.
fn table(columns: &str, rows: &[&str]) -> Table {
    let columns: Vec<Column> = columns
        .split_whitespace()
        .map(|column| {
            let mut parts = column.split(':');
            let name = parts.next().unwrap_or_default().to_owned();
            let column_type = match parts.next() {
                Some("int") => ColumnType::Integer,
                Some("dec") => ColumnType::Decimal,
                Some("float") => ColumnType::Float,
                Some("date") => ColumnType::Date,
                _ => ColumnType::Text,
            };
            Column {
                name,
                column_type,
                unit: parts.next().map(str::to_owned),
            }
        })
        .collect();
    let cell = |text: &str, column: &Column| match column.column_type {
        _ if text == "-" => Cell::Null,
        ColumnType::Integer => Cell::Integer(text.parse().expect("a whole number")),
        ColumnType::Float => Cell::Float(text.parse().expect("a number")),
        ColumnType::Decimal => Cell::Decimal(Decimal::parse(text).expect("a decimal")),
        _ => Cell::Text(text.to_owned()),
    };
    let rows: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| {
            row.split('|')
                .zip(&columns)
                .map(|(text, column)| cell(text, column))
                .collect()
        })
        .collect();
    Table {
        row_count: rows.len() as u64,
        truncated: false,
        columns,
        rows,
    }
}

fn query(compact: &str) -> Query {
    Query::from_compact(compact).unwrap_or_else(|error| panic!("{compact}: {error}"))
}

fn told(compact: &str, columns: &str, rows: &[&str]) -> String {
    let context = InsightContext {
        today: TODAY,
        notes: &[],
    };
    summarise(&query(compact), &catalogue(), &table(columns, rows), &context)
}

const LAST_YEAR: &str = "period:(kind:relative,unit:year,offset:-1,count:1)";
const CHANGE: &str =
    "revenue:dec:USD revenue_before:dec:USD revenue_change:dec:USD revenue_change_percent:float:percent";

#[test]
fn a_comparison_is_told_by_its_figures() {
    let cases = [
        (
            told(
                &format!("metrics:!(revenue),{LAST_YEAR},compare:!(previous_period)"),
                CHANGE,
                &["1120.00|1000.00|120.00|12"],
            ),
            "Revenue last year was **$1,120.00**, up by **$120.00** (**+12\u{2009}%**) from **$1,000.00** the year \
             before.",
        ),
        (
            told(
                &format!("metrics:!(revenue),{LAST_YEAR},compare:!(previous_period)"),
                CHANGE,
                &["1120.00|-|-|-"],
            ),
            "Revenue last year was **$1,120.00**. Nothing is known of the year before to compare it with.",
        ),
        (
            told(
                &format!("metrics:!(revenue),dimensions:!(city),{LAST_YEAR},compare:!(previous_period)"),
                &format!("city:text {CHANGE}"),
                &[
                    "Austin|500.00|400.00|100.00|25",
                    "Boston|300.00|330.00|-30.00|-9.1",
                    "Chicago|10.00|-|-|-",
                ],
            ),
            "The largest rise against the year before was **Austin**: by **$100.00** (**+25\u{2009}%**) and the largest fall \
             **Boston**: by **$30.00** (**\u{2212}9\u{2009}%**) last year. 1 of 2 cities rose.",
        ),
        (
            told(
                "metrics:!(attendance_rate),dimensions:!(venue),focus:!((dimension:venue,op:'=',values:!(Rex))),compare:!(average_of_peers)",
                "venue:text attendance_rate:float:percent attendance_rate_peers:float:percent attendance_rate_peers_difference:float:percent",
                &["Rex|55.5|60.5|-5.0"],
            ),
            "**Rex** has an attendance rate of **55.5\u{2009}%**, **5.0 points** below the average of the others \
             (60.5\u{2009}%).",
        ),
        (
            told(
                "metrics:!(revenue),dimensions:!(city),compare:!(rank),focus:!((dimension:city,op:'=',values:!(Austin)))",
                "city:text revenue:dec:USD revenue_rank:int",
                &["Austin|500.00|2"],
            ),
            "**Austin** ranks **2nd** by revenue, with $500.00.",
        ),
        (
            told(
                "metrics:!(tickets_sold),dimensions:!(genre),compare:!(share_of_total)",
                "genre:text tickets_sold:int:count tickets_sold_share:float:percent",
                &["jazz|20|20", "rock|50|50", "-|30|30"],
            ),
            "**rock** has the largest share of tickets sold: **50.0\u{2009}%**, ahead of **jazz** with 20.0\u{2009}%.",
        ),
    ];
    for (actual, expected) in cases {
        assert_eq!(actual, expected);
    }
}

#[test]
fn groups_things_and_windows_are_told() {
    let cases = [
        (
            told(
                "metrics:!(revenue),dimensions:!(city,artist),top:(n:1,per:!(city))",
                "city:text artist:text revenue:dec:USD",
                &["Austin|Who|500.00", "Boston|Nova Tide|400.00"],
            ),
            "By revenue, **Who** leads in **Austin** ($500.00), **Nova Tide** in **Boston** ($400.00).",
        ),
        (
            told(
                "metrics:!(concerts),dimensions:!(venue),filters:!((not:(exists:(dimension:venue,of:concerts,filters:!((dimension:genre,op:'=',values:!(jazz)))))))",
                "venue:text concerts:int:count",
                &["Rex|5", "Paradise|2"],
            ),
            "There are **2 venues** without concerts in the genre jazz: **Rex** and **Paradise**.",
        ),
        (
            told(
                "metrics:!((metric:revenue,window:running_total)),grain:month",
                "month:date revenue_running_total:dec:USD",
                &["2026-01-01|100.00", "2026-02-01|250.00"],
            ),
            "Revenue came to **$250.00** by **Feb 2026**.",
        ),
        (
            told(
                "metrics:!((metric:attendance,aggregate:median)),period:(kind:relative,unit:year,offset:-1,count:1)",
                "attendance_median:float:count",
                &["812.5"],
            ),
            "Median attendance last year was **812**.",
        ),
        (
            told(
                "metrics:!(tickets_sold),dimensions:!(city)",
                "city:text tickets_sold:int:count",
                &["A|900", "B|11", "C|10", "D|12", "E|9", "F|10", "G|11", "H|10"],
            ),
            "**A** leads with **900 tickets**, ahead of **D** with 12. That stands out: the median is 10.5. Together \
             the 8 cities come to 973; **A** has 92.5\u{2009}% of it.",
        ),
    ];
    for (actual, expected) in cases {
        assert_eq!(actual, expected);
    }
}

#[test]
fn titles_say_every_part_of_a_query() {
    let cases = [
        (
            "metrics:!((metric:attendance,aggregate:median)),dimensions:!(genre)",
            "Median attendance by genre",
        ),
        (
            "metrics:!((metric:revenue,window:(moving_average:3))),grain:month",
            "Revenue, average of 3 months by month",
        ),
        (
            "metrics:!(revenue),dimensions:!(city,artist),top:(n:3,per:!(city))",
            "Top 3 artists by revenue in each city",
        ),
        (
            "metrics:!(revenue),dimensions:!(city),compare:!(same_period_last_year,rank),focus:!((dimension:city,op:'=',values:!(Austin)))",
            "Revenue by city, against a year earlier, with ranks: Austin",
        ),
        (
            "metrics:!(concerts),dimensions:!(artist),filters:!((any:!((dimension:city,op:'=',values:!(Austin)),(dimension:genre,op:'=',values:!(jazz)))),(exists:(dimension:artist,of:concerts,period:(kind:relative,unit:year,offset:-1,count:1))))",
            "Concerts by artist in Austin or in the genre jazz with concerts last year",
        ),
        (
            "metrics:!(revenue),dimensions:!(venue),having:!((not:(metric:concerts,op:'<',values:!(20))))",
            "Revenue by venue with not under 20 concerts",
        ),
    ];
    for (compact, expected) in cases {
        assert_eq!(title(&query(compact), &catalogue()), expected);
    }
    let chips: Vec<String> = describe(
        &query("metrics:!(revenue),dimensions:!(city,artist),compare:!(share_of_total),top:(n:3,per:!(city)),filters:!((not:(dimension:city,op:'=',values:!(Austin))))"),
        &catalogue(),
    )
    .into_iter()
    .map(|chip| format!("{} {}", chip.label, chip.value))
    .collect();
    assert_eq!(
        chips,
        [
            "Metric Revenue",
            "By City",
            "By Artist",
            "Where not in Austin",
            "Compared Share of total",
            "Show Top 3 in each city",
        ]
    );
}

/// Kind, x, y and series of the chart, and the formats of its axes.
fn drawn(compact: &str, columns: &str, rows: &[&str]) -> String {
    let Some(chart) = choose(&query(compact), &catalogue(), &table(columns, rows)) else {
        return "a table".to_owned();
    };
    let axis = |format: Option<AxisFormat>| {
        format.map_or("-".to_owned(), |format| match format.unit {
            Some(unit) => format!("{:?} {unit}", format.kind).to_lowercase(),
            None => format!("{:?}", format.kind).to_lowercase(),
        })
    };
    format!(
        "{} of {} by {}{}, axes {} and {}",
        format!("{:?}", chart.kind).to_lowercase(),
        chart.y.join(" and "),
        chart.x.as_deref().unwrap_or("-"),
        chart
            .series
            .map_or(String::new(), |series| format!(" for each {series}")),
        axis(chart.x_format),
        axis(chart.y_format)
    )
}

#[test]
fn the_chart_follows_the_shape_of_the_result() {
    let many = |count: i64, row: &dyn Fn(i64) -> String| (0..count).map(row).collect::<Vec<String>>();
    let venues = many(60, &|n| format!("Venue {n}|{}", n * n));
    let venues: Vec<&str> = venues.iter().map(String::as_str).collect();
    let sized = many(12, &|n| format!("Venue {n}|{}|{}", 100 * n + 100, n));
    let sized: Vec<&str> = sized.iter().map(String::as_str).collect();
    let both = many(12, &|n| format!("Artist {n}|{}|{}.00", n + 1, 100_000 * n));
    let both: Vec<&str> = both.iter().map(String::as_str).collect();
    let cases = [
        (
            drawn(
                "metrics:!(revenue),grain:month,compare:!(same_period_last_year)",
                "month:date revenue:dec:USD revenue_last_year:dec:USD revenue_last_year_change:dec:USD revenue_last_year_change_percent:float:percent",
                &["2026-01-01|5.00|4.00|1.00|25", "2026-02-01|6.00|4.00|2.00|50"],
            ),
            "line of revenue and revenue_last_year by month, axes time month and money usd",
        ),
        (
            drawn(
                "metrics:!(revenue),dimensions:!(city),compare:!(previous_period)",
                "city:text revenue:dec:USD revenue_before:dec:USD",
                &["A|5.00|4.00", "B|6.00|-"],
            ),
            "bar of revenue and revenue_before by city, axes category and money usd",
        ),
        (
            drawn(
                "metrics:!(concerts),dimensions:!(venue)",
                "venue:text concerts:int:count",
                &venues,
            ),
            "histogram of concerts by -, axes count and count",
        ),
        (
            drawn(
                "metrics:!(concerts),dimensions:!(venue,capacity)",
                "venue:text capacity:int concerts:int:count",
                &sized,
            ),
            "scatter of concerts by capacity for each venue, axes count and count",
        ),
        (
            drawn(
                "metrics:!(concerts,revenue),dimensions:!(artist)",
                "artist:text concerts:int:count revenue:dec:USD",
                &both,
            ),
            "scatter of revenue by concerts for each artist, axes count and money usd",
        ),
        (
            drawn(
                "metrics:!(attendance_rate),dimensions:!(venue,latitude,longitude)",
                "venue:text latitude:float longitude:float attendance_rate:float:percent",
                &["Rex|51.5|-0.1|80", "Paradise|42.3|-71.1|90"],
            ),
            "map of latitude and attendance_rate by longitude for each venue, axes decimal and decimal",
        ),
        (
            drawn(
                "metrics:!(concerts),dimensions:!(weekday,month)",
                "weekday:int month:int concerts:int:count",
                &["1|1|5", "2|1|7"],
            ),
            "heatmap of concerts by weekday for each month, axes weekday and count",
        ),
        (
            drawn(
                "metrics:!(revenue),dimensions:!(currency)",
                "currency:text revenue:dec",
                &["USD|5.00", "GBP|6.00"],
            ),
            "a table",
        ),
    ];
    for (actual, expected) in cases {
        assert_eq!(actual, expected);
    }
}
