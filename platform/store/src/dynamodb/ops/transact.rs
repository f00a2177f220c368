//! TransactGetItems and TransactWriteItems: all or nothing, with a reason for each action of what was cancelled.

use super::{
    capacity::{Capacity, read_units},
    items::{Action, Refusal, Write, WriteRequest, parse_projection},
};
use crate::{
    disk::disk,
    dynamodb::{
        Dynamo,
        engine::{Snapshot, TOKENS, Writer},
        error::{Cancellation, DynamoError, invalid},
        request::{CAPACITY, Constraints, METRICS, read, table_name},
        value::{item_from_json, item_size_bytes, item_to_json},
    },
};
use redb::{ReadableTable as _, WriteTransaction};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

const ITEMS_MAX: usize = 100;
const TOTAL_MAX_BYTES: usize = 4 << 20;
/// How long a client's token is remembered.
const TOKEN_MS: i64 = 10 * 60 * 1000;
const TOKEN_MAX_CHARS: usize = 36;
const HASH_BYTES: usize = 32;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TransactRequest {
    transact_items: Option<Vec<TransactItem>>,
    client_request_token: Option<String>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TransactItem {
    put: Option<WriteRequest>,
    update: Option<WriteRequest>,
    delete: Option<WriteRequest>,
    condition_check: Option<WriteRequest>,
    get: Option<Get>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get {
    table_name: Option<String>,
    key: Option<Json>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<Map<String, Json>>,
}

impl TransactRequest {
    fn check(&self) -> Result<&[TransactItem], DynamoError> {
        let mut constraints = Constraints::default();
        constraints.required("transactItems", &self.transact_items);
        if let Some(items) = &self.transact_items {
            constraints.length("transactItems", "[…]", items.len(), 1, ITEMS_MAX);
        }
        constraints.one_of("returnConsumedCapacity", &self.return_consumed_capacity, &CAPACITY);
        constraints.one_of(
            "returnItemCollectionMetrics",
            &self.return_item_collection_metrics,
            &METRICS,
        );
        if let Some(token) = &self.client_request_token {
            constraints.length("clientRequestToken", token, token.chars().count(), 1, TOKEN_MAX_CHARS);
        }
        constraints.finish()?;
        Ok(self.transact_items.as_deref().unwrap_or_default())
    }
}

impl TransactItem {
    fn action(&self) -> Result<Action, DynamoError> {
        let all = [
            (&self.put, Write::Put),
            (&self.update, Write::Update),
            (&self.delete, Write::Delete),
            (&self.condition_check, Write::Check),
        ];
        let mut present = all
            .iter()
            .filter_map(|(request, write)| Some((request.as_ref()?, *write)));
        let (Some((request, write)), None) = (present.next(), present.next()) else {
            return Err(invalid(
                "TransactItems can only contain one of Check, Put, Update or Delete",
            ));
        };
        let mut constraints = Constraints::default();
        constraints.table(&request.table_name);
        match write {
            Write::Put => constraints.required("transactItems.member.put.item", &request.item),
            _ => constraints.required("transactItems.member.key", &request.key),
        }
        if write == Write::Update {
            constraints.required(
                "transactItems.member.update.updateExpression",
                &request.update_expression,
            );
        }
        if write == Write::Check {
            constraints.required(
                "transactItems.member.conditionCheck.conditionExpression",
                &request.condition_expression,
            );
        }
        constraints.finish()?;
        request.action(write)
    }
}

/// A hash that does not depend on the order of members.
fn fingerprint(json: &Json) -> [u8; HASH_BYTES] {
    fn feed(json: &Json, hasher: &mut Sha256) {
        match json {
            Json::Object(members) => {
                hasher.update(b"{");
                let mut names: Vec<&String> = members.keys().collect();
                names.sort();
                for name in names {
                    hasher.update(json!(name).to_string());
                    feed(&members[name], hasher);
                }
                hasher.update(b"}");
            }
            Json::Array(values) => {
                hasher.update(b"[");
                values.iter().for_each(|value| feed(value, hasher));
                hasher.update(b"]");
            }
            other => hasher.update(other.to_string()),
        }
    }
    let mut hasher = Sha256::new();
    feed(json, &mut hasher);
    hasher.finalize().into()
}

/// Whether the token was used for this very request; a token that is new is kept.
fn claim_token(
    write: &WriteTransaction,
    token: &str,
    fingerprint: &[u8; HASH_BYTES],
    now_ms: i64,
) -> Result<bool, DynamoError> {
    let mut tokens = write.open_table(TOKENS).map_err(disk)?;
    tokens
        .retain(|_, value| {
            value
                .get(HASH_BYTES..)
                .and_then(|bytes| bytes.try_into().ok())
                .is_some_and(|bytes| i64::from_le_bytes(bytes) > now_ms)
        })
        .map_err(disk)?;
    if let Some(known) = tokens.get(token.as_bytes()).map_err(disk)? {
        return if known.value().starts_with(fingerprint) {
            Ok(true)
        } else {
            Err(DynamoError::IdempotentParameterMismatch)
        };
    }
    let mut value = fingerprint.to_vec();
    value.extend_from_slice(&(now_ms + TOKEN_MS).to_le_bytes());
    tokens.insert(token.as_bytes(), value.as_slice()).map_err(disk)?;
    Ok(false)
}

fn capacities(by_table: &BTreeMap<String, Capacity>, wanted: &Option<String>, unit: &str) -> Option<Json> {
    if !matches!(wanted.as_deref(), Some("TOTAL" | "INDEXES")) {
        return None;
    }
    let all: Vec<Json> = by_table
        .iter()
        .filter_map(|(name, capacity)| {
            let mut out = capacity.to_json(name, wanted)?;
            out[unit] = out["CapacityUnits"].clone();
            Some(out)
        })
        .collect();
    Some(json!(all))
}

impl Dynamo {
    pub(in crate::dynamodb) fn transact_write_items(&self, body: &Json) -> Result<Json, DynamoError> {
        let request: TransactRequest = read(body)?;
        let actions = request
            .check()?
            .iter()
            .map(TransactItem::action)
            .collect::<Result<Vec<_>, _>>()?;
        let write = self.store.write()?;
        let replayed = match &request.client_request_token {
            Some(token) => claim_token(
                &write,
                token,
                &fingerprint(&body["TransactItems"]),
                self.store.clock().now_ms(),
            )?,
            None => false,
        };
        let mut consumed: BTreeMap<String, Capacity> = BTreeMap::new();
        let mut touched = Vec::new();
        {
            let mut writer = Writer::new(&write)?;
            let mut seen = BTreeSet::new();
            let mut plans = Vec::new();
            let mut bytes = 0;
            for action in &actions {
                let table = writer.table(&action.table_name)?;
                let key = match action.check(&table) {
                    Ok(key) => Ok(key),
                    // What is wrong with one action's values is that action's reason.
                    Err(DynamoError::Validation(message)) => Err(message),
                    Err(error) => return Err(error),
                };
                if let Ok(key) = &key
                    && !seen.insert(key.clone())
                {
                    return Err(invalid(
                        "Transaction request cannot include multiple operations on one item",
                    ));
                }
                plans.push((action, table, key));
            }
            let mut reasons = Vec::new();
            let mut writes = Vec::new();
            for (action, table, key) in plans {
                let key = match key {
                    Ok(key) => key,
                    Err(message) => {
                        reasons.push(Cancellation::ValidationError(message));
                        continue;
                    }
                };
                let old = writer.get(&key)?;
                if replayed {
                    // The first time did the work; only what it costs to look is counted.
                    let size = old.as_ref().map_or(0, item_size_bytes);
                    let capacity = Capacity::table(read_units(size, true)).doubled();
                    consumed.entry(table.name.clone()).or_default().add(&capacity);
                    continue;
                }
                match action.outcome(&table, old.as_ref()) {
                    Ok(new) => {
                        bytes += new.as_ref().map_or(0, item_size_bytes);
                        reasons.push(Cancellation::None);
                        let capacity = Capacity::write(&table, old.as_ref(), new.as_ref()).doubled();
                        consumed.entry(table.name.clone()).or_default().add(&capacity);
                        writes.push((action, table, key, old, new));
                    }
                    Err(Refusal::Condition(item)) => reasons.push(Cancellation::ConditionalCheckFailed { item }),
                    Err(Refusal::Other(DynamoError::Validation(message))) => {
                        reasons.push(Cancellation::ValidationError(message));
                    }
                    Err(Refusal::Other(error)) => return Err(error),
                }
            }
            if reasons.iter().any(|reason| *reason != Cancellation::None) {
                return Err(DynamoError::TransactionCanceled(reasons));
            }
            if bytes > TOTAL_MAX_BYTES {
                return Err(invalid(
                    "Collection size of items exceeded, which can also be caused by the aggregate size of the items \
                     in the transaction exceeding the 4MB limit",
                ));
            }
            for (action, table, key, old, new) in writes {
                if old != new {
                    writer.replace(&table, &key, old.as_ref(), new.as_ref())?;
                }
                touched.push((table, action.key.clone()));
            }
        }
        write.commit().map_err(disk)?;
        let mut answer = Map::new();
        let unit = if replayed {
            "ReadCapacityUnits"
        } else {
            "WriteCapacityUnits"
        };
        if let Some(consumed) = capacities(&consumed, &request.return_consumed_capacity, unit) {
            answer.insert("ConsumedCapacity".to_owned(), consumed);
        }
        if let Some(metrics) = self.metrics_by_table(&touched, &request.return_item_collection_metrics)? {
            answer.insert("ItemCollectionMetrics".to_owned(), metrics);
        }
        Ok(Json::Object(answer))
    }

    pub(in crate::dynamodb) fn transact_get_items(&self, body: &Json) -> Result<Json, DynamoError> {
        let request: TransactRequest = read(body)?;
        let mut gets = Vec::new();
        for item in request.check()? {
            let get = item
                .get
                .as_ref()
                .ok_or_else(|| invalid("TransactItems can only contain Get in TransactGetItems"))?;
            let mut constraints = Constraints::default();
            constraints.table(&get.table_name);
            constraints.required("transactItems.member.get.key", &get.key);
            constraints.finish()?;
            let projection = parse_projection(&get.projection_expression, get.expression_attribute_names.as_ref())?;
            let key = item_from_json(get.key.as_ref().unwrap_or(&Json::Null))?;
            gets.push((
                table_name(get.table_name.as_deref().unwrap_or_default()),
                key,
                projection,
            ));
        }
        let snapshot = Snapshot::new(&self.store.read()?)?;
        let mut seen = BTreeSet::new();
        let mut reasons = Vec::new();
        let mut responses = Vec::new();
        let mut consumed: BTreeMap<String, Capacity> = BTreeMap::new();
        for (name, key, projection) in &gets {
            let table = snapshot.table(name)?;
            let key = match table.check_key(key) {
                Ok(key) => key,
                Err(DynamoError::Validation(message)) => {
                    reasons.push(Cancellation::ValidationError(message));
                    continue;
                }
                Err(error) => return Err(error),
            };
            reasons.push(Cancellation::None);
            if !seen.insert(key.clone()) {
                return Err(invalid(
                    "Transaction request cannot include multiple operations on one item",
                ));
            }
            let item = snapshot.get(&key)?;
            let size = item.as_ref().map_or(0, item_size_bytes);
            let capacity = Capacity::table(read_units(size, true)).doubled();
            consumed.entry(table.name.clone()).or_default().add(&capacity);
            responses.push(match item {
                None => json!({}),
                Some(item) => {
                    let item = projection
                        .as_ref()
                        .map_or_else(|| item.clone(), |projection| projection.of(&item));
                    json!({ "Item": item_to_json(&item) })
                }
            });
        }
        if reasons.iter().any(|reason| *reason != Cancellation::None) {
            return Err(DynamoError::TransactionCanceled(reasons));
        }
        let mut answer = json!({ "Responses": responses });
        if let Some(consumed) = capacities(&consumed, &request.return_consumed_capacity, "ReadCapacityUnits") {
            answer["ConsumedCapacity"] = consumed;
        }
        Ok(answer)
    }
}
