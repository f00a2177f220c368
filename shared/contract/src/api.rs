//! Answers of the HTTP API other than chat.

use crate::{
    catalogue::{CatalogueValue, Format, TimePart, Unit},
    chat::Suggestion,
    query::{Grain, Query},
    table::{Cell, Column, ColumnType, Table},
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `GET /api/catalogue`: what can be asked for and what data is loaded, as this viewer may see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CatalogueAnswer {
    pub version: String,
    pub metrics: Vec<MetricInfo>,
    pub dimensions: Vec<DimensionInfo>,
    pub data: DataState,
    /// First questions, made from the data at hand.
    pub questions: Vec<Suggestion>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetricInfo {
    pub name: String,
    pub label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it counts, for one and for many: `["concert", "concerts"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noun: Option<[String; 2]>,
    pub unit: Unit,
    pub format: Format,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DimensionInfo {
    pub name: String,
    pub label: String,
    pub plural: String,
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// How a value stands in a sentence: `"at {}"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phrase: Option<String>,
    /// What its values are called where they are codes: `"DE": "Germany"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// Whether its values can be looked up with `/api/suggest`.
    pub indexed: bool,
    /// Set for a dimension that is a stretch of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grain: Option<Grain>,
    /// Set for a part of time, whose numbers stand for names: 1 is Monday or January.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<TimePart>,
}

/// What is published: the content of `concert_dw.publication`, one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DataState {
    /// Empty while nothing is published.
    pub snapshot_id: String,
    /// When it was published, RFC 3339; none while nothing is.
    pub as_of: Option<String>,
    /// The last day of which the data is whole, over all tables.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub last_complete_day: Option<Date>,
    pub tables: Vec<TableState>,
    /// The currencies that money comes in, the most frequent first.
    #[serde(default)]
    pub currencies: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TableState {
    pub table_name: String,
    pub row_count: u64,
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub first_day: Option<Date>,
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub last_complete_day: Option<Date>,
    /// Columns with at least one value.
    #[serde(default)]
    pub filled_columns: Vec<String>,
}

impl DataState {
    pub fn table(&self, name: &str) -> Option<&TableState> {
        self.tables.iter().find(|table| table.table_name == name)
    }

    /// Whether `table.column` holds any value.
    pub fn is_filled(&self, table: &str, column: &str) -> bool {
        self.table(table)
            .is_some_and(|t| t.row_count > 0 && t.filled_columns.iter().any(|c| c == column))
    }
}

/// `POST /api/query`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueryAnswer {
    #[serde(flatten)]
    pub table: Table,
    pub sql: String,
    pub query: Query,
    pub as_of: Option<String>,
    pub next_cursor: Option<String>,
}

/// `GET /api/suggest`: the values that a text may mean, the most likely first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SuggestAnswer {
    pub values: Vec<SuggestedValue>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SuggestedValue {
    pub dimension: String,
    /// What a filter compares with.
    pub value: String,
    pub label: String,
}

/// What `POST /api/sql` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SqlRequest {
    pub sql: String,
}

/// `POST /api/sql`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SqlAnswer {
    #[serde(flatten)]
    pub table: Table,
    /// What was run: the viewer's own rows and columns in place of the tables, and a row limit.
    pub sql: String,
}

/// `POST /api/query?dry_run=true`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DryRunAnswer {
    pub sql: String,
    pub parameters: Vec<Parameter>,
    pub columns: Vec<Column>,
}

/// A named parameter of a compiled statement, as the Redshift Data API takes it: every value is text, and the
/// statement casts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Parameter {
    pub name: String,
    pub value: String,
}

/// `GET /api/health`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HealthAnswer {
    pub state: HealthState,
    pub dependencies: Vec<DependencyHealth>,
    /// Whether files can be imported here.
    pub imports: bool,
    /// Which adapter answers: `native`, `worker`, `spin`, `lambda`.
    pub runtime: String,
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DependencyHealth {
    pub name: String,
    pub state: HealthState,
    pub latency_ms: Option<u64>,
    /// For a person: what is wrong and what to do; none when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How old this finding is.
    pub age_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    Up,
    Degraded,
    Down,
    NotConfigured,
}

/// Reads the published snapshot; [`DataState::from_tables`] takes its result.
pub const PUBLICATION_SQL: &str = "SELECT snapshot_id, published_at, table_name, row_count, first_day, \
     last_complete_day, filled_columns FROM concert_dw.publication ORDER BY table_name";

/// Reads the values of indexed dimensions; [`values_from_table`] takes its result.
pub const VALUES_SQL: &str = "SELECT dimension, value, label, weight, sounds_like FROM concert_dw.catalogue_values \
     ORDER BY dimension, weight DESC, value";

/// A result that does not have the shape that its statement promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table}, row {row}: {message}")]
pub struct DecodeError {
    pub table: &'static str,
    /// From 1; 0 for the columns.
    pub row: usize,
    pub message: String,
}

/// Reads the cells of a table by column name.
struct Rows<'a> {
    name: &'static str,
    table: &'a Table,
}

impl Rows<'_> {
    fn cell(&self, row: usize, column: &str) -> Result<&Cell, DecodeError> {
        let at = self.table.column_index(column).ok_or_else(|| DecodeError {
            table: self.name,
            row: 0,
            message: format!("the column {column} is missing"),
        })?;
        Ok(self
            .table
            .rows
            .get(row)
            .and_then(|cells| cells.get(at))
            .unwrap_or(&Cell::Null))
    }

    fn wrong(&self, row: usize, column: &str, wanted: &str) -> DecodeError {
        DecodeError {
            table: self.name,
            row: row + 1,
            message: format!("{column} must be {wanted}"),
        }
    }

    fn optional_text(&self, row: usize, column: &str) -> Result<Option<&str>, DecodeError> {
        match self.cell(row, column)? {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text)),
            _ => Err(self.wrong(row, column, "text")),
        }
    }

    fn text(&self, row: usize, column: &str) -> Result<&str, DecodeError> {
        self.optional_text(row, column)?
            .ok_or_else(|| self.wrong(row, column, "text"))
    }

    fn integer(&self, row: usize, column: &str) -> Result<i64, DecodeError> {
        match self.cell(row, column)? {
            Cell::Integer(number) => Ok(*number),
            _ => Err(self.wrong(row, column, "a whole number")),
        }
    }

    fn day(&self, row: usize, column: &str) -> Result<Option<Date>, DecodeError> {
        self.optional_text(row, column)?
            .map(|text| {
                text.parse()
                    .map_err(|_| self.wrong(row, column, "a day written YYYY-MM-DD"))
            })
            .transpose()
    }
}

impl DataState {
    /// The state of the data, from the result of [`PUBLICATION_SQL`] and the values of the same snapshot. Currencies
    /// are the values of `currency_dimension`.
    ///
    /// # Errors
    /// A column that is missing or not of its type.
    pub fn from_tables(
        publication: &Table,
        values: &[CatalogueValue],
        currency_dimension: Option<&str>,
    ) -> Result<DataState, DecodeError> {
        let rows = Rows {
            name: "publication",
            table: publication,
        };
        let mut state = DataState::default();
        for row in 0..publication.rows.len() {
            state.snapshot_id = rows.text(row, "snapshot_id")?.to_owned();
            state.as_of = rows.optional_text(row, "published_at")?.map(str::to_owned);
            let filled_columns = match rows.optional_text(row, "filled_columns")? {
                None => Vec::new(),
                Some(json) => serde_json::from_str(json)
                    .map_err(|_| rows.wrong(row, "filled_columns", "a JSON list of column names"))?,
            };
            state.tables.push(TableState {
                table_name: rows.text(row, "table_name")?.to_owned(),
                row_count: u64::try_from(rows.integer(row, "row_count")?)
                    .map_err(|_| rows.wrong(row, "row_count", "at least 0"))?,
                first_day: rows.day(row, "first_day")?,
                last_complete_day: rows.day(row, "last_complete_day")?,
                filled_columns,
            });
        }
        state.last_complete_day = state.tables.iter().filter_map(|table| table.last_complete_day).max();
        let mut currencies: Vec<&CatalogueValue> = values
            .iter()
            .filter(|value| Some(value.dimension.as_str()) == currency_dimension)
            .collect();
        currencies.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.value.cmp(&b.value)));
        state.currencies = currencies.into_iter().map(|value| value.value.clone()).collect();
        Ok(state)
    }
}

/// The values of indexed dimensions, from the result of [`VALUES_SQL`].
///
/// # Errors
/// A column that is missing or not of its type.
pub fn values_from_table(table: &Table) -> Result<Vec<CatalogueValue>, DecodeError> {
    let rows = Rows {
        name: "catalogue_values",
        table,
    };
    (0..table.rows.len())
        .map(|row| {
            Ok(CatalogueValue {
                dimension: rows.text(row, "dimension")?.to_owned(),
                value: rows.text(row, "value")?.to_owned(),
                label: rows
                    .optional_text(row, "label")?
                    .unwrap_or(rows.text(row, "value")?)
                    .to_owned(),
                weight: rows.integer(row, "weight")?,
                sounds_like: rows.optional_text(row, "sounds_like")?.map(str::to_owned),
            })
        })
        .collect()
}
