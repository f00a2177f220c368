//! Conditions: single ones, and what `any`, `all`, `not` and `exists` make of them.
//!
//! A comparison with an unknown value is neither true nor false, as in SQL: neither it nor its `not` lets a row pass.
//! `exists`, and a condition on what a row has many of (a concert's purchases), is always one of the two.

use super::{Operator, Period, Value};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// One condition on a dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Filter {
    pub dimension: String,
    pub op: Operator,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

/// One condition on a number of the answer: a metric, by its name or by the name that the query gives it (`as`), or a
/// column that a comparison adds (`revenue_change_percent`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MetricFilter {
    pub metric: String,
    pub op: Operator,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

/// A condition on rows: `{dimension, op, values}`, `{any: […]}`, `{all: […]}`, `{not: …}`, `{exists: …}` or
/// `{than: …}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, deny_unknown_fields)]
pub enum FilterClause {
    Is(Filter),
    /// At least one of them holds.
    Any {
        any: Vec<FilterClause>,
    },
    /// Each of them holds.
    All {
        all: Vec<FilterClause>,
    },
    Not {
        not: Box<FilterClause>,
    },
    Exists {
        exists: Box<Exists>,
    },
    Than {
        than: Than,
    },
}

/// A number of a row against the average of it over its whole table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Than {
    pub dimension: String,
    pub op: Operator,
    pub statistic: Usual,
}

/// What a number of a row is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Usual {
    Average,
    Minimum,
    Maximum,
}

/// A condition on the numbers of a row of the answer: `{metric, op, values}`, `{any: […]}`, `{all: […]}` or
/// `{not: …}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, deny_unknown_fields)]
pub enum HavingClause {
    Is(MetricFilter),
    /// At least one of them holds.
    Any {
        any: Vec<HavingClause>,
    },
    /// Each of them holds.
    All {
        all: Vec<HavingClause>,
    },
    Not {
        not: Box<HavingClause>,
    },
}

/// Whether what a dimension names has any rows of another kind: venues with a concert that sold out.
///
/// The rows are those that the metric `of` is made of, with that metric's own conditions, `filters` and `period`.
/// Where `having` stands, they are grouped by `dimension` and `per`, and a group counts whose metrics meet it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Exists {
    /// What the asked-for rows and the rows looked for have in common: `venue`.
    pub dimension: String,
    /// A metric, whose rows are looked for: `concerts`.
    pub of: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterClause>,
    /// Dimensions: `having` must hold for one of these by itself, such as a single `concert`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub having: Vec<HavingClause>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
}

impl From<Filter> for FilterClause {
    fn from(filter: Filter) -> Self {
        FilterClause::Is(filter)
    }
}

impl From<MetricFilter> for HavingClause {
    fn from(filter: MetricFilter) -> Self {
        HavingClause::Is(filter)
    }
}

impl FilterClause {
    /// The condition, where it is a single one.
    pub fn single(&self) -> Option<&Filter> {
        match self {
            FilterClause::Is(filter) => Some(filter),
            _ => None,
        }
    }

    pub fn single_mut(&mut self) -> Option<&mut Filter> {
        match self {
            FilterClause::Is(filter) => Some(filter),
            _ => None,
        }
    }

    /// Every single condition in it, at any depth, those of `exists` aside.
    pub fn singles(&self) -> Vec<&Filter> {
        match self {
            FilterClause::Is(filter) => vec![filter],
            FilterClause::Any { any: parts } | FilterClause::All { all: parts } => {
                parts.iter().flat_map(FilterClause::singles).collect()
            }
            FilterClause::Not { not } => not.singles(),
            FilterClause::Exists { .. } | FilterClause::Than { .. } => Vec::new(),
        }
    }
}

impl HavingClause {
    /// The condition, where it is a single one.
    pub fn single(&self) -> Option<&MetricFilter> {
        match self {
            HavingClause::Is(filter) => Some(filter),
            _ => None,
        }
    }

    /// Every single condition in it, at any depth.
    pub fn singles(&self) -> Vec<&MetricFilter> {
        match self {
            HavingClause::Is(filter) => vec![filter],
            HavingClause::Any { any: parts } | HavingClause::All { all: parts } => {
                parts.iter().flat_map(HavingClause::singles).collect()
            }
            HavingClause::Not { not } => not.singles(),
        }
    }
}

/// All fields of every form: serde's untagged enums could only say that no form fits, not which field is wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFilter {
    dimension: Option<String>,
    op: Option<Operator>,
    values: Option<Vec<Value>>,
    any: Option<Vec<FilterClause>>,
    all: Option<Vec<FilterClause>>,
    not: Option<Box<FilterClause>>,
    exists: Option<Box<Exists>>,
    than: Option<Than>,
}

impl<'de> Deserialize<'de> for FilterClause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawFilter::deserialize(deserializer)?;
        let is_single = raw.dimension.is_some() || raw.op.is_some() || raw.values.is_some();
        let clause = match (raw.any, raw.all, raw.not, raw.exists, raw.than) {
            (None, None, None, None, None) => FilterClause::Is(Filter {
                dimension: raw.dimension.ok_or_else(|| D::Error::missing_field("dimension"))?,
                op: raw.op.ok_or_else(|| D::Error::missing_field("op"))?,
                values: raw.values.unwrap_or_default(),
            }),
            (Some(any), None, None, None, None) if !is_single => FilterClause::Any { any },
            (None, Some(all), None, None, None) if !is_single => FilterClause::All { all },
            (None, None, Some(not), None, None) if !is_single => FilterClause::Not { not },
            (None, None, None, Some(exists), None) if !is_single => FilterClause::Exists { exists },
            (None, None, None, None, Some(than)) if !is_single => FilterClause::Than { than },
            _ => {
                return Err(D::Error::custom(
                    "a filter is one of dimension with op and values, any, all, not, exists, than",
                ));
            }
        };
        Ok(clause)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHaving {
    metric: Option<String>,
    op: Option<Operator>,
    values: Option<Vec<Value>>,
    any: Option<Vec<HavingClause>>,
    all: Option<Vec<HavingClause>>,
    not: Option<Box<HavingClause>>,
}

impl<'de> Deserialize<'de> for HavingClause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawHaving::deserialize(deserializer)?;
        let is_single = raw.metric.is_some() || raw.op.is_some() || raw.values.is_some();
        let clause = match (raw.any, raw.all, raw.not) {
            (None, None, None) => HavingClause::Is(MetricFilter {
                metric: raw.metric.ok_or_else(|| D::Error::missing_field("metric"))?,
                op: raw.op.ok_or_else(|| D::Error::missing_field("op"))?,
                values: raw.values.unwrap_or_default(),
            }),
            (Some(any), None, None) if !is_single => HavingClause::Any { any },
            (None, Some(all), None) if !is_single => HavingClause::All { all },
            (None, None, Some(not)) if !is_single => HavingClause::Not { not },
            _ => {
                return Err(D::Error::custom(
                    "a condition on a metric is one of metric with op and values, any, all, not",
                ));
            }
        };
        Ok(clause)
    }
}
