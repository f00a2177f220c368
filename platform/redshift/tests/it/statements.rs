//! Statements with the results, the names and types of columns, or the errors that Amazon's documentation asks for.
//! The tables of cases stand in `tests/statements`, each group with the page of the "Amazon Redshift Database Developer
//! Guide" that it follows; `setup.toml` makes the tables that they read.

use crate::session::Home;
use concert_redshift::{QueryResult, Session, Value};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

#[derive(Deserialize)]
struct Setup {
    statements: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    sql: String,
    /// The names of the columns.
    names: Option<Vec<String>>,
    /// `numeric(17,9)`, `varchar(3)`; without brackets only the name is compared.
    types: Option<Vec<String>>,
    /// Values as text, NULL as `NULL`.
    rows: Option<Vec<Vec<String>>>,
    /// A part of the error's text.
    error: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/statements")
}

fn read<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let path = folder().join(name);
    let text = std::fs::read_to_string(&path).expect("a table of statements");
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tables are made once; every session reads the same ones.
async fn session() -> Session {
    static HOME: OnceCell<Home> = OnceCell::const_new();
    let home = HOME
        .get_or_init(|| async {
            let home = Home::new();
            let session = home.session();
            for sql in read::<Setup>("setup.toml").statements {
                session
                    .query(&sql, &[])
                    .await
                    .unwrap_or_else(|error| panic!("{sql}: {error}"));
            }
            home
        })
        .await;
    home.session()
}

fn text(value: Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Boolean(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::Double(value) => value.to_string(),
        Value::Text(value) => value,
    }
}

fn types(result: &QueryResult, expected: &[String]) -> Vec<String> {
    let columns = result.columns.iter().enumerate();
    columns
        .map(|(at, column)| {
            let name = column.type_name;
            match expected.get(at) {
                Some(wanted) if !wanted.contains('(') => name.to_owned(),
                _ if name == "numeric" => format!("{name}({},{})", column.precision, column.scale),
                _ => format!("{name}({})", column.precision),
            }
        })
        .collect()
}

/// What is wrong with a statement's answer.
async fn judge(session: &Session, case: &Case) -> Option<String> {
    let answer = session.query(&case.sql, &[]).await;
    let result = match (answer, &case.error) {
        (Err(error), Some(part)) => {
            let error = error.to_string();
            return (!error.contains(part)).then(|| format!("the error is {error:?}, not {part:?}"));
        }
        (Err(error), None) => return Some(format!("error: {error}")),
        (Ok((_, result)), Some(part)) => {
            let rows: Vec<Vec<Value>> = result.rows(0).collect();
            return Some(format!("no error, but {rows:?}; expected {part:?}"));
        }
        (Ok((_, result)), None) => result,
    };
    if let Some(expected) = &case.rows {
        let rows: Vec<Vec<String>> = result.rows(0).map(|row| row.into_iter().map(text).collect()).collect();
        if rows != *expected {
            return Some(format!("rows {rows:?}, not {expected:?}"));
        }
    }
    if let Some(expected) = &case.types {
        let found = types(&result, expected);
        if found != *expected {
            return Some(format!("types {found:?}, not {expected:?}"));
        }
    }
    if let Some(expected) = &case.names {
        let found: Vec<&str> = result.columns.iter().map(|column| column.label.as_str()).collect();
        if found != *expected {
            return Some(format!("names {found:?}, not {expected:?}"));
        }
    }
    None
}

async fn check(name: &str) {
    let table: Table = read(name);
    let session = session().await;
    let mut wrong = Vec::new();
    for case in &table.case {
        assert!(
            case.rows.is_some() || case.error.is_some() || case.types.is_some(),
            "{}: nothing is expected",
            case.sql
        );
        if let Some(message) = judge(&session, case).await {
            wrong.push(format!("{}\n    {message}", case.sql));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} statements in {name}:\n{}",
        wrong.len(),
        table.case.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn numbers_follow_the_documented_rules() {
    check("numbers.toml").await;
}

#[tokio::test]
async fn casts_and_types_follow_the_documented_rules() {
    check("types.toml").await;
}

#[tokio::test]
async fn dates_follow_the_documented_rules() {
    check("dates.toml").await;
}

#[tokio::test]
async fn texts_follow_the_documented_rules() {
    check("texts.toml").await;
}

#[tokio::test]
async fn aggregates_and_windows_follow_the_documented_rules() {
    check("aggregates.toml").await;
}

#[tokio::test]
async fn queries_follow_the_documented_rules() {
    check("queries.toml").await;
}

#[tokio::test]
async fn system_views_list_what_there_is() {
    check("system.toml").await;
}

/// All tables together hold what was promised.
#[test]
fn there_are_enough_statements() {
    let names = [
        "numbers.toml",
        "types.toml",
        "dates.toml",
        "texts.toml",
        "aggregates.toml",
        "queries.toml",
        "system.toml",
    ];
    let count: usize = names.map(|name| read::<Table>(name).case.len()).into_iter().sum();
    assert!(count >= 160, "{count} statements");
}
