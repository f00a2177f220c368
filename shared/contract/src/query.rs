//! The semantic query: the only way the product asks for data. Cards, chat answers, links and exports all carry one.
//!
//! A `Query` names things of the [`crate::catalogue::Catalogue`] and nothing else: it holds no table, no column and
//! no SQL. Fields that this version does not know are refused, never ignored. `docs/query.md` shows each construct.

mod added;
mod clause;
mod compact;
mod error;
mod metric;
mod near;
mod period;

pub use added::{Added, AddedColumn};
pub use clause::{Exists, Filter, FilterClause, HavingClause, MetricFilter, Than, Usual};
pub use error::{QueryError, QueryErrorCode};
pub use metric::{QueryMetric, Statistic, Window};
pub use period::{Days, Grain, Period};

use serde::{Deserialize, Serialize};

/// The version that this build writes and reads.
pub const QUERY_VERSION: u32 = 1;

/// The JSON schema of [`Query`], made from its types and checked in.
pub const QUERY_SCHEMA: &str = include_str!("../schema/query.json");

fn version() -> u32 {
    QUERY_VERSION
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// What is asked for.
///
/// An answer is made in this order: rows by `filters` and `period`; groups by `grain` and `dimensions`; metrics;
/// comparisons and windows over all groups; `having` and `focus` choose rows; `top` keeps the first of each group;
/// `order` and `limit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Query {
    #[serde(default = "version")]
    pub version: u32,
    /// At least one, unless `of` says whose rows are listed.
    #[serde(default)]
    pub metrics: Vec<QueryMetric>,
    /// Lists rows instead of measuring them: a metric, whose rows they are, with that metric's own conditions. The
    /// answer has a row for each of them, with the values of `dimensions`. Only where there are no metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Of listed rows that show the same values, one stands for all.
    #[serde(default, skip_serializing_if = "is_false")]
    pub distinct: bool,
    /// Names of dimensions to group by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<String>,
    /// All of them must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterClause>,
    /// Conditions on the query's own dimensions that choose which rows are shown; the others still count in totals,
    /// ranks and averages. How one city ranks among all is asked with a focus on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub focus: Vec<FilterClause>,
    /// Conditions on numbers of the answer (HAVING). All of them must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub having: Vec<HavingClause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// The dimension that `period`, `grain` and parts of time mean, where it is not the metric's usual time: `announced`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// One row for each stretch of time, in order of time: a column named like the grain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grain: Option<Grain>,
    /// Each adds columns for every metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compare: Vec<Comparison>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<Top>,
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
            of: None,
            distinct: false,
            dimensions: Vec::new(),
            filters: Vec::new(),
            focus: Vec::new(),
            having: Vec::new(),
            period: None,
            time: None,
            grain: None,
            compare: Vec::new(),
            top: None,
            order: Vec::new(),
            limit: None,
            cursor: None,
        }
    }
}

/// A value to compare with. Dates are written `YYYY-MM-DD`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Value {
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Operator {
    #[serde(rename = "=")]
    Equal,
    #[serde(rename = "!=")]
    NotEqual,
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
    /// One text, at the beginning of the value, case aside.
    #[serde(rename = "starts with")]
    StartsWith,
    /// No value.
    #[serde(rename = "is null")]
    IsNull,
    /// No value.
    #[serde(rename = "is not null")]
    IsNotNull,
}

/// What to set beside each metric. The columns that it adds are named after the metric's: `revenue_before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// The stretch of the grain before, or the period before where there is no grain: `_before`, `_change`,
    /// `_change_percent`. A period that is not over is compared with the same part of the one before.
    PreviousPeriod,
    /// A year earlier (52 weeks for weeks): `_last_year`, `_last_year_change`, `_last_year_change_percent`.
    SamePeriodLastYear,
    /// Percent of the sum over all rows, or over those of the same stretch of time: `_share`.
    ShareOfTotal,
    /// 1 for the most, among the same rows as the share: `_rank`.
    Rank,
    /// The mean of the other rows, and how far this one lies above it: `_peers`, `_peers_difference`.
    AverageOfPeers,
}

/// The first `n` rows of each group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Top {
    pub n: u32,
    /// A number of the answer; the first metric where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Dimensions of the query, or its grain, within each of which the rows are counted anew: the top 3 artists per
    /// city. None: over all rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<String>,
    /// `desc`, the largest, where it is absent.
    #[serde(default = "Direction::descending", skip_serializing_if = "Direction::is_descending")]
    pub direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    #[serde(rename = "asc")]
    Ascending,
    #[serde(rename = "desc")]
    Descending,
}

impl Direction {
    fn descending() -> Direction {
        Direction::Descending
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
    fn is_descending(&self) -> bool {
        *self == Direction::Descending
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// A metric, a dimension, the grain or an added column of the same query; of listed rows any dimension.
    pub by: String,
    pub direction: Direction,
}

/// The longest `Query` in JSON text that is read, in bytes.
pub const QUERY_MAX_BYTES: usize = 64 * 1024;

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
            let message = error.to_string();
            QueryError::new(QueryErrorCode::BadQuery, "", format!("This is not a query: {message}."))
                .suggest(how_to_mend(&message))
        })?;
        query.check_version()?;
        Ok(query)
    }

    /// The names of its metrics' columns, in order.
    pub fn metric_names(&self) -> Vec<String> {
        self.metrics.iter().map(QueryMetric::name).collect()
    }

    /// Whether one of its metrics' columns has this name.
    pub fn has_metric(&self, name: &str) -> bool {
        self.metrics.iter().any(|metric| metric.name() == name)
    }

    /// The single conditions among its filters that must hold: those at the top, and inside `all`.
    pub fn conditions(&self) -> Vec<&Filter> {
        fn collect<'a>(clauses: &'a [FilterClause], found: &mut Vec<&'a Filter>) {
            for clause in clauses {
                match clause {
                    FilterClause::Is(filter) => found.push(filter),
                    FilterClause::All { all } => collect(all, found),
                    _ => {}
                }
            }
        }
        let mut found = Vec::new();
        collect(&self.filters, &mut found);
        found
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

/// How to mend a query of the wrong shape, by what serde says of it: the nearest name of those that it expected.
fn how_to_mend(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let names_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    if let Some(wrong) = quoted.next().filter(|_| names_unknown) {
        let names: Vec<&str> = quoted.collect();
        if let Some(near) = near::nearest(wrong, &names) {
            return format!("Did you mean {near}?");
        }
        return format!("Use one of {}.", names.join(", "));
    }
    if message.contains("date") {
        return "Write a day as 2025-03-31, year, month and day, and only days that the calendar has.".to_owned();
    }
    "Name metrics and dimensions as /api/catalogue lists them; only metrics is required.".to_owned()
}
