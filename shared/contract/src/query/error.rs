//! What is wrong with a `Query`: a stable code for programs, a sentence, a place and a way to mend it for people.

use std::fmt;

/// What is wrong with a `Query`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryErrorCode {
    /// Not JSON, or not of a `Query`'s shape.
    BadQuery,
    UnsupportedVersion,
    UnknownMetric,
    UnknownDimension,
    WrongType,
    BadPeriod,
    BadOrder,
    BadLimit,
    /// A comparison that has nothing to compare with.
    BadCompare,
    BadTop,
    BadWindow,
    /// A statistic that the metric does not allow.
    BadAggregate,
    BadExists,
    /// The metric's rows cannot be split or filtered by that dimension.
    NoJoin,
    /// More than one chain of joins leads there, and they may not agree.
    AmbiguousJoin,
    /// The viewer's role may not see it.
    NotAllowed,
    /// The catalogue knows it, the published data does not hold it.
    NotInData,
    /// The catalogue itself is wrong.
    BadCatalogue,
}

impl QueryErrorCode {
    /// The stable name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            QueryErrorCode::BadQuery => "bad_query",
            QueryErrorCode::UnsupportedVersion => "unsupported_version",
            QueryErrorCode::UnknownMetric => "unknown_metric",
            QueryErrorCode::UnknownDimension => "unknown_dimension",
            QueryErrorCode::WrongType => "wrong_type",
            QueryErrorCode::BadPeriod => "bad_period",
            QueryErrorCode::BadOrder => "bad_order",
            QueryErrorCode::BadLimit => "bad_limit",
            QueryErrorCode::BadCompare => "bad_compare",
            QueryErrorCode::BadTop => "bad_top",
            QueryErrorCode::BadWindow => "bad_window",
            QueryErrorCode::BadAggregate => "bad_aggregate",
            QueryErrorCode::BadExists => "bad_exists",
            QueryErrorCode::NoJoin => "no_join",
            QueryErrorCode::AmbiguousJoin => "ambiguous_join",
            QueryErrorCode::NotAllowed => "not_allowed",
            QueryErrorCode::NotInData => "not_in_data",
            QueryErrorCode::BadCatalogue => "bad_catalogue",
        }
    }
}

/// Why a `Query` cannot be answered, for a person and for a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    pub code: QueryErrorCode,
    /// A sentence for a person.
    pub message: String,
    /// Where: `filters[0].dimension`; empty where the whole `Query` is meant.
    pub path: String,
    /// What to do about it.
    pub suggested_action: Option<String>,
}

impl QueryError {
    pub fn new(code: QueryErrorCode, path: impl Into<String>, message: impl Into<String>) -> Self {
        QueryError {
            code,
            message: message.into(),
            path: path.into(),
            suggested_action: None,
        }
    }

    #[must_use]
    pub fn suggest(mut self, action: impl Into<String>) -> Self {
        self.suggested_action = Some(action.into());
        self
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl std::error::Error for QueryError {}
