//! PutItem, GetItem, UpdateItem, DeleteItem, and what they share with batches and transactions: an action on one item.

use super::capacity::{Capacity, collection_metrics, read_units};
use crate::{
    disk::disk,
    dynamodb::{
        Dynamo, ITEM_MAX_BYTES,
        engine::{Snapshot, Writer},
        error::{DynamoError, invalid, invalid_parameter},
        expression::{Condition, Placeholders, Projection, Role, Update, condition, projection, update},
        request::{CAPACITY, Constraints, METRICS, read, refuse_legacy, table_name},
        schema::Table,
        value::{Item, item_from_json, item_size_bytes, item_to_json},
    },
};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

pub(super) const RETURN_VALUES: [&str; 5] = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];
pub(super) const ON_FAILURE: [&str; 2] = ["ALL_OLD", "NONE"];

/// What to do with one item.
#[derive(Debug)]
pub(super) enum Kind {
    Put(Item),
    Delete,
    Update(Update),
    /// Only look.
    Check,
}

/// An action that has not met its table yet.
#[derive(Debug)]
pub(super) struct Action {
    pub table_name: String,
    /// The key attributes; for a put the whole item.
    pub key: Item,
    pub kind: Kind,
    pub condition: Option<Condition>,
    /// Whether a failed condition answers the item.
    pub return_failed: bool,
}

/// Why an action did not happen.
#[derive(Debug)]
pub(super) enum Refusal {
    Condition(Option<Item>),
    Other(DynamoError),
}

impl From<Refusal> for DynamoError {
    fn from(refusal: Refusal) -> DynamoError {
        match refusal {
            Refusal::Condition(item) => DynamoError::ConditionalCheckFailed { item },
            Refusal::Other(error) => error,
        }
    }
}

impl Action {
    /// The stored key, after the action was held against its table's schema.
    pub fn check(&self, table: &Table) -> Result<Vec<u8>, DynamoError> {
        let key = match &self.kind {
            Kind::Put(item) => {
                let key = table.check_item(item)?;
                if item_size_bytes(item) > ITEM_MAX_BYTES {
                    return Err(invalid("Item size has exceeded the maximum allowed size"));
                }
                key
            }
            _ => table.check_key(&self.key)?,
        };
        if let Kind::Update(update) = &self.kind
            && let Some(path) = update.paths().into_iter().find(|path| table.key.contains(path.root()))
        {
            return Err(invalid_parameter(format_args!(
                "Cannot update attribute {}. This attribute is part of the key",
                path.root()
            )));
        }
        Ok(key)
    }

    /// The item after the action; nothing is written.
    pub fn outcome(&self, table: &Table, old: Option<&Item>) -> Result<Option<Item>, Refusal> {
        if let Some(condition) = &self.condition {
            let empty = Item::new();
            if !condition.holds(old.unwrap_or(&empty)) {
                return Err(Refusal::Condition(old.filter(|_| self.return_failed).cloned()));
            }
        }
        match &self.kind {
            Kind::Put(item) => Ok(Some(item.clone())),
            Kind::Delete => Ok(None),
            Kind::Check => Ok(old.cloned()),
            Kind::Update(update) => {
                let mut item = old.cloned().unwrap_or_else(|| self.key.clone());
                let changed = update.apply(&mut item).and_then(|()| table.check_item(&item).map(drop));
                changed.map_err(Refusal::Other)?;
                if item_size_bytes(&item) > ITEM_MAX_BYTES {
                    return Err(Refusal::Other(invalid(
                        "Item size to update has exceeded the maximum allowed size",
                    )));
                }
                if item.values().any(|value| value.is_too_deep()) {
                    return Err(Refusal::Other(invalid(
                        "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels \
                         beyond supported limit",
                    )));
                }
                Ok(Some(item))
            }
        }
    }
}

/// Members of the writes of one item; each reads its own.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WriteRequest {
    pub table_name: Option<String>,
    pub item: Option<Json>,
    pub key: Option<Json>,
    pub update_expression: Option<String>,
    pub condition_expression: Option<String>,
    pub expression_attribute_names: Option<Map<String, Json>>,
    pub expression_attribute_values: Option<Map<String, Json>>,
    pub return_values: Option<String>,
    pub return_values_on_condition_check_failure: Option<String>,
    pub return_consumed_capacity: Option<String>,
    pub return_item_collection_metrics: Option<String>,
}

/// Which write a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Put,
    Update,
    Delete,
    Check,
}

impl WriteRequest {
    /// Everything that can be said without the table.
    pub fn action(&self, write: Write) -> Result<Action, DynamoError> {
        let is_update = write == Write::Update;
        let update_expression = if is_update { &self.update_expression } else { &None };
        let both = [
            (Role::Update, update_expression),
            (Role::Condition, &self.condition_expression),
        ];
        let mut placeholders = Placeholders::new(
            self.expression_attribute_names.as_ref(),
            self.expression_attribute_values.as_ref(),
            if is_update { &both } else { &both[1..] },
        )?;
        let key = item_from_json(
            if write == Write::Put { &self.item } else { &self.key }
                .as_ref()
                .unwrap_or(&Json::Null),
        )?;
        let update = placeholders.parse_optional(Role::Update, update_expression, update::parse)?;
        let condition = placeholders.parse_optional(Role::Condition, &self.condition_expression, condition::parse)?;
        placeholders.refuse_unused()?;
        Ok(Action {
            table_name: table_name(self.table_name.as_deref().unwrap_or_default()).to_owned(),
            kind: match write {
                Write::Put => Kind::Put(key.clone()),
                Write::Update => Kind::Update(update.unwrap_or_default()),
                Write::Delete => Kind::Delete,
                Write::Check => Kind::Check,
            },
            key,
            condition,
            return_failed: self.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD"),
        })
    }

    fn constraints(&self, write: Write) -> Result<(), DynamoError> {
        let mut constraints = Constraints::default();
        constraints.table(&self.table_name);
        if write == Write::Put {
            constraints.required("item", &self.item);
        } else {
            constraints.required("key", &self.key);
        }
        constraints.one_of("returnValues", &self.return_values, &RETURN_VALUES);
        constraints.one_of(
            "returnValuesOnConditionCheckFailure",
            &self.return_values_on_condition_check_failure,
            &ON_FAILURE,
        );
        constraints.one_of("returnConsumedCapacity", &self.return_consumed_capacity, &CAPACITY);
        constraints.one_of(
            "returnItemCollectionMetrics",
            &self.return_item_collection_metrics,
            &METRICS,
        );
        constraints.finish()?;
        if write != Write::Update && !matches!(self.return_values.as_deref(), None | Some("NONE" | "ALL_OLD")) {
            return Err(invalid("ReturnValues can only be ALL_OLD or NONE"));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRequest {
    table_name: Option<String>,
    key: Option<Json>,
    consistent_read: Option<bool>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<Map<String, Json>>,
    return_consumed_capacity: Option<String>,
}

/// A projection and its names.
pub(super) fn parse_projection(
    text: &Option<String>,
    names: Option<&Map<String, Json>>,
) -> Result<Option<Projection>, DynamoError> {
    let mut placeholders = Placeholders::new(names, None, &[(Role::Projection, text)])?;
    let projection = placeholders.parse_optional(Role::Projection, text, projection::parse)?;
    placeholders.refuse_unused()?;
    Ok(projection)
}

impl Dynamo {
    pub(in crate::dynamodb) fn put_item(&self, request: &Json) -> Result<Json, DynamoError> {
        self.write_item(request, Write::Put)
    }

    pub(in crate::dynamodb) fn update_item(&self, request: &Json) -> Result<Json, DynamoError> {
        self.write_item(request, Write::Update)
    }

    pub(in crate::dynamodb) fn delete_item(&self, request: &Json) -> Result<Json, DynamoError> {
        self.write_item(request, Write::Delete)
    }

    fn write_item(&self, request: &Json, write: Write) -> Result<Json, DynamoError> {
        refuse_legacy(request)?;
        let request: WriteRequest = read(request)?;
        request.constraints(write)?;
        let action = request.action(write)?;
        let transaction = self.store.write()?;
        let (table, old, new) = {
            let mut writer = Writer::new(&transaction)?;
            let table = writer.table(&action.table_name)?;
            let key = action.check(&table)?;
            let old = writer.get(&key)?;
            let new = action.outcome(&table, old.as_ref())?;
            // Nothing there and nothing put: nothing to write.
            if old.is_some() || new.is_some() {
                writer.replace(&table, &key, old.as_ref(), new.as_ref())?;
            }
            (table, old, new)
        };
        transaction.commit().map_err(disk)?;

        let mut answer = Map::new();
        if let Some(attributes) = returned(&action, request.return_values.as_deref(), old.as_ref(), new.as_ref()) {
            answer.insert("Attributes".to_owned(), item_to_json(&attributes));
        }
        let capacity = Capacity::write(&table, old.as_ref(), new.as_ref());
        if let Some(capacity) = capacity.to_json(&table.name, &request.return_consumed_capacity) {
            answer.insert("ConsumedCapacity".to_owned(), capacity);
        }
        let snapshot = Snapshot::new(&self.store.read()?)?;
        let wanted = &request.return_item_collection_metrics;
        if let Some(metrics) = collection_metrics(&snapshot, &table, &action.key, wanted)? {
            answer.insert("ItemCollectionMetrics".to_owned(), metrics);
        }
        Ok(Json::Object(answer))
    }

    pub(in crate::dynamodb) fn get_item(&self, request: &Json) -> Result<Json, DynamoError> {
        refuse_legacy(request)?;
        let request: GetRequest = read(request)?;
        let mut constraints = Constraints::default();
        constraints.table(&request.table_name);
        constraints.required("key", &request.key);
        constraints.one_of("returnConsumedCapacity", &request.return_consumed_capacity, &CAPACITY);
        constraints.finish()?;
        let projection = parse_projection(
            &request.projection_expression,
            request.expression_attribute_names.as_ref(),
        )?;
        let key = item_from_json(request.key.as_ref().unwrap_or(&Json::Null))?;
        let snapshot = Snapshot::new(&self.store.read()?)?;
        let table = snapshot.table(table_name(request.table_name.as_deref().unwrap_or_default()))?;
        let item = snapshot.get(&table.check_key(&key)?)?;
        let mut answer = Map::new();
        let bytes = item.as_ref().map_or(0, item_size_bytes);
        if let Some(item) = item {
            let item = projection.map_or_else(|| item.clone(), |projection| projection.of(&item));
            answer.insert("Item".to_owned(), item_to_json(&item));
        }
        let capacity = Capacity::table(read_units(bytes, request.consistent_read == Some(true)));
        if let Some(capacity) = capacity.to_json(&table.name, &request.return_consumed_capacity) {
            answer.insert("ConsumedCapacity".to_owned(), capacity);
        }
        Ok(Json::Object(answer))
    }
}

/// `Attributes` of the answer; none where there is nothing to show.
fn returned(action: &Action, wanted: Option<&str>, old: Option<&Item>, new: Option<&Item>) -> Option<Item> {
    let touched = |item: Option<&Item>| match &action.kind {
        Kind::Update(update) => item.map(|item| projection::project(item, update.paths())),
        _ => None,
    };
    let item = match wanted {
        Some("ALL_OLD") => old.cloned(),
        Some("ALL_NEW") => new.cloned(),
        Some("UPDATED_OLD") => touched(old),
        Some("UPDATED_NEW") => touched(new),
        _ => None,
    };
    item.filter(|item| !item.is_empty())
}
