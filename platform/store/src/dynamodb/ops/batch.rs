//! BatchGetItem and BatchWriteItem. A batch here is read from one snapshot and written in one commit, which is more
//! than DynamoDB promises.

use super::{
    capacity::{Capacity, collection_metrics, read_units},
    items::{Action, Kind, parse_projection},
};
use crate::{
    disk::disk,
    dynamodb::{
        Dynamo,
        engine::{Snapshot, Writer},
        error::{DynamoError, invalid},
        request::{CAPACITY, Constraints, METRICS, read, refuse_legacy, table_name},
        value::{Item, item_from_json, item_size_bytes, item_to_json},
    },
};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

const GET_ITEMS_MAX: usize = 100;
const WRITE_ITEMS_MAX: usize = 25;
/// Bytes that one BatchGetItem answers; the keys of the rest come back as unprocessed.
const GET_MAX_BYTES: usize = 16 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchRequest {
    request_items: Option<Map<String, Json>>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

impl BatchRequest {
    fn check(&self) -> Result<&Map<String, Json>, DynamoError> {
        let mut constraints = Constraints::default();
        constraints.required("requestItems", &self.request_items);
        constraints.one_of("returnConsumedCapacity", &self.return_consumed_capacity, &CAPACITY);
        constraints.one_of(
            "returnItemCollectionMetrics",
            &self.return_item_collection_metrics,
            &METRICS,
        );
        constraints.finish()?;
        match &self.request_items {
            Some(items) if !items.is_empty() => Ok(items),
            _ => Err(invalid(
                "1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must \
                 have length greater than or equal to 1",
            )),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    keys: Option<Vec<Json>>,
    consistent_read: Option<bool>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<Map<String, Json>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WriteOne {
    put_request: Option<Put>,
    delete_request: Option<Delete>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    item: Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete {
    key: Json,
}

fn length_error(path: &str, bound: usize, word: &str) -> DynamoError {
    invalid(format!(
        "1 validation error detected: Value at '{path}' failed to satisfy constraint: Member must have length {word} \
         than or equal to {bound}"
    ))
}

fn capacities(by_table: &BTreeMap<String, Capacity>, wanted: &Option<String>) -> Option<Json> {
    let all: Vec<Json> = by_table
        .iter()
        .filter_map(|(name, capacity)| capacity.to_json(name, wanted))
        .collect();
    matches!(wanted.as_deref(), Some("TOTAL" | "INDEXES")).then(|| json!(all))
}

impl Dynamo {
    pub(in crate::dynamodb) fn batch_get_item(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: BatchRequest = read(request)?;
        let items = request.check()?;
        let snapshot = Snapshot::new(&self.store.read()?)?;
        let mut wanted = Vec::new();
        let mut total = 0;
        for (name, of_table) in items {
            refuse_legacy(of_table)?;
            let of_table: Keys = read(of_table)?;
            let keys = of_table.keys.as_deref().unwrap_or_default();
            if keys.is_empty() {
                return Err(length_error(&format!("requestItems.{name}.member.keys"), 1, "greater"));
            }
            if keys.len() > GET_ITEMS_MAX {
                return Err(length_error(
                    &format!("requestItems.{name}.member.keys"),
                    GET_ITEMS_MAX,
                    "less",
                ));
            }
            total += keys.len();
            let projection = parse_projection(
                &of_table.projection_expression,
                of_table.expression_attribute_names.as_ref(),
            )?;
            wanted.push((name, of_table, projection));
        }
        if total > GET_ITEMS_MAX {
            return Err(invalid("Too many items requested for the BatchGetItem call"));
        }
        let mut responses = Map::new();
        let mut unprocessed = Map::new();
        let mut consumed = BTreeMap::new();
        let mut bytes = 0;
        let mut plans = Vec::new();
        for (name, of_table, projection) in wanted {
            let table = snapshot.table(table_name(name))?;
            let mut seen = BTreeSet::new();
            let mut keys = Vec::new();
            for json in of_table.keys.iter().flatten() {
                let key = table.check_key(&item_from_json(json)?)?;
                if !seen.insert(key.clone()) {
                    return Err(invalid("Provided list of item keys contains duplicates"));
                }
                keys.push((key, json.clone()));
            }
            plans.push((name, of_table, projection, table, keys));
        }
        for (name, of_table, projection, table, keys) in plans {
            let consistent = of_table.consistent_read == Some(true);
            let mut found = Vec::new();
            let mut left = Vec::new();
            let mut capacity = Capacity::default();
            for (key, json) in keys {
                if bytes > GET_MAX_BYTES {
                    left.push(json);
                    continue;
                }
                let item = snapshot.get(&key)?;
                let size = item.as_ref().map_or(0, item_size_bytes);
                bytes += size;
                capacity.add(&Capacity::table(read_units(size, consistent)));
                if let Some(item) = item {
                    let item = projection
                        .as_ref()
                        .map_or_else(|| item.clone(), |projection| projection.of(&item));
                    found.push(item_to_json(&item));
                }
            }
            consumed.insert(table.name.clone(), capacity);
            responses.insert(name.clone(), json!(found));
            if !left.is_empty() {
                let mut again = json!({ "Keys": left });
                if let Some(consistent) = of_table.consistent_read {
                    again["ConsistentRead"] = json!(consistent);
                }
                if let Some(projection) = of_table.projection_expression {
                    again["ProjectionExpression"] = json!(projection);
                }
                if let Some(names) = of_table.expression_attribute_names {
                    again["ExpressionAttributeNames"] = Json::Object(names);
                }
                unprocessed.insert(name.clone(), again);
            }
        }
        let mut answer = json!({ "Responses": responses, "UnprocessedKeys": unprocessed });
        if let Some(consumed) = capacities(&consumed, &request.return_consumed_capacity) {
            answer["ConsumedCapacity"] = consumed;
        }
        Ok(answer)
    }

    pub(in crate::dynamodb) fn batch_write_item(&self, request: &Json) -> Result<Json, DynamoError> {
        let request: BatchRequest = read(request)?;
        let items = request.check()?;
        let mut actions = Vec::new();
        for (name, requests) in items {
            let requests: Vec<WriteOne> = read(requests)?;
            if requests.is_empty() {
                return Err(length_error(&format!("requestItems.{name}.member"), 1, "greater"));
            }
            for one in requests {
                let (key, kind) = match (one.put_request, one.delete_request) {
                    (Some(put), None) => {
                        let item = item_from_json(&put.item)?;
                        (item.clone(), Kind::Put(item))
                    }
                    (None, Some(delete)) => (item_from_json(&delete.key)?, Kind::Delete),
                    _ => {
                        return Err(invalid(
                            "Supplied WriteRequest must contain exactly one of PutRequest and DeleteRequest",
                        ));
                    }
                };
                actions.push(Action {
                    table_name: table_name(name).to_owned(),
                    key,
                    kind,
                    condition: None,
                    return_failed: false,
                });
            }
        }
        if actions.len() > WRITE_ITEMS_MAX {
            return Err(invalid("Too many items requested for the BatchWriteItem call"));
        }
        let write = self.store.write()?;
        let mut consumed: BTreeMap<String, Capacity> = BTreeMap::new();
        let mut touched = Vec::new();
        {
            let mut writer = Writer::new(&write)?;
            let mut seen = BTreeSet::new();
            for action in &actions {
                let table = writer.table(&action.table_name)?;
                let key = action.check(&table)?;
                if !seen.insert(key.clone()) {
                    return Err(invalid("Provided list of item keys contains duplicates"));
                }
                let old = writer.get(&key)?;
                let new = action.outcome(&table, old.as_ref())?;
                writer.replace(&table, &key, old.as_ref(), new.as_ref())?;
                let capacity = Capacity::write(&table, old.as_ref(), new.as_ref());
                consumed.entry(table.name.clone()).or_default().add(&capacity);
                touched.push((table, action.key.clone()));
            }
        }
        write.commit().map_err(disk)?;
        let mut answer = json!({ "UnprocessedItems": {} });
        if let Some(consumed) = capacities(&consumed, &request.return_consumed_capacity) {
            answer["ConsumedCapacity"] = consumed;
        }
        if let Some(metrics) = self.metrics_by_table(&touched, &request.return_item_collection_metrics)? {
            answer["ItemCollectionMetrics"] = metrics;
        }
        Ok(answer)
    }

    /// Metrics of every collection that was written, by table; none where they were not asked for.
    pub(super) fn metrics_by_table(
        &self,
        touched: &[(crate::dynamodb::schema::Table, Item)],
        wanted: &Option<String>,
    ) -> Result<Option<Json>, DynamoError> {
        if wanted.as_deref() != Some("SIZE") {
            return Ok(None);
        }
        let snapshot = Snapshot::new(&self.store.read()?)?;
        let mut out: BTreeMap<&str, Vec<Json>> = BTreeMap::new();
        for (table, key) in touched {
            if let Some(metrics) = collection_metrics(&snapshot, table, key, wanted)? {
                let list = out.entry(&table.name).or_default();
                if !list.contains(&metrics) {
                    list.push(metrics);
                }
            }
        }
        Ok(Some(json!(out)))
    }
}
