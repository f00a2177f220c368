//! Is this SQL allowed? Text from a person or a model becomes a statement only if it is exactly one query that names
//! tables, columns and functions of an allow list, at every depth, and is bounded in cost. [`check`] says no with the
//! reason and the place, or gives the statement to run: with a row limit, and with every table replaced by the rows
//! and columns that the viewer may see.
//!
//! It reads text and gives text; running it, with a timeout and a role of the warehouse that can only read, is the
//! caller's. It stands between `concert-contract`, whose catalogue it makes a [`Policy`] of, and the edge.

mod check;
mod dialect;
mod functions;
mod lex;
mod policy;
mod refusal;
mod rewrite;
mod role;
mod scope;
mod shape;

pub use policy::{Bounds, ColumnRule, Policy, Spread, TableRule};
pub use refusal::{Code, Refusal};
pub use role::PolicyError;

use check::Checker;
use dialect::ParseError;
use refusal::{Fault, fault};
use rewrite::Marks;
use std::collections::{BTreeMap, BTreeSet};

/// How often the parser may call itself: two calls for each bracket, and some for CASE and NOT, which have none.
const PARSER_MAX_RECURSION: usize = 50;

/// A statement that may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// What to run, instead of the text that was checked.
    pub sql: String,
    /// The most rows that it gives.
    pub row_limit: u64,
    /// The tables that it reads and their columns, `*` spelled out.
    pub tables: BTreeMap<String, BTreeSet<String>>,
}

/// Checks one statement against what its viewer may ask.
///
/// # Errors
/// The first rule that the text breaks, with a sentence that says what to do, and its place.
pub fn check(sql: &str, policy: &Policy) -> Result<Guarded, Refusal> {
    guarded(sql, policy).map_err(|fault| fault.refuse(sql))
}

/// The functions that a query may call, in lower case, in no order.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    functions::function_names()
}

fn guarded(sql: &str, policy: &Policy) -> Result<Guarded, Fault> {
    if sql.len() > policy.bounds.max_bytes {
        return fault(
            Code::TooLong,
            policy.bounds.max_bytes,
            format!(
                "The statement has {} bytes, the most accepted is {}. Ask for less at once.",
                sql.len(),
                policy.bounds.max_bytes
            ),
        );
    }
    let tokens = shape::check(lex::tokens(sql)?, &policy.bounds)?;
    let marks = Marks::of(&tokens);
    let query = dialect::parse(tokens, PARSER_MAX_RECURSION).map_err(|error| unparsed(error, sql))?;
    let mut checker = Checker::new(policy);
    checker.statement(&query)?;
    let (sql, row_limit) = rewrite::rewrite(sql, &checker, &marks, query.fetch.is_some())?;
    let tables = checker
        .used
        .into_iter()
        .map(|(table, columns)| (table.to_owned(), columns))
        .collect();
    Ok(Guarded { sql, row_limit, tables })
}

fn unparsed(error: ParseError, sql: &str) -> Fault {
    match error {
        ParseError::TooDeep => Fault {
            code: Code::TooDeep,
            offset: 0,
            reason: "The statement is nested too deeply to be read. Name inner queries in a WITH clause.".to_owned(),
        },
        ParseError::Syntax(words, offset) => {
            let words: String = words.chars().take(200).collect();
            Fault {
                code: Code::Syntax,
                offset: offset.unwrap_or(sql.len()),
                reason: format!("This cannot be read as a query of Redshift. {words}."),
            }
        }
    }
}
