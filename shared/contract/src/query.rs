//! The semantic query: the only way the product asks for data. Cards, chat answers, links and exports all carry one.
//!
//! A `Query` names things of the [`crate::catalogue::Catalogue`] and nothing else: it holds no table, no column and
//! no SQL. Fields that this version does not know are refused, never ignored.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

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
