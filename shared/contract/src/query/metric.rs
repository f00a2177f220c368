//! A metric as a query asks for it: a bare name, or a name with conditions, a statistic or a window of its own.

use super::FilterClause;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// `"revenue"`, or `{metric, filters, aggregate, window, as}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryMetric {
    /// The catalogue's name.
    pub metric: String,
    /// Conditions for this metric alone, beside those of the query. All of them must hold.
    pub filters: Vec<FilterClause>,
    /// Another statistic of what the metric is made of.
    pub aggregate: Option<Statistic>,
    /// A sum or mean over stretches of the query's grain.
    pub window: Option<Window>,
    /// The name of its column. Without it see [`QueryMetric::name`].
    pub name: Option<String>,
}

/// What to make of the values of single rows, instead of what the catalogue says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    Average,
    Minimum,
    Maximum,
    Median,
    /// How many different values there are.
    Distinct,
    /// From 0 to 100, between two values in proportion: 50 is the median.
    Percentile(f64),
}

/// A value that looks back over stretches of the query's grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The sum of this stretch and all before it in the answer.
    RunningTotal,
    /// The mean over this stretch and those before it, so many in all; those without a value are left out.
    MovingAverage(u32),
}

impl QueryMetric {
    /// The name of its column in the answer: its own where it has one, else the metric's, with what was made of it:
    /// `revenue_median`, `revenue_running_total`.
    pub fn name(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let mut name = self.metric.clone();
        match self.aggregate {
            None => {}
            Some(Statistic::Average) => name.push_str("_average"),
            Some(Statistic::Minimum) => name.push_str("_minimum"),
            Some(Statistic::Maximum) => name.push_str("_maximum"),
            Some(Statistic::Median) => name.push_str("_median"),
            Some(Statistic::Distinct) => name.push_str("_distinct"),
            Some(Statistic::Percentile(rank)) => name.push_str(&format!("_p{rank}").replace('.', "_")),
        }
        match self.window {
            None => {}
            Some(Window::RunningTotal) => name.push_str("_running_total"),
            Some(Window::MovingAverage(count)) => name.push_str(&format!("_average_of_{count}")),
        }
        name
    }

    /// Whether it is the catalogue's metric and nothing more.
    pub fn is_plain(&self) -> bool {
        self.filters.is_empty() && self.aggregate.is_none() && self.window.is_none() && self.name.is_none()
    }
}

impl From<&str> for QueryMetric {
    fn from(name: &str) -> Self {
        QueryMetric::from(name.to_owned())
    }
}

impl From<String> for QueryMetric {
    fn from(metric: String) -> Self {
        QueryMetric {
            metric,
            ..QueryMetric::default()
        }
    }
}

impl From<&String> for QueryMetric {
    fn from(name: &String) -> Self {
        QueryMetric::from(name.clone())
    }
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "MetricWithOptions"))]
#[serde(deny_unknown_fields)]
struct Full {
    metric: String,
    /// Conditions for this metric alone. All of them must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    filters: Vec<FilterClause>,
    /// Another statistic of what the metric is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aggregate: Option<Statistic>,
    /// A sum or mean over stretches of the query's grain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    /// The name of its column in the answer.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl Serialize for QueryMetric {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_plain() {
            return serializer.serialize_str(&self.metric);
        }
        Full {
            metric: self.metric.clone(),
            filters: self.filters.clone(),
            aggregate: self.aggregate,
            window: self.window,
            name: self.name.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for QueryMetric {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = QueryMetric;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a metric's name, or an object with the field metric")
            }

            fn visit_str<E>(self, name: &str) -> Result<QueryMetric, E> {
                Ok(QueryMetric::from(name))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<QueryMetric, A::Error> {
                let full = Full::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(QueryMetric {
                    metric: full.metric,
                    filters: full.filters,
                    aggregate: full.aggregate,
                    window: full.window,
                    name: full.name,
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for QueryMetric {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let full = generator.subschema_for::<Full>();
        schemars::json_schema!({
            "description": "A metric's name, or an object that says more.",
            "anyOf": [{ "type": "string" }, full]
        })
    }
}
