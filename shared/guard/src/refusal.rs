//! Why a statement is refused, and where in its text.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of rule a statement breaks. The names are a contract: scripts and tests read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// There is no statement in the text.
    Empty,
    /// The text is longer than the bound.
    TooLong,
    /// A character that does not belong into SQL: NUL, control and formatting characters, look-alikes of space.
    OddCharacter,
    /// A literal that engines read in different ways: escapes, prefixes, dollar quotes, a quote after a backslash.
    OddLiteral,
    /// A name in brackets or backticks, or with characters that names do not have.
    OddName,
    /// The text carries a comment.
    Comment,
    /// `$1`, `:name` or `?`: nothing is bound to it.
    Placeholder,
    /// More than one statement.
    SeveralStatements,
    /// Not a query: a statement that writes, or one that administers, or one that shows.
    NotAQuery,
    /// A query with a part that writes or locks.
    NotReadOnly,
    /// The text is not SQL that the guard can read.
    Syntax,
    /// Part of SQL that the guard does not let through, or Redshift does not have.
    NotSupported,
    /// Nested or chained more deeply than the bound.
    TooDeep,
    /// More joins, subqueries, list elements or set operations than the bound.
    TooMany,
    /// A table of the system.
    SystemTable,
    /// A table of another schema or database.
    OtherSchema,
    /// No table of that name is on the allow list.
    UnknownTable,
    /// A table that this role may not see.
    HiddenTable,
    /// No table of the query has a column of that name.
    UnknownColumn,
    /// A column that this role may not see.
    HiddenColumn,
    /// No function of that name is on the allow list.
    UnknownFunction,
    /// A function that tells of, or changes, the session or the system.
    SystemFunction,
    /// A type that a value may not be cast to.
    TypeNotAllowed,
    /// An operator that is not on the allow list.
    OperatorNotAllowed,
    /// Tables side by side with no condition that ties each row to few of the other.
    UnboundJoin,
    /// Rows made out of nothing, without a bound that can be seen.
    GeneratedRows,
    /// Text made longer without a bound that can be seen.
    LargeText,
    /// A pattern that is slow to match.
    SlowPattern,
    /// A row limit or an offset that is not a plain number within the bound.
    BadLimit,
}

impl Code {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Code::Empty => "empty",
            Code::TooLong => "too_long",
            Code::OddCharacter => "odd_character",
            Code::OddLiteral => "odd_literal",
            Code::OddName => "odd_name",
            Code::Comment => "comment",
            Code::Placeholder => "placeholder",
            Code::SeveralStatements => "several_statements",
            Code::NotAQuery => "not_a_query",
            Code::NotReadOnly => "not_read_only",
            Code::Syntax => "syntax",
            Code::NotSupported => "not_supported",
            Code::TooDeep => "too_deep",
            Code::TooMany => "too_many",
            Code::SystemTable => "system_table",
            Code::OtherSchema => "other_schema",
            Code::UnknownTable => "unknown_table",
            Code::HiddenTable => "hidden_table",
            Code::UnknownColumn => "unknown_column",
            Code::HiddenColumn => "hidden_column",
            Code::UnknownFunction => "unknown_function",
            Code::SystemFunction => "system_function",
            Code::TypeNotAllowed => "type_not_allowed",
            Code::OperatorNotAllowed => "operator_not_allowed",
            Code::UnboundJoin => "unbound_join",
            Code::GeneratedRows => "generated_rows",
            Code::LargeText => "large_text",
            Code::SlowPattern => "slow_pattern",
            Code::BadLimit => "bad_limit",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A statement that is not let through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason} (line {line}, column {column})")]
pub struct Refusal {
    pub code: Code,
    /// Why, and what to do: whole sentences for the person or model that wrote the statement.
    pub reason: String,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// In bytes of the text, from 0; at most its length.
    pub offset: usize,
}

/// A fault found while the text is not at hand; `offset` is in bytes.
#[derive(Debug)]
pub(crate) struct Fault {
    pub code: Code,
    pub offset: usize,
    pub reason: String,
}

pub(crate) fn fault<T>(code: Code, offset: usize, reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault {
        code,
        offset,
        reason: reason.into(),
    })
}

impl Fault {
    pub(crate) fn refuse(self, sql: &str) -> Refusal {
        let mut offset = self.offset.min(sql.len());
        while !sql.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &sql[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Refusal {
            code: self.code,
            reason: self.reason,
            line: u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX),
            column: u32::try_from(before[line_start..].chars().count() + 1).unwrap_or(u32::MAX),
            offset,
        }
    }
}
