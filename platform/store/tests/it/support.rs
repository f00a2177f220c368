//! A DynamoDB in memory, with a clock that the test moves.

use concert_store::{
    Clock, Store,
    dynamodb::{Dynamo, DynamoError, Place},
};
use serde_json::{Value as Json, json};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// 2026-11-21T12:00:00Z
pub const NOW_MS: i64 = 1_795_262_400_000;

#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn new() -> TestClock {
        TestClock(Arc::new(AtomicI64::new(NOW_MS)))
    }

    pub fn advance_seconds(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let now = self.0.clone();
        Clock::new(move || now.load(Ordering::SeqCst))
    }
}

pub fn dynamo() -> Dynamo {
    dynamo_at(&TestClock::new())
}

pub fn dynamo_at(clock: &TestClock) -> Dynamo {
    let store = Store::in_memory(clock.clock()).expect("a store in memory opens");
    Dynamo::new(store, Place::default())
}

/// Expects success.
pub fn ok(dynamo: &Dynamo, operation: &str, request: Json) -> Json {
    dynamo
        .call(operation, &request)
        .unwrap_or_else(|error| panic!("{operation} {request}: {error}"))
}

/// Expects a failure and gives its words.
pub fn refused(dynamo: &Dynamo, operation: &str, request: Json) -> String {
    failed(dynamo, operation, request).to_string()
}

pub fn failed(dynamo: &Dynamo, operation: &str, request: Json) -> DynamoError {
    match dynamo.call(operation, &request) {
        Ok(answer) => panic!("{operation} {request} was not refused: {answer}"),
        Err(error) => error,
    }
}

/// `pk` and `sk` strings, the index `gsi1` over `gsi1pk`, `gsi1sk`, and the local index `by_rank` over `pk`, `rank`.
pub fn create_table(dynamo: &Dynamo, name: &str) {
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    ok(
        dynamo,
        "CreateTable",
        json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                attribute("pk", "S"), attribute("sk", "S"), attribute("gsi1pk", "S"), attribute("gsi1sk", "N"),
                attribute("rank", "N"),
            ],
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "GlobalSecondaryIndexes": [{
                "IndexName": "gsi1",
                "KeySchema": [key("gsi1pk", "HASH"), key("gsi1sk", "RANGE")],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["shown"]},
            }],
            "LocalSecondaryIndexes": [{
                "IndexName": "by_rank",
                "KeySchema": [key("pk", "HASH"), key("rank", "RANGE")],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }],
        }),
    );
}

pub fn key(pk: &str, sk: &str) -> Json {
    json!({"pk": {"S": pk}, "sk": {"S": sk}})
}

/// An item with its key and other attributes.
pub fn item(pk: &str, sk: &str, more: Json) -> Json {
    let mut item = key(pk, sk);
    for (name, value) in more.as_object().expect("attributes are an object") {
        item[name] = value.clone();
    }
    item
}

pub fn put(dynamo: &Dynamo, table: &str, item: Json) {
    ok(dynamo, "PutItem", json!({"TableName": table, "Item": item}));
}

pub fn get(dynamo: &Dynamo, table: &str, pk: &str, sk: &str) -> Option<Json> {
    ok(dynamo, "GetItem", json!({"TableName": table, "Key": key(pk, sk)}))
        .get("Item")
        .cloned()
}

/// The sort keys of an answer's items, in order.
pub fn sort_keys(answer: &Json) -> Vec<String> {
    answer["Items"]
        .as_array()
        .expect("the answer has items")
        .iter()
        .map(|item| {
            item["sk"]["S"]
                .as_str()
                .expect("every item has its sort key")
                .to_owned()
        })
        .collect()
}
