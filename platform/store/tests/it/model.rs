//! Random operations against a plain model: whatever the order, table, indexes, queries and counts agree with it.

use crate::support::*;
use concert_store::dynamodb::DynamoError;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// One of few keys, so that operations meet.
#[derive(Clone, Debug)]
enum Operation {
    Put {
        pk: u8,
        sk: u8,
        n: i8,
        indexed: Option<u8>,
        only_new: bool,
    },
    Add {
        pk: u8,
        sk: u8,
        by: i8,
        at_least: Option<i8>,
    },
    Reindex {
        pk: u8,
        sk: u8,
        to: Option<u8>,
    },
    Delete {
        pk: u8,
        sk: u8,
        equal: Option<i8>,
    },
    Transact {
        puts: Vec<(u8, u8)>,
        check: (u8, u8),
    },
}

fn operation() -> impl Strategy<Value = Operation> {
    let key = (0u8..3, 0u8..4);
    prop_oneof![
        4 => (key.clone(), -3i8..3, prop::option::of(0u8..3), any::<bool>())
            .prop_map(|((pk, sk), n, indexed, only_new)| Operation::Put { pk, sk, n, indexed, only_new }),
        3 => (key.clone(), -3i8..3, prop::option::of(-3i8..3))
            .prop_map(|((pk, sk), by, at_least)| Operation::Add { pk, sk, by, at_least }),
        2 => (key.clone(), prop::option::of(0u8..3)).prop_map(|((pk, sk), to)| Operation::Reindex { pk, sk, to }),
        2 => (key.clone(), prop::option::of(-3i8..3)).prop_map(|((pk, sk), equal)| Operation::Delete { pk, sk, equal }),
        1 => (prop::collection::btree_set((0u8..3, 0u8..4), 1..4), key)
            .prop_map(|(puts, check)| Operation::Transact { puts: puts.into_iter().collect(), check }),
    ]
}

/// What the model keeps: the number, and the number in the index, where there is one.
type Model = BTreeMap<(u8, u8), (Option<i64>, Option<u8>)>;

fn names(pk: u8, sk: u8) -> Json {
    key(&format!("p{pk}"), &format!("s{sk}"))
}

/// The request, and whether the model says that it happens; the model is then changed.
fn step(model: &mut Model, operation: &Operation) -> (&'static str, Json, bool) {
    match operation {
        Operation::Put {
            pk,
            sk,
            n,
            indexed,
            only_new,
        } => {
            let mut item = names(*pk, *sk);
            item["n"] = json!({"N": n.to_string()});
            if let Some(indexed) = indexed {
                item["gsi1pk"] = json!({"S": "g"});
                item["gsi1sk"] = json!({"N": indexed.to_string()});
            }
            let mut request = json!({"TableName": "shows", "Item": item});
            if *only_new {
                request["ConditionExpression"] = json!("attribute_not_exists(pk)");
            }
            let happens = !(*only_new && model.contains_key(&(*pk, *sk)));
            if happens {
                model.insert((*pk, *sk), (Some(i64::from(*n)), *indexed));
            }
            ("PutItem", request, happens)
        }
        Operation::Add { pk, sk, by, at_least } => {
            let mut request = json!({
                "TableName": "shows", "Key": names(*pk, *sk), "UpdateExpression": "ADD n :by",
                "ExpressionAttributeValues": {":by": {"N": by.to_string()}},
            });
            let found = model.get(&(*pk, *sk)).and_then(|(n, _)| *n);
            let mut happens = true;
            if let Some(least) = at_least {
                request["ConditionExpression"] = json!("n >= :least");
                request["ExpressionAttributeValues"][":least"] = json!({"N": least.to_string()});
                happens = found.is_some_and(|n| n >= i64::from(*least));
            }
            if happens {
                let entry = model.entry((*pk, *sk)).or_insert((None, None));
                entry.0 = Some(found.unwrap_or(0) + i64::from(*by));
            }
            ("UpdateItem", request, happens)
        }
        Operation::Reindex { pk, sk, to } => {
            let entry = model.entry((*pk, *sk)).or_insert((None, None));
            entry.1 = *to;
            let request = match to {
                Some(to) => json!({
                    "TableName": "shows", "Key": names(*pk, *sk), "UpdateExpression": "SET gsi1pk = :g, gsi1sk = :to",
                    "ExpressionAttributeValues": {":g": {"S": "g"}, ":to": {"N": to.to_string()}},
                }),
                None => {
                    json!({"TableName": "shows", "Key": names(*pk, *sk), "UpdateExpression": "REMOVE gsi1pk, gsi1sk"})
                }
            };
            ("UpdateItem", request, true)
        }
        Operation::Delete { pk, sk, equal } => {
            let mut request = json!({"TableName": "shows", "Key": names(*pk, *sk)});
            let mut happens = true;
            if let Some(equal) = equal {
                request["ConditionExpression"] = json!("n = :n");
                request["ExpressionAttributeValues"] = json!({":n": {"N": equal.to_string()}});
                happens = model.get(&(*pk, *sk)).and_then(|(n, _)| *n) == Some(i64::from(*equal));
            }
            if happens {
                model.remove(&(*pk, *sk));
            }
            ("DeleteItem", request, happens)
        }
        Operation::Transact { puts, check } => {
            let mut items: Vec<Json> = puts
                .iter()
                .filter(|put| *put != check)
                .map(|(pk, sk)| json!({"Put": {"TableName": "shows", "Item": names(*pk, *sk)}}))
                .collect();
            items.push(json!({"ConditionCheck": {
                "TableName": "shows", "Key": names(check.0, check.1), "ConditionExpression": "attribute_exists(pk)",
            }}));
            let happens = model.contains_key(check);
            if happens {
                for put in puts.iter().filter(|put| *put != check) {
                    model.insert(*put, (None, None));
                }
            }
            ("TransactWriteItems", json!({"TransactItems": items}), happens)
        }
    }
}

fn number(item: &Json, name: &str) -> Option<i64> {
    item[name]["N"]
        .as_str()
        .map(|text| text.parse().expect("a small number"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("CONCERT_LONG").is_some() { 500 } else { 24 }))]

    #[test]
    fn the_store_agrees_with_a_map(operations in prop::collection::vec(operation(), 1..60)) {
        let dynamo = dynamo();
        create_table(&dynamo, "shows");
        let mut model = Model::new();
        for operation in &operations {
            let (name, request, happens) = step(&mut model, operation);
            match dynamo.call(name, &request) {
                Ok(_) => prop_assert!(happens, "{name} {request} happened"),
                Err(DynamoError::ConditionalCheckFailed { .. } | DynamoError::TransactionCanceled(_)) => {
                    prop_assert!(!happens, "{name} {request} did not happen");
                }
                Err(error) => prop_assert!(false, "{name} {request}: {error}"),
            }
        }
        // Every partition, in the order of its sort keys.
        for pk in 0..3u8 {
            let answer = ok(&dynamo, "Query", json!({
                "TableName": "shows", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": format!("p{pk}")}},
            }));
            let found: Vec<(String, Option<i64>)> = answer["Items"].as_array().expect("items").iter()
                .map(|item| (item["sk"]["S"].as_str().expect("sk").to_owned(), number(item, "n"))).collect();
            let wanted: Vec<(String, Option<i64>)> = model.range((pk, 0)..=(pk, u8::MAX))
                .map(|((_, sk), (n, _))| (format!("s{sk}"), *n)).collect();
            prop_assert_eq!(found, wanted);
        }
        // The index in its order, and nothing else in it.
        let answer = ok(&dynamo, "Query", json!({
            "TableName": "shows", "IndexName": "gsi1", "KeyConditionExpression": "gsi1pk = :g",
            "ExpressionAttributeValues": {":g": {"S": "g"}},
        }));
        let found: Vec<i64> = answer["Items"].as_array().expect("items").iter().filter_map(|item| number(item, "gsi1sk")).collect();
        let mut wanted: Vec<i64> = model.values().filter_map(|(_, indexed)| indexed.map(i64::from)).collect();
        wanted.sort_unstable();
        prop_assert_eq!(found, wanted);
        let table = ok(&dynamo, "DescribeTable", json!({"TableName": "shows"}))["Table"].clone();
        prop_assert_eq!(table["ItemCount"].as_u64(), Some(model.len() as u64));
        let indexed = model.values().filter(|(_, indexed)| indexed.is_some()).count();
        prop_assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"].as_u64(), Some(indexed as u64));
        let scanned = ok(&dynamo, "Scan", json!({"TableName": "shows"}));
        prop_assert_eq!(scanned["Count"].as_u64(), Some(model.len() as u64));
    }
}
