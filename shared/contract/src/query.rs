//! The semantic query: the only way the product asks for data. Cards, chat answers, links and exports all carry one.
//!
//! A `Query` names things of the [`crate::catalogue::Catalogue`] and nothing else: it holds no table, no column and
//! no SQL. Fields that this version does not know are refused, never ignored.

use jiff::{
    ToSpan,
    civil::{Date, Weekday},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version that this build writes and reads.
pub const QUERY_VERSION: u32 = 1;

fn version() -> u32 {
    QUERY_VERSION
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    #[serde(default = "version")]
    pub version: u32,
    /// Names of metrics, at least one.
    pub metrics: Vec<String>,
    /// Names of dimensions to group by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<String>,
    /// All of them must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// Conditions on metrics, after grouping (HAVING). All of them must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub having: Vec<MetricFilter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// One row for each stretch of time, in order of time: a column named like the grain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grain: Option<Grain>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<Order>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on, as an earlier answer's `next_cursor` said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Default for Query {
    fn default() -> Self {
        Query {
            version: QUERY_VERSION,
            metrics: Vec::new(),
            dimensions: Vec::new(),
            filters: Vec::new(),
            having: Vec::new(),
            period: None,
            grain: None,
            order: Vec::new(),
            limit: None,
            cursor: None,
        }
    }
}

/// A value to compare with. Dates are written `YYYY-MM-DD`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    #[serde(rename = "=")]
    Equal,
    #[serde(rename = "in")]
    In,
    #[serde(rename = "not in")]
    NotIn,
    /// Two values, both ends included.
    #[serde(rename = "between")]
    Between,
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = ">=")]
    GreaterOrEqual,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "<=")]
    LessOrEqual,
    /// One text, anywhere in the value, case aside.
    #[serde(rename = "contains")]
    Contains,
    /// No value.
    #[serde(rename = "is null")]
    IsNull,
    /// No value.
    #[serde(rename = "is not null")]
    IsNotNull,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    pub dimension: String,
    pub op: Operator,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricFilter {
    pub metric: String,
    pub op: Operator,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

/// A stretch of days, both ends included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Period {
    /// Fixed days; an open end is absent.
    Between {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Date>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Date>,
    },
    /// `count` whole units, the first of which lies `offset` units from the current one: this year is
    /// `{unit: year, offset: 0, count: 1}`, the last three months are `{unit: month, offset: -3, count: 3}`, the next
    /// ninety days `{unit: day, offset: 1, count: 90}`. It stays relative; the clock of whoever runs it resolves it.
    Relative { unit: Grain, offset: i32, count: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grain {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Grain {
    pub const ALL: [Grain; 5] = [Grain::Day, Grain::Week, Grain::Month, Grain::Quarter, Grain::Year];

    pub fn name(self) -> &'static str {
        match self {
            Grain::Day => "day",
            Grain::Week => "week",
            Grain::Month => "month",
            Grain::Quarter => "quarter",
            Grain::Year => "year",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    #[serde(rename = "asc")]
    Ascending,
    #[serde(rename = "desc")]
    Descending,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// A metric, a dimension or the grain of the same query.
    pub by: String,
    pub direction: Direction,
}

/// The longest `Query` in JSON text that is read, in bytes.
pub const QUERY_MAX_BYTES: usize = 64 * 1024;

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
    /// The metric's rows cannot be split or filtered by that dimension.
    NoJoin,
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
            QueryErrorCode::NoJoin => "no_join",
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

impl Query {
    /// Reads a `Query` from JSON text.
    ///
    /// # Errors
    /// `bad_query` with the line and column in the text and the field's name; `unsupported_version` for another one.
    pub fn from_json(text: &str) -> Result<Query, QueryError> {
        if text.len() > QUERY_MAX_BYTES {
            return Err(QueryError::new(
                QueryErrorCode::BadQuery,
                "",
                format!(
                    "The query is {} bytes long; at most {QUERY_MAX_BYTES} are read.",
                    text.len()
                ),
            )
            .suggest("Ask for fewer values in one filter."));
        }
        let query: Query = serde_json::from_str(text).map_err(|error| {
            QueryError::new(QueryErrorCode::BadQuery, "", format!("This is not a query: {error}."))
                .suggest("Name metrics and dimensions as /api/catalogue lists them; only metrics is required.")
        })?;
        query.check_version()?;
        Ok(query)
    }

    pub(crate) fn check_version(&self) -> Result<(), QueryError> {
        if self.version == QUERY_VERSION {
            return Ok(());
        }
        Err(QueryError::new(
            QueryErrorCode::UnsupportedVersion,
            "version",
            format!(
                "Version {} of queries is not known here; this is version {QUERY_VERSION}.",
                self.version
            ),
        ))
    }
}

/// A stretch of days, both ends included; an absent end is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    pub from: Option<Date>,
    pub to: Option<Date>,
}

impl Period {
    /// The days that this period means on the day `today`.
    ///
    /// # Errors
    /// `bad_period` if it ends before it begins, is empty, or leaves the calendar.
    pub fn resolve(&self, today: Date) -> Result<Days, QueryError> {
        let bad = |message: String| QueryError::new(QueryErrorCode::BadPeriod, "period", message);
        match *self {
            Period::Between { from, to } => {
                if let (Some(from), Some(to)) = (from, to)
                    && from > to
                {
                    return Err(bad(format!("The period ends on {to}, before it begins on {from}."))
                        .suggest("Put the earlier day first."));
                }
                Ok(Days { from, to })
            }
            Period::Relative { count: 0, .. } => {
                Err(bad("A period of no days holds nothing.".to_owned()).suggest("Make count at least 1."))
            }
            Period::Relative { unit, offset, count } => {
                let beyond = || bad("The period reaches beyond the calendar.".to_owned());
                let first = unit.start_of(today).ok_or_else(beyond)?;
                let from = unit.add(first, i64::from(offset)).ok_or_else(beyond)?;
                let end = unit.add(from, i64::from(count)).ok_or_else(beyond)?;
                Ok(Days {
                    from: Some(from),
                    to: Some(end.yesterday().map_err(|_| beyond())?),
                })
            }
        }
    }
}

impl Grain {
    /// The first day of the stretch that `day` lies in; weeks begin on Monday.
    pub fn start_of(self, day: Date) -> Option<Date> {
        match self {
            Grain::Day => Some(day),
            Grain::Week => day
                .checked_sub(i64::from(day.weekday().since(Weekday::Monday)).days())
                .ok(),
            Grain::Month => Some(day.first_of_month()),
            Grain::Quarter => Date::new(day.year(), (day.month() - 1) / 3 * 3 + 1, 1).ok(),
            Grain::Year => Some(day.first_of_year()),
        }
    }

    /// `count` stretches later, or earlier where it is negative.
    pub fn add(self, day: Date, count: i64) -> Option<Date> {
        // jiff's span constructors panic beyond its limits, which these bounds lie well within.
        const MOST_UNITS: i64 = 4_000_000;
        if count.abs() > MOST_UNITS {
            return None;
        }
        let span = jiff::Span::new();
        let span = match self {
            Grain::Day => span.try_days(count),
            Grain::Week => span.try_weeks(count),
            Grain::Month => span.try_months(count),
            Grain::Quarter => span.try_months(count * 3),
            Grain::Year => span.try_years(count),
        };
        day.checked_add(span.ok()?).ok()
    }
}
