//! What the guard lets through, run: the statements of its own file on small tables, and, for every role, that nothing
//! which the role may not see changes an answer. A role's answers are the same over tables in which the rows that it may
//! not see are missing and the columns that it may not see hold something else.

use arrow::{
    array::{
        ArrayRef, Date32Array, Decimal128Array, Float64Array, Int32Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::Schema,
};
use concert_contract::{
    catalogue::{CONCERT_DW, Catalogue},
    table::ColumnType,
};
use concert_guard::{Policy, check};
use concert_redshift::{Limits, Tables};
use datafusion::datasource::MemTable;
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Deserialize)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    is: String,
    sql: String,
}

fn cases() -> Vec<Case> {
    toml::from_str::<File>(include_str!("../../../../shared/guard/cases/valid.toml"))
        .unwrap()
        .case
}

/// Parts of Redshift that the engine of this machine does not run. Everything else in the file has to run.
const NOT_HERE: &[&str] = &[
    "like with an escape",
    "row comparison",
    "negative numbers, exponents, decimals",
    "bit operators and modulo",
    "rollup",
    "cube",
    "grouping sets",
    "grouping",
    "statistics",
    "percentiles",
    "an approximate count",
    "an approximate percentile",
    "listagg",
    "listagg distinct",
    "hyperloglog",
    "ratio to report",
    "percentile over",
    "listagg over",
    "a correlated count, two levels",
    "a subquery in ORDER BY and CASE",
    "union, intersect, except, minus",
    "date_part, bare and quoted",
    "the last thirty days",
    "months and last days",
    "to_char, to_date, to_timestamp, to_number",
    "time zones",
    "a day as a number of seconds",
    "casts",
    "trim in its long forms",
    "positions and parts",
    "numbers",
    "hashes",
    "spherical distance",
    "JSON in a text",
    "an alias used further on",
    "pivot",
    "pivot with names",
    "pivot of a table",
    "unpivot",
    "filter on an aggregate",
    "recency, frequency, money",
    "a value inside of SUPER",
    "like any",
    "rollup beside a column",
];

const ROLES: &str = r#"
[roles.booker]
hidden = ["concerts.revenue", "artists.popularity_score", "venues.longitude", "ticket_sales.unit_price"]
[[roles.booker.rows]]
table = "venues"
filters = [{ dimension = "venues.country", op = "in", values = ["US"] }]
[[roles.booker.rows]]
table = "concerts"
filters = [{ dimension = "venues.country", op = "in", values = ["US"] }]
[[roles.booker.rows]]
table = "ticket_sales"
filters = [{ dimension = "venues.country", op = "in", values = ["US"] }, { dimension = "ticket_sales.channel", op = "!=", values = ["hidden"] }]
"#;

fn catalogue() -> Catalogue {
    Catalogue::from_toml(&format!("{}\n{ROLES}", CONCERT_DW.split("\n[roles").next().unwrap())).unwrap()
}

/// A text where a column holds one, a number where it holds one; the engine's types come from the catalogue.
type Row = BTreeMap<&'static str, String>;

/// Which world: everything, or what is left for the booker.
#[derive(Clone, Copy, PartialEq)]
enum World {
    Whole,
    Seen,
}

const SECRET: &str = "SECRET";

fn row(cells: &[(&'static str, String)]) -> Row {
    cells.iter().cloned().collect()
}

/// Rows of a small world in which half of the venues are abroad, with everything that hangs on them.
fn rows(world: World) -> BTreeMap<&'static str, Vec<Row>> {
    let is_seen = |venue: usize| venue.is_multiple_of(2);
    let keep = |venue: usize| world == World::Whole || is_seen(venue);
    // What hides in a column that is there for nobody of the role.
    let hidden = |n: usize| {
        if world == World::Whole {
            (987_000 + n).to_string()
        } else {
            (n + 1).to_string()
        }
    };
    let name = |what: &str, n: usize, open: bool| {
        if open {
            format!("{what} {n}")
        } else {
            format!("{SECRET} {what} {n}")
        }
    };
    let mut tables: BTreeMap<&'static str, Vec<Row>> = BTreeMap::new();
    for n in 0..6 {
        tables.entry("artists").or_default().push(row(&[
            ("artist_id", format!("a{n}")),
            ("name", format!("Artist {n}")),
            ("genre", ["rock", "jazz", "folk"][n % 3].to_owned()),
            ("popularity_score", hidden(n)),
            ("formation_date", format!("199{n}-02-03")),
            ("home_city", ["Boston", "Chicago"][n % 2].to_owned()),
            ("home_country", "US".to_owned()),
            ("created_at", format!("2025-01-0{} 10:00:00", n + 1)),
        ]));
    }
    for n in (0..8).filter(|n| keep(*n)) {
        tables.entry("venues").or_default().push(row(&[
            ("venue_id", format!("v{n}")),
            ("name", name("Venue", n, is_seen(n))),
            (
                "city",
                if is_seen(n) {
                    ["Boston", "Chicago"][n / 2 % 2].to_owned()
                } else {
                    format!("{SECRET} city")
                },
            ),
            ("state", "MA".to_owned()),
            ("country", if is_seen(n) { "US" } else { "XX" }.to_owned()),
            ("latitude", format!("4{n}.5")),
            ("longitude", hidden(n)),
            ("capacity", (n * 100 + 100).to_string()),
            ("venue_type", ["club", "arena"][n / 2 % 2].to_owned()),
            ("created_at", format!("2025-01-0{} 10:00:00", n + 1)),
        ]));
    }
    for n in 0..24_usize {
        let venue = n % 8;
        if !keep(venue) {
            continue;
        }
        tables.entry("concerts").or_default().push(row(&[
            ("concert_id", format!("c{n}")),
            ("artist_id", format!("a{}", n % 6)),
            ("venue_id", format!("v{venue}")),
            ("event_date", format!("2025-{:02}-{:02}", n % 12 + 1, n + 1)),
            ("announced_at", format!("2024-{:02}-{:02}", n % 12 + 1, n + 1)),
            ("starts_at", format!("2025-{:02}-{:02} 20:00:00", n % 12 + 1, n + 1)),
            (
                "status",
                ["completed", "completed", "cancelled", "scheduled"][n / 8].to_owned(),
            ),
            ("total_attendance", (n * 37 + 5).to_string()),
            ("revenue", hidden(n)),
            ("currency", "USD".to_owned()),
            ("created_at", format!("2025-02-{:02} 10:00:00", n + 1)),
            ("updated_at", format!("2025-03-{:02} 10:00:00", n + 1)),
        ]));
        for (at, tier) in ["standard", "vip"].iter().enumerate() {
            tables.entry("ticket_sales").or_default().push(row(&[
                ("sale_id", format!("s{n}{tier}")),
                ("concert_id", format!("c{n}")),
                ("customer_id", format!("k{}", n % 5)),
                ("price_tier", (*tier).to_owned()),
                ("quantity", (n % 4 + 1).to_string()),
                ("unit_price", hidden(n + at)),
                ("currency", "USD".to_owned()),
                ("channel", ["web", "app", "phone"][n % 3].to_owned()),
                ("purchase_timestamp", format!("2025-01-{:02} 1{at}:00:00", n + 1)),
                ("customer_segment", ["new", "loyal"][n % 2].to_owned()),
            ]));
        }
        if world == World::Whole {
            tables.entry("ticket_sales").or_default().push(row(&[
                ("sale_id", format!("{SECRET} {n}")),
                ("concert_id", format!("c{n}")),
                ("customer_id", format!("{SECRET} customer")),
                ("price_tier", "standard".to_owned()),
                ("quantity", "50000".to_owned()),
                ("unit_price", "1".to_owned()),
                ("currency", "USD".to_owned()),
                ("channel", "hidden".to_owned()),
                ("purchase_timestamp", "2025-01-01 00:00:00".to_owned()),
            ]));
        }
    }
    // The list prices have no rule: they are the same in both.
    for n in 0..24_usize {
        tables.entry("concert_prices").or_default().push(row(&[
            ("concert_id", format!("c{n}")),
            ("tier", ["standard", "vip"][n % 2].to_owned()),
            ("price", (n + 10).to_string()),
            ("currency", "USD".to_owned()),
        ]));
    }
    tables
}

fn column(column_type: ColumnType, cells: &[Option<&String>]) -> ArrayRef {
    let number = |cell: &Option<&String>| cell.map(|text| text.parse::<f64>().unwrap());
    let day = |text: &str| text.parse::<jiff::civil::Date>().unwrap();
    let epoch = jiff::civil::date(1970, 1, 1);
    match column_type {
        ColumnType::Integer => Arc::new(Int32Array::from_iter(
            cells.iter().map(|cell| number(cell).map(|n| n as i32)),
        )),
        ColumnType::Float => Arc::new(Float64Array::from_iter(cells.iter().map(number))),
        ColumnType::Decimal => Arc::new(
            Decimal128Array::from_iter(cells.iter().map(|cell| number(cell).map(|n| (n * 100.0) as i128)))
                .with_precision_and_scale(14, 2)
                .unwrap(),
        ),
        ColumnType::Date => Arc::new(Date32Array::from_iter(
            cells
                .iter()
                .map(|cell| cell.map(|text| epoch.until(day(text)).unwrap().get_days())),
        )),
        ColumnType::Timestamp => Arc::new(TimestampMicrosecondArray::from_iter(cells.iter().map(|cell| {
            cell.map(|text| {
                let at: jiff::civil::DateTime = text.replace(' ', "T").parse().unwrap();
                at.to_zoned(jiff::tz::TimeZone::UTC)
                    .unwrap()
                    .timestamp()
                    .as_microsecond()
            })
        }))),
        ColumnType::Text | ColumnType::Boolean => Arc::new(StringArray::from_iter(
            cells.iter().map(|cell| cell.map(String::as_str)),
        )),
    }
}

fn tables(catalogue: &Catalogue, world: World) -> Tables {
    let rows = rows(world);
    let provided = catalogue.tables.iter().map(|(name, table)| {
        let rows = rows.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let columns = table.columns.iter().map(|(name, column_type)| {
            let cells: Vec<Option<&String>> = rows.iter().map(|row| row.get(name.as_str())).collect();
            (name.clone(), column(*column_type, &cells), true)
        });
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let schema: Arc<Schema> = batch.schema();
        let provider = MemTable::try_new(schema, vec![vec![batch]]).unwrap();
        (name.clone(), Arc::new(provider) as _)
    });
    Tables::new(&catalogue.schema, provided.collect::<Vec<_>>(), Limits::default()).unwrap()
}

async fn run(tables: &Tables, sql: &str) -> Result<Vec<String>, String> {
    let result = tables.execute(sql, &[]).await.map_err(|error| error.to_string())?;
    let table = result.to_table(&[], 100_000).map_err(|error| error.to_string())?;
    let mut rows: Vec<String> = table
        .rows
        .iter()
        .map(|row| serde_json::to_string(row).unwrap())
        .collect();
    rows.sort();
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_are_let_through_run() {
    let catalogue = catalogue();
    let policy = Policy::of(&catalogue, None).unwrap();
    let tables = tables(&catalogue, World::Whole);
    let mut wrong = Vec::new();
    for case in cases() {
        let guarded = check(&case.sql, &policy).unwrap();
        let expected = !NOT_HERE.contains(&case.is.as_str());
        match run(&tables, &guarded.sql).await {
            Ok(_) if expected => {}
            Err(_) if !expected => {}
            // The engine has learnt it; the list may be shortened.
            Ok(_) => eprintln!("{}: runs by now", case.is),
            Err(error) => wrong.push(format!("{}: {error}\n    {}", case.is, guarded.sql)),
        }
    }
    assert!(wrong.is_empty(), "{} of them\n{}", wrong.len(), wrong.join("\n"));
}

/// Which of the file's statements are compared: each costs two plans, and one in three is enough for a normal run.
fn every() -> usize {
    if std::env::var_os("CONCERT_LONG").is_some() {
        1
    } else {
        3
    }
}

/// Ways in which somebody may try to see more.
const ATTEMPTS: &[&str] = &[
    "SELECT * FROM venues",
    "SELECT v.* FROM venues AS v, concerts AS c WHERE c.venue_id = v.venue_id",
    "SELECT \"V\".* FROM \"CONCERT_DW\".\"VENUES\" \"V\"",
    "SELECT COUNT(*), COUNT(DISTINCT city), MIN(name), MAX(name) FROM venues",
    "WITH venues AS (SELECT * FROM concert_dw.venues) SELECT * FROM venues",
    "WITH venues AS (SELECT * FROM venues) SELECT * FROM venues UNION ALL SELECT * FROM concert_dw.venues",
    "WITH a AS (SELECT * FROM venues), venues AS (SELECT * FROM a) SELECT COUNT(*) FROM venues JOIN concert_dw.venues v2 ON v2.venue_id = venues.venue_id",
    "SELECT * FROM concerts NATURAL JOIN venues",
    "SELECT * FROM concerts JOIN venues USING (venue_id)",
    "SELECT * FROM venues RIGHT JOIN concerts ON concerts.venue_id = venues.venue_id",
    "SELECT * FROM concert_prices LEFT JOIN concerts USING (concert_id)",
    "SELECT * FROM concerts FULL JOIN ticket_sales ON concerts.concert_id = ticket_sales.concert_id",
    "SELECT name FROM venues EXCEPT SELECT name FROM venues WHERE country = 'US'",
    "SELECT name FROM venues WHERE country <> 'US' OR 1 = 1",
    "SELECT name FROM venues WHERE NOT (country = 'US')",
    "SELECT name FROM artists WHERE EXISTS (SELECT 1 FROM venues WHERE country <> 'US')",
    "SELECT name FROM artists a WHERE EXISTS (SELECT * FROM concerts c WHERE c.artist_id = a.artist_id AND c.venue_id IN (SELECT venue_id FROM venues WHERE country = 'XX'))",
    "SELECT (SELECT MAX(name) FROM venues WHERE name LIKE 'SECRET%') AS x",
    "SELECT CASE WHEN (SELECT COUNT(*) FROM venues) > 4 THEN 'more' ELSE 'less' END",
    "SELECT x.* FROM (SELECT * FROM (SELECT * FROM venues) y) x",
    "SELECT x.a, x.b FROM venues AS x (a, b)",
    "SELECT name, SUM(capacity) OVER () FROM venues",
    "SELECT country, COUNT(*) FROM venues GROUP BY ROLLUP (country)",
    "SELECT v.name, t.n FROM venues v, LATERAL (SELECT COUNT(*) AS n FROM concerts c WHERE c.venue_id = v.venue_id) t",
    "SELECT SUM(quantity), COUNT(*), MIN(channel) FROM ticket_sales",
    "SELECT channel FROM ticket_sales GROUP BY channel HAVING COUNT(*) > 0",
    "SELECT MAX(t.quantity) FROM ticket_sales t JOIN concerts c ON c.concert_id = t.concert_id",
    "SELECT t.sale_id FROM ticket_sales t WHERE t.customer_id LIKE 'SECRET%'",
    "SELECT * FROM artists",
    "SELECT COUNT(*) FROM artists WHERE artists IS NOT NULL OR TRUE",
    "SELECT AVG(total_attendance) FROM concerts",
    "SELECT DISTINCT venue_id FROM concerts ORDER BY venue_id",
    "SELECT c.concert_id FROM concerts c JOIN concerts d ON d.venue_id = c.venue_id WHERE d.concert_id <> c.concert_id",
    "SELECT COUNT(*) FROM (SELECT venue_id FROM venues UNION SELECT venue_id FROM concerts) u",
    "SELECT name FROM venues INTERSECT SELECT name FROM venues",
    "SELECT * EXCLUDE (created_at) FROM venues",
    "(SELECT name FROM venues) UNION ALL (SELECT name FROM venues ORDER BY name LIMIT 50)",
    "SELECT TOP 100 * FROM venues ORDER BY 1",
    "SELECT concert_dw.venues.name FROM concert_dw.venues",
    "SELECT LISTAGG(name, ',') WITHIN GROUP (ORDER BY name) FROM venues",
    "SELECT MEDIAN(capacity) FROM venues",
    "SELECT country, name FROM venues QUALIFY ROW_NUMBER() OVER (PARTITION BY country ORDER BY name) = 1",
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT n.i, v.name FROM n LEFT JOIN venues v ON v.capacity = n.i * 100",
    "SELECT v.name FROM (concerts c JOIN venues v ON v.venue_id = c.venue_id)",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_may_not_see_changes_no_answer() {
    let catalogue = catalogue();
    let policy = Policy::of(&catalogue, Some("booker")).unwrap();
    let open = Policy::of(&catalogue, None).unwrap();
    let (whole, seen) = (tables(&catalogue, World::Whole), tables(&catalogue, World::Seen));
    // The planted secrets are there, and would be found without the role.
    let without = check("SELECT * FROM venues", &open).unwrap();
    assert!(run(&whole, &without.sql).await.unwrap().concat().contains(SECRET));

    let statements: Vec<String> = ATTEMPTS
        .iter()
        .map(|sql| (*sql).to_owned())
        .chain(cases().into_iter().step_by(every()).map(|case| case.sql))
        .filter(|sql| !sql.contains("RANDOM"))
        .collect();
    let (mut compared, mut wrong) = (0, Vec::new());
    for sql in statements {
        let Ok(guarded) = check(&sql, &policy) else { continue };
        let (there, here) = (run(&whole, &guarded.sql).await, run(&seen, &guarded.sql).await);
        match (there, here) {
            (Ok(there), Ok(here)) => {
                compared += 1;
                if there != here || there.concat().contains(SECRET) || there.concat().contains("987") {
                    wrong.push(format!(
                        "{sql}\n  runs: {}\n  whole: {there:?}\n  seen:  {here:?}",
                        guarded.sql
                    ));
                }
            }
            (Err(_), Err(_)) => {}
            (there, here) => wrong.push(format!("{sql}\n  {there:?}\n  {here:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > ATTEMPTS.len() / 2, "only {compared} could be compared");
}
