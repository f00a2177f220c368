//! The rules that a record must keep beyond its types: declared in TOML, judged by DataFusion over the rows of a load.
//!
//! The built-in file (`platform/ingest/rules/concert_dw.toml`) holds the model's constraints. A person's file adds to
//! it and changes it by name. What is wrong with a rule is said when the file is read, with line and column; what a
//! rule finds is a [`Failure`] for each record that breaks it. Types are the parser's: `type.date`, `type.number`.

mod check;
mod expression;
mod file;
mod sql;
#[cfg(test)]
mod tests;

pub use check::{Checking, Failure, RuleJudge, check};
pub use sql::KEY_SEPARATOR;
pub(crate) use sql::{key_of, literal};

use crate::{Error, Result};
use concert_lake::schema::{ColumnDef, MODEL, TableDef};
use expression::Expression;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::{fmt, path::Path, sync::Arc};

/// The rules of the model, as this build carries them.
const CONCERT_DW: &str = include_str!("../../rules/concert_dw.toml");

/// How bad it is to break a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The record is put aside.
    Error,
    /// The record is counted, and stays.
    Warning,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many records of a table broke a rule in one load.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleCount {
    pub rule: String,
    pub table: String,
    pub severity: Severity,
    pub records: u64,
}

/// The rules in force, in the order of their files: the built-in ones first.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
}

/// One rule, known to make sense for the model.
#[derive(Clone, Debug)]
pub struct Rule {
    pub name: Arc<str>,
    pub table: &'static TableDef,
    pub severity: Severity,
    /// The column that is to blame, where one is.
    pub column: Option<&'static ColumnDef>,
    check: Check,
    message: Option<Message>,
}

#[derive(Clone, Debug)]
enum Check {
    Required,
    Range {
        low: Option<Bound>,
        high: Option<Bound>,
    },
    OneOf(Vec<String>),
    /// A regular expression that occurs in the text.
    Matches(String),
    /// The key of another table, which has a row with it.
    References(&'static TableDef),
    /// No two keys of the table have the same values here.
    Unique(Vec<&'static ColumnDef>),
    /// The first is not after the second, nor more than that many days.
    Order {
        first: Operand,
        second: Operand,
        tolerance_days: u32,
    },
    /// The newest value is at most that many days old. It speaks of the table, not of a record.
    Fresh {
        max_age_days: u32,
    },
    Expression(Expression),
}

#[derive(Clone, Debug, PartialEq)]
struct Bound {
    /// As SQL writes it: a number, or a date.
    literal: String,
    shown: String,
    /// Whether the bound itself is outside.
    open: bool,
}

/// A column of the rule's table, or of a table that it refers to.
#[derive(Clone, Copy, Debug)]
struct Operand {
    table: &'static TableDef,
    column: &'static ColumnDef,
}

/// A message with values in it: `{total_attendance} is more than {venues.capacity}`.
#[derive(Clone, Debug)]
struct Message {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Value(Operand),
}

impl Rules {
    /// The model's own rules.
    ///
    /// # Errors
    /// [`Error::Rules`] when the built-in file is wrong, which a test would have seen.
    pub fn built_in() -> Result<Rules> {
        Rules::parse(None)
    }

    /// The model's own rules, extended and changed by those of a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Rules`] names the line and the column, and what to write instead.
    pub fn read(path: &Path) -> Result<Rules> {
        let text = file::read(path)?;
        Rules::parse(Some((path, &text)))
    }

    /// As [`Rules::read`], of text that was read already. `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Rules`].
    pub fn parse(more: Option<(&Path, &str)>) -> Result<Rules> {
        let built_in = (Path::new("concert_dw.toml"), CONCERT_DW);
        let files: Vec<(&Path, &str)> = std::iter::once(built_in).chain(more).collect();
        file::parse(&files).map(|rules| Rules { rules })
    }

    /// The rules of one table.
    pub fn of<'a>(&'a self, table: &str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| rule.table.name == table)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }
}

/// What rules are judged against beside the rows.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// What `today` means in an expression, and what freshness is measured against.
    pub today: Date,
}

/// The tables that a row of `table` refers to by the keys of theirs that it holds: `concerts.venue_id` leads to
/// `venues`.
fn references(table: &TableDef) -> impl Iterator<Item = (&'static ColumnDef, &'static TableDef)> {
    let name = table.name;
    MODEL
        .iter()
        .filter(move |other| other.name != name)
        .filter_map(move |other| {
            let [key] = other.key else { return None };
            let column = MODEL.iter().find(|own| own.name == name)?.column(key)?;
            Some((column, other))
        })
}

/// The way from a table to another through the references, the shortest: each step a column and the table that it
/// leads to. Empty for the table itself, none where no way leads.
fn way(
    from: &'static TableDef,
    to: &TableDef,
) -> Option<Vec<(&'static TableDef, &'static ColumnDef, &'static TableDef)>> {
    let mut ways = vec![(from, Vec::new())];
    let mut seen = vec![from.name];
    while let Some((at, steps)) = (!ways.is_empty()).then(|| ways.remove(0)) {
        if at.name == to.name {
            return Some(steps);
        }
        for (column, next) in references(at) {
            if !seen.contains(&next.name) {
                seen.push(next.name);
                let mut steps = steps.clone();
                steps.push((at, column, next));
                ways.push((next, steps));
            }
        }
    }
    None
}

/// The tables that `table` leads to, itself first.
fn reachable(table: &'static TableDef) -> Vec<&'static TableDef> {
    MODEL
        .iter()
        .filter(|other| other.name == table.name)
        .chain(
            MODEL
                .iter()
                .filter(|other| other.name != table.name && way(table, other).is_some()),
        )
        .collect()
}

/// Finds what `column` or `table.column` means in a rule of `table`; what is wrong with it otherwise.
fn operand(table: &'static TableDef, text: &str) -> Result<Operand, String> {
    let (of, name) = match text.split_once('.') {
        None => (table, text),
        Some((other, name)) => {
            let tables = reachable(table);
            match tables.iter().find(|known| known.name == other) {
                Some(found) => (*found, name),
                None => {
                    let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
                    return Err(match MODEL.iter().find(|known| known.name == other) {
                        Some(_) => format!(
                            "a row of {} does not refer to a row of {other}. It leads to {}",
                            table.name,
                            names.join(", ")
                        ),
                        None => format!(
                            "there is no table {other}. {}A row of {} leads to {}",
                            crate::error::did_you_mean(other, names.iter().copied()),
                            table.name,
                            names.join(", ")
                        ),
                    });
                }
            }
        }
    };
    match of.column(name) {
        Some(column) => Ok(Operand { table: of, column }),
        None => {
            let elsewhere = reachable(table).into_iter().find(|other| other.column(name).is_some());
            let hint = match elsewhere {
                Some(other) if of.name == table.name => format!("Did you mean {}.{name}? ", other.name),
                _ => crate::error::did_you_mean(name, of.columns().iter().map(|column| column.name)),
            };
            let names: Vec<&str> = of.columns().iter().map(|column| column.name).collect();
            Err(format!(
                "{} has no column {name}. {hint}It has {}",
                of.name,
                names.join(", ")
            ))
        }
    }
}

impl Error {
    fn rule(rule: &Rule, source: datafusion::error::DataFusionError) -> Error {
        Error::Rule {
            rule: rule.name.to_string(),
            table: rule.table.name,
            source: Box::new(source),
        }
    }
}
