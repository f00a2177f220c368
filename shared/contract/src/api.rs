//! Answers of the HTTP API other than chat.

use crate::{
    catalogue::{Format, Unit},
    chat::Suggestion,
    query::{Grain, Query},
    table::{Column, ColumnType, Table},
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// `GET /api/catalogue`: what can be asked for and what data is loaded, as this viewer may see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogueAnswer {
    pub version: String,
    pub metrics: Vec<MetricInfo>,
    pub dimensions: Vec<DimensionInfo>,
    pub data: DataState,
    /// First questions, made from the data at hand.
    pub questions: Vec<Suggestion>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricInfo {
    pub name: String,
    pub label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub unit: Unit,
    pub format: Format,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DimensionInfo {
    pub name: String,
    pub label: String,
    pub plural: String,
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// Whether its values can be looked up with `/api/suggest`.
    pub indexed: bool,
    /// Set for a dimension that is a stretch of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grain: Option<Grain>,
}

/// What is published: the content of `concert_dw.publication`, one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataState {
    /// Empty while nothing is published.
    pub snapshot_id: String,
    /// When it was published, RFC 3339; none while nothing is.
    pub as_of: Option<String>,
    /// The last day of which the data is whole, over all tables.
    pub last_complete_day: Option<Date>,
    pub tables: Vec<TableState>,
    /// The currencies that money comes in, the most frequent first.
    #[serde(default)]
    pub currencies: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableState {
    pub table_name: String,
    pub row_count: u64,
    pub first_day: Option<Date>,
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
        self.table(table).is_some_and(|t| t.row_count > 0 && t.filled_columns.iter().any(|c| c == column))
    }
}

/// `POST /api/query`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryAnswer {
    #[serde(flatten)]
    pub table: Table,
    pub sql: String,
    pub query: Query,
    pub as_of: Option<String>,
    pub next_cursor: Option<String>,
}

/// `POST /api/query?dry_run=true`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DryRunAnswer {
    pub sql: String,
    pub parameters: Vec<Parameter>,
    pub columns: Vec<Column>,
}

/// A named parameter of a compiled statement, as the Redshift Data API takes it: every value is text, and the
/// statement casts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: String,
    pub value: String,
}

/// `GET /api/health`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    Up,
    Degraded,
    Down,
    NotConfigured,
}
