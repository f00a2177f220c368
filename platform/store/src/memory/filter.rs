//! Filters by metadata, of events and of records.

use super::{MemoryError, request::invalid};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

const EVENT_OPERATORS: [&str; 3] = ["EQUALS_TO", "EXISTS", "NOT_EXISTS"];

/// `{"left": {"metadataKey": …}, "operator": …, "right": {"metadataValue": {…}}}`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetadataFilter {
    left: Json,
    operator: String,
    right: Option<Json>,
}

impl MetadataFilter {
    /// Whether an event's metadata fulfil the filter; events know fewer operators than records.
    ///
    /// # Errors
    /// Where the filter is none.
    pub fn holds_for_event(&self, metadata: &Map<String, Json>) -> Result<bool, MemoryError> {
        if !EVENT_OPERATORS.contains(&self.operator.as_str()) {
            return Err(invalid(
                "filter.eventMetadata",
                format!(
                    "Value '{}' at 'operator' is none of {}",
                    self.operator,
                    EVENT_OPERATORS.join(", ")
                ),
            ));
        }
        self.holds(metadata)
    }

    /// Whether a record's metadata fulfil the filter. Times and numbers have an order, texts and lists contain.
    ///
    /// # Errors
    /// Where the filter is none.
    pub fn holds(&self, metadata: &Map<String, Json>) -> Result<bool, MemoryError> {
        let field = "metadataFilters";
        let name = self.left["metadataKey"]
            .as_str()
            .ok_or_else(|| invalid(field, "The left side of a metadata filter is a metadataKey"))?;
        let found = metadata.get(name);
        if self.operator == "EXISTS" {
            return Ok(found.is_some());
        }
        if self.operator == "NOT_EXISTS" {
            return Ok(found.is_none());
        }
        let (wanted_kind, wanted) = self
            .right
            .as_ref()
            .and_then(|right| right["metadataValue"].as_object())
            .and_then(|value| value.iter().next())
            .ok_or_else(|| {
                invalid(
                    field,
                    format!("{} needs a metadataValue on its right side", self.operator),
                )
            })?;
        let Some((kind, found)) = found.and_then(Json::as_object).and_then(|value| value.iter().next()) else {
            return Ok(false);
        };
        let order = match (found, wanted) {
            (Json::Number(found), Json::Number(wanted)) if kind == wanted_kind => {
                found.as_f64().partial_cmp(&wanted.as_f64())
            }
            (Json::String(found), Json::String(wanted)) if kind == "dateTimeValue" => Some(found.cmp(wanted)),
            _ => None,
        };
        Ok(match self.operator.as_str() {
            "EQUALS_TO" => kind == wanted_kind && found == wanted,
            "CONTAINS" => match (found, wanted) {
                (Json::Array(list), wanted) => match wanted {
                    Json::Array(wanted) => wanted.iter().all(|value| list.contains(value)),
                    value => list.contains(value),
                },
                (Json::String(text), Json::String(part)) => text.contains(part.as_str()),
                _ => false,
            },
            "BEFORE" | "LESS_THAN" => order.is_some_and(|order| order.is_lt()),
            "AFTER" | "GREATER_THAN" => order.is_some_and(|order| order.is_gt()),
            "LESS_THAN_OR_EQUALS" => order.is_some_and(|order| order.is_le()),
            "GREATER_THAN_OR_EQUALS" => order.is_some_and(|order| order.is_ge()),
            other => {
                return Err(invalid(
                    field,
                    format!("Value '{other}' at 'operator' is no operator of metadata"),
                ));
            }
        })
    }
}
