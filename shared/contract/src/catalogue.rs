//! The catalogue: tables, joins, metrics and dimensions, as data. No code names a concert metric; a user can replace
//! the TOML file with one for their own schema.

use crate::{
    query::{Direction, Filter, Grain, Operator, Value},
    table::ColumnType,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Says which catalogue an answer was made with.
    pub version: String,
    /// The schema that holds the tables: `concert_dw`.
    pub schema: String,
    pub tables: BTreeMap<String, TableDef>,
    #[serde(default)]
    pub joins: Vec<Join>,
    /// Tables that hold sums of another table's rows, by which a question is answered with less reading.
    #[serde(default, rename = "rollup")]
    pub rollups: Vec<Rollup>,
    /// What each role may see. While there are none, everybody sees everything; where there are some, a role that is
    /// not among them sees nothing.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// In the order in which people think of them; the first that fits is the default.
    pub metrics: Vec<Metric>,
    pub dimensions: Vec<Dimension>,
    /// Words that go without saying in this field, and carry no meaning of their own: "played", "took place".
    #[serde(default)]
    pub fillers: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDef {
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// The column that a period filters: a DATE or TIMESTAMP.
    #[serde(default)]
    pub time: Option<String>,
    /// The `table.column` of the time zone in which the days and hours of an instant are told, where the time is one;
    /// UTC where it is unknown. A day is the venue's.
    #[serde(default)]
    pub zone: Option<String>,
    /// What a row is, in the plural: "concerts".
    #[serde(default)]
    pub rows: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    /// Its columns and what they hold; references to columns are checked against it.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnType>,
}

/// Many rows of `from` belong to one row of `to`. Both are written `table.column`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    pub from: String,
    pub to: String,
}

/// A table whose rows are sums over the rows of another one that agree in some columns and in their day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollup {
    pub table: String,
    /// The table whose rows are summed up.
    pub of: String,
    /// Its column that stands for the day of the other table's time. Without it the time is lost.
    #[serde(default)]
    pub time: Option<String>,
    /// Columns of the other table that are kept, each with its name here: `concert_id = "concert_id"`.
    pub dimensions: BTreeMap<String, String>,
    /// Metrics that are sums or counts over the other table, each with the column that holds its part:
    /// `revenue = "revenue"`.
    pub metrics: BTreeMap<String, String>,
}

/// What the people of a role may see.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    #[serde(default)]
    pub description: Option<String>,
    /// Tables and columns that are not there for them: `customers`, `concerts.revenue`.
    #[serde(default)]
    pub hidden: Vec<String>,
    /// Which rows of a table are there for them; of a table without a rule, all are.
    #[serde(default)]
    pub rows: Vec<RowRule>,
}

/// The rows of a table that a role sees: those that meet all conditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowRule {
    pub table: String,
    /// `dimension` is written `table.column` here: a column of the table itself, or of one that its rows belong to.
    pub filters: Vec<Filter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    Count,
    CountDistinct,
    Sum,
    Average,
    Minimum,
    Maximum,
}

/// What a metric counts in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Money in the currency of its rows.
    Currency,
    Percent,
    Count,
    #[default]
    None,
}

/// How a metric's numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Integer,
    /// One decimal.
    Decimal,
    Money,
    Percent,
}

/// An `aggregate` `of` an arithmetic expression whose columns are written `table.column`.
///
/// A metric may have several `sources`; one is chosen for a whole query, never per row: the first whose columns are
/// filled in the published data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    pub name: String,
    pub label: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub synonyms: Vec<String>,
    /// What is counted, for one and for many: `["concert", "concerts"]`. Without it a sentence says "revenue of $5".
    #[serde(default)]
    pub noun: Option<[String; 2]>,
    /// What has the most and the least of it: `["best attended", "least attended"]`.
    #[serde(default)]
    pub superlative: Option<[String; 2]>,
    /// Words that rank by this metric: `"best attended" = "desc"`, `"cheapest" = "asc"`.
    #[serde(default)]
    pub ranks: BTreeMap<String, Direction>,
    /// Words that say how much of it a single row has: `"sold out"` is an attendance rate of at least 1.
    #[serde(default)]
    pub conditions: BTreeMap<String, Condition>,
    #[serde(default)]
    pub unit: Unit,
    #[serde(default)]
    pub format: Format,
    /// Whether it ends at the last complete day (sales so far), instead of including what is only planned.
    #[serde(default)]
    pub complete_days: bool,
    /// Whether the values of groups may be added up. Absent: sums and counts may, all else may not.
    #[serde(default)]
    pub additive: Option<bool>,
    /// The other statistics that a query may ask of it. Absent: those that mean something for its aggregate.
    #[serde(default)]
    pub statistics: Option<Vec<StatisticKind>>,
    pub sources: Vec<MetricSource>,
}

/// A statistic that a query may ask for, without its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatisticKind {
    Average,
    Minimum,
    Maximum,
    Median,
    Percentile,
    Distinct,
}

/// A comparison that a word stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub op: Operator,
    pub values: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricSource {
    /// Said in the answer where a metric has several sources: "box office".
    #[serde(default)]
    pub label: Option<String>,
    pub aggregate: Aggregate,
    /// `table.column`, numbers, `+ - * /` and brackets. For a count: `table.column` of the counted table.
    pub of: String,
    /// For a ratio: the sum of `of` is divided by this aggregate's value of it.
    #[serde(default)]
    pub over: Option<String>,
    /// The `table.column` of the currency, for money.
    #[serde(default)]
    pub currency: Option<String>,
    /// Conditions on columns (`dimension` is written `table.column` here).
    #[serde(default)]
    pub filters: Vec<Filter>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    pub name: String,
    pub label: String,
    pub plural: String,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub synonyms: Vec<String>,
    /// How a value stands in a sentence: `"at {}"` for a venue. Without it: "with status cancelled".
    #[serde(default)]
    pub phrase: Option<String>,
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// `table.column` that is shown and filtered. None for a part of time.
    #[serde(default)]
    pub column: Option<String>,
    /// `table.column` that tells apart what has the same name (two venues called "Paradise"); grouped by as well.
    #[serde(default)]
    pub key: Option<String>,
    /// Other dimensions whose columns stand beside it, so that a person knows which one is meant: the date, artist
    /// and venue of a concert. A dimension without `column` shows these alone.
    #[serde(default)]
    pub shows: Vec<String>,
    /// A part of the metric's time: year, quarter, month of the year, weekday, hour.
    #[serde(default)]
    pub part: Option<TimePart>,
    /// `table.column` of a day: the dimension is the number of days from it to the metric's time, such as the days
    /// since a concert was announced.
    #[serde(default)]
    pub days_since: Option<String>,
    /// Whether a row may have many of its values (a venue's amenities). Such a row counts for each of them, so that
    /// the rows of a breakdown do not add up.
    #[serde(default)]
    pub many: bool,
    /// The joins to take where several chains of them lead to its table, by their `from`: `["sales.buyer_id"]`.
    #[serde(default)]
    pub via: Vec<String>,
    /// The next coarser dimension: a city lies in a state.
    #[serde(default)]
    pub within: Option<String>,
    /// Set where the part is also a stretch of time: a year.
    #[serde(default)]
    pub grain: Option<Grain>,
    /// The metric that this is for a single row: a condition on one concert's attendance filters by it.
    #[serde(default)]
    pub of_metric: Option<String>,
    /// Set where the number is a place on the Earth, so that points can be drawn on a map.
    #[serde(default)]
    pub coordinate: Option<Coordinate>,
    /// Whether its values stand in `catalogue_values`.
    #[serde(default)]
    pub indexed: bool,
    /// Whether its values are codes, which the first of their aliases spells out: DE is Germany.
    #[serde(default)]
    pub coded: bool,
    /// Words that rank the things it belongs to by it: the `"largest"` venue is that of the most capacity.
    #[serde(default)]
    pub ranks: BTreeMap<String, Direction>,
    /// Other words for values: `"US" = ["usa", "america", "united states"]`.
    #[serde(default)]
    pub aliases: BTreeMap<String, Vec<String>>,
}

/// Degrees, north and east positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coordinate {
    Latitude,
    Longitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TimePart {
    Year,
    /// 1 to 4.
    QuarterOfYear,
    /// 1 to 12.
    MonthOfYear,
    /// 1 (Monday) to 7 (Sunday).
    Weekday,
    /// 0 to 23, by the clock of the time's zone.
    Hour,
}

impl Catalogue {
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    pub fn dimension(&self, name: &str) -> Option<&Dimension> {
        self.dimensions.iter().find(|dimension| dimension.name == name)
    }

    /// The dimension that splits money by its currency: the first whose column a metric names as its currency.
    pub fn currency_dimension(&self) -> Option<&Dimension> {
        self.dimensions.iter().find(|dimension| {
            dimension.column.is_some()
                && self
                    .metrics
                    .iter()
                    .flat_map(|m| &m.sources)
                    .any(|source| source.currency == dimension.column)
        })
    }
}

impl Dimension {
    /// What a code stands for: "United States" for US. None for what is no code, or not known.
    pub fn name_of(&self, value: &str) -> Option<String> {
        const SMALL_WORDS: [&str; 3] = ["of", "and", "the"];
        let name = self.aliases.get(value).filter(|_| self.coded)?.first()?;
        let words = name.split(' ').map(|word| {
            let mut chars = word.chars();
            match chars.next() {
                Some(first) if !SMALL_WORDS.contains(&word) => first.to_uppercase().chain(chars).collect(),
                _ => word.to_owned(),
            }
        });
        Some(words.collect::<Vec<String>>().join(" "))
    }
}

/// One row of `catalogue_values`: a value that a dimension takes in the published data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueValue {
    pub dimension: String,
    /// What a filter compares with.
    pub value: String,
    /// What a person reads: "Paradise, Boston".
    pub label: String,
    /// How often it occurs; larger is offered first.
    pub weight: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sounds_like: Option<String>,
}

/// The catalogue of `concert_dw`, as TOML.
#[cfg(feature = "compile")]
pub const CONCERT_DW: &str = include_str!("../catalogues/concert_dw.toml");
