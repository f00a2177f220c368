//! The heart of the query model: for random queries over random worlds, what the compiled statement gives on the engine
//! is what a plain evaluation gives, with roll-ups and without, for every role.

use crate::{
    naive::{Naive, Row, V},
    queries::{query, simpler},
    worlds::{Dice, NAMES, TODAY, World},
};
use concert_contract::{
    api::DataState,
    compile::{CompileContext, Compiled, compile},
    query::{Query, QueryErrorCode},
    table::{Cell, ColumnType},
};
use std::collections::BTreeMap;

/// Worlds of each schema, and answered queries in each, in a normal run and in a long one.
const WORLDS: (u64, u64) = (10, 60);
const QUERIES: (u64, u64) = (4, 20);
/// Many random queries mean nothing and are refused; so many are made until one is answered.
const TRIES: u64 = 8;

/// More would say little that the first do not.
const MOST_FAILURES: usize = 8;

fn is_long() -> bool {
    std::env::var_os("CONCERT_LONG").is_some_and(|value| value == "1")
}

fn cell(cell: &Cell) -> V {
    match cell {
        Cell::Null => V::Null,
        Cell::Boolean(b) => V::Bool(*b),
        Cell::Integer(n) => V::Num(*n as f64),
        Cell::Float(x) => V::Num(*x),
        Cell::Decimal(d) => V::Num(d.to_f64()),
        Cell::Text(text) => V::Text(text.clone()),
    }
}

fn same(a: &V, b: &V, is_decimal: bool) -> bool {
    match (a, b) {
        // A rounded mean may fall to either side of half a cent.
        (V::Num(a), V::Num(b)) => (a - b).abs() <= if is_decimal { 0.010_001 } else { 1e-9 } + a.abs() * 1e-9,
        (a, b) => a == b,
    }
}

fn same_rows(a: &[Row], b: &[Row], decimals: &[bool]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .zip(decimals)
                    .all(|((a, b), decimal)| same(a, b, *decimal))
        })
}

fn show(rows: &[Row]) -> String {
    let line = |row: &Row| {
        row.iter()
            .map(|value| match value {
                V::Null => "∅".to_owned(),
                V::Bool(b) => b.to_string(),
                V::Num(x) => format!("{x}"),
                V::Text(text) => format!("{text:?}"),
            })
            .collect::<Vec<_>>()
            .join(" | ")
    };
    rows.iter().map(|row| format!("    {}\n", line(row))).collect()
}

fn compiled(world: &World, state: &DataState, role: Option<&str>, query: &Query) -> Result<Compiled, QueryErrorCode> {
    compile(
        query,
        &world.catalogue,
        &CompileContext {
            today: TODAY,
            state,
            role,
            max_rows: 1000,
            offset: 0,
        },
    )
    .map_err(|error| {
        assert!(!error.message.is_empty());
        assert!(
            error.code != QueryErrorCode::BadCatalogue && error.code != QueryErrorCode::UnsupportedVersion,
            "{error}"
        );
        error.code
    })
}

enum Outcome {
    Agrees(Compiled),
    Refused(QueryErrorCode),
    Differs(String),
}

async fn check(world: &World, state: &DataState, role: Option<&str>, query: &Query) -> Outcome {
    let compiled = match compiled(world, state, role, query) {
        Ok(compiled) => compiled,
        Err(code) => return Outcome::Refused(code),
    };
    let told = |what: String| {
        Outcome::Differs(format!(
            "{what}\nrole {role:?}, query {}\n{}\n{:?}\nnotes {:?}",
            serde_json::to_string(query).expect("JSON"),
            compiled.sql,
            compiled
                .parameters
                .iter()
                .map(|p| format!("{} = {}", p.name, p.value))
                .collect::<Vec<_>>(),
            compiled.notes
        ))
    };
    let result = match world.tables.execute(&compiled.sql, &compiled.parameters).await {
        Ok(result) => result,
        Err(error) => return told(format!("the statement fails: {error}")),
    };
    let table = match result.to_table(&vec![None; compiled.columns.len()], 1001) {
        Ok(table) => table,
        Err(error) => return told(format!("the result cannot be read: {error}")),
    };
    let mut engine: Vec<Row> = table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let names: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    let promised: Vec<String> = compiled.columns.iter().map(|column| column.name.clone()).collect();
    if names != promised {
        return told(format!("the columns are {names:?}, not {promised:?}"));
    }
    for (column, promised) in table.columns.iter().zip(&compiled.columns) {
        let fits = column.column_type == promised.column_type
            || (column.column_type.is_number() && promised.column_type == ColumnType::Float)
            || (column.column_type == ColumnType::Decimal && promised.column_type == ColumnType::Integer)
            || (column.column_type == ColumnType::Integer && promised.column_type == ColumnType::Decimal);
        if !fits {
            return told(format!(
                "{} holds {:?}, not {:?}",
                column.name, column.column_type, promised.column_type
            ));
        }
    }
    let role = role.and_then(|name| world.catalogue.roles.get(name));
    let naive = Naive::new(&world.catalogue, &world.db, state, TODAY, role, &compiled.notes);
    let answer = naive.answer(query);
    // The currency that was taken is told beside the rows and is no column of the plain answer.
    let extra: Vec<usize> = (0..names.len())
        .filter(|at| !answer.columns.contains(&names[*at]))
        .collect();
    let decimals: Vec<bool> = compiled
        .columns
        .iter()
        .enumerate()
        .filter(|(at, _)| !extra.contains(at))
        .map(|(_, column)| column.column_type == ColumnType::Decimal)
        .collect();
    for row in &mut engine {
        for at in extra.iter().rev() {
            row.remove(*at);
        }
    }
    if extra.len() > 1 || names.len() - extra.len() != answer.columns.len() {
        return told(format!("the columns are {names:?}, expected {:?}", answer.columns));
    }
    let mut expected = answer.rows;
    if !answer.is_ordered {
        let by_text = |a: &Row, b: &Row| format!("{a:?}").cmp(&format!("{b:?}"));
        engine.sort_by(by_text);
        expected.sort_by(by_text);
        if query.limit.is_some() {
            return Outcome::Agrees(compiled);
        }
    }
    if same_rows(&engine, &expected, &decimals) {
        return Outcome::Agrees(compiled);
    }
    told(format!(
        "the answers differ\n  columns {:?}\n  the engine's:\n{}  expected:\n{}",
        answer.columns,
        show(&engine),
        show(&expected)
    ))
}

/// The smallest query that still differs.
async fn smallest(world: &World, state: &DataState, role: Option<&str>, query: Query, told: String) -> String {
    let (mut query, mut told) = (query, told);
    'again: loop {
        for other in simpler(&query) {
            if let Outcome::Differs(other_told) = check(world, state, role, &other).await {
                (query, told) = (other, other_told);
                continue 'again;
            }
        }
        return told;
    }
}

fn dump(world: &World) -> String {
    let mut text = String::new();
    for (name, table) in &world.db {
        let columns: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
        text.push_str(&format!("  {name}: {}\n{}", columns.join(" | "), show(&table.rows)));
    }
    text
}

/// `CONCERT_LONG=1` makes more of them; `CONCERT_SEED=N` makes the worlds of that number only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_gives_what_the_plain_evaluation_gives() {
    let long = is_long();
    let (worlds, queries) = if long {
        (WORLDS.1, QUERIES.1)
    } else {
        (WORLDS.0, QUERIES.0)
    };
    let only: Option<u64> = std::env::var("CONCERT_SEED").ok().and_then(|text| text.parse().ok());
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut refusals: BTreeMap<&str, u64> = BTreeMap::new();
    let mut rolled_up = 0;
    let mut failures: Vec<String> = Vec::new();
    for which in 0..NAMES.len() {
        for seed in only.map_or(1..=worlds, |seed| seed..=seed) {
            let world = World::new(which, seed * 7919 + which as u64);
            let mut dice = Dice::new(seed * 104_729 + which as u64);
            let mut roles: Vec<Option<String>> = vec![None];
            roles.extend(world.catalogue.roles.keys().cloned().map(Some));
            let mut tries = queries * TRIES;
            let mut answered = 0;
            while answered < queries && tries > 0 && failures.len() < MOST_FAILURES {
                tries -= 1;
                let query = query(&world, &mut dice);
                for construct in constructs(&query) {
                    counts.entry(construct).or_insert(0);
                }
                let role = dice.pick(&roles).clone();
                let role = role.as_deref();
                let compiled = match check(&world, &world.state, role, &query).await {
                    Outcome::Refused(code) => {
                        *refusals.entry(code.name()).or_insert(0) += 1;
                        continue;
                    }
                    Outcome::Differs(told) => {
                        answered += 1;
                        let told = smallest(&world, &world.state, role, query, told).await;
                        failures.push(format!("{} seed {seed}\n{told}\n{}", world.name, dump(&world)));
                        continue;
                    }
                    Outcome::Agrees(compiled) => compiled,
                };
                answered += 1;
                *counts.entry("answered").or_insert(0) += 1;
                for construct in constructs(&query) {
                    *counts.entry(construct).or_insert(0) += 1;
                }
                let is_rollup = |table: &String| world.catalogue.rollups.iter().any(|rollup| rollup.table == *table);
                if compiled.tables.iter().any(is_rollup) {
                    rolled_up += 1;
                    if let Outcome::Differs(told) = check(&world, &world.plain_state, role, &query).await {
                        let told = smallest(&world, &world.plain_state, role, query, told).await;
                        failures.push(format!(
                            "{} seed {seed}, without roll-ups\n{told}\n{}",
                            world.name,
                            dump(&world)
                        ));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n========\n"));
    eprintln!("{counts:?}, {rolled_up} by a roll-up, refused {refusals:?}");
    if only.is_none() {
        assert!(rolled_up > 0, "no query was answered by a roll-up");
        for (construct, count) in &counts {
            assert!(*count > 0, "no query with {construct} was answered");
        }
        let wanted = worlds * queries * NAMES.len() as u64;
        assert!(counts["answered"] * 5 > wanted * 4, "{counts:?}, {refusals:?}");
    }
}

/// The names of what a query makes use of.
fn constructs(query: &Query) -> Vec<&'static str> {
    use concert_contract::query::{Comparison, FilterClause, Period, Window};
    fn of_clause(clause: &FilterClause, found: &mut Vec<&'static str>) {
        match clause {
            FilterClause::Is(_) => found.push("filter"),
            FilterClause::Than { .. } => found.push("than"),
            FilterClause::Any { any: parts } => {
                found.push("any");
                parts.iter().for_each(|part| of_clause(part, found));
            }
            FilterClause::All { all: parts } => {
                found.push("all");
                parts.iter().for_each(|part| of_clause(part, found));
            }
            FilterClause::Not { not } => {
                found.push("not");
                of_clause(not, found);
            }
            FilterClause::Exists { exists } => {
                found.push(if exists.having.is_empty() {
                    "exists"
                } else {
                    "exists with having"
                });
            }
        }
    }
    let mut found = Vec::new();
    query.filters.iter().for_each(|clause| of_clause(clause, &mut found));
    for metric in &query.metrics {
        if !metric.filters.is_empty() {
            found.push("metric with filters");
        }
        if metric.aggregate.is_some() {
            found.push("statistic");
        }
        found.extend(metric.window.map(|window| match window {
            Window::RunningTotal => "running total",
            Window::MovingAverage(_) => "moving average",
        }));
    }
    found.extend(query.period.as_ref().map(|period| match period {
        Period::Between { .. } => "period between",
        Period::Relative { .. } => "period relative",
        Period::Since { .. } => "period since",
    }));
    found.extend(query.compare.iter().map(|comparison| match comparison {
        Comparison::PreviousPeriod => "previous period",
        Comparison::SamePeriodLastYear => "same period last year",
        Comparison::ShareOfTotal => "share of total",
        Comparison::Rank => "rank",
        Comparison::AverageOfPeers => "average of peers",
    }));
    found.extend((!query.having.is_empty()).then_some("having"));
    found.extend((!query.focus.is_empty()).then_some("focus"));
    found.extend(query.grain.map(|_| "grain"));
    found.extend(query.time.as_ref().map(|_| "time"));
    found.extend(
        query
            .top
            .as_ref()
            .map(|top| if top.per.is_empty() { "top" } else { "top per" }),
    );
    found.extend(query.limit.map(|_| "limit"));
    if query.of.is_some() {
        found.push(if query.distinct {
            "list of different rows"
        } else {
            "list"
        });
        let is_hidden = query.order.iter().any(|order| !query.dimensions.contains(&order.by));
        found.extend(is_hidden.then_some("list in a hidden order"));
    }
    found
}
