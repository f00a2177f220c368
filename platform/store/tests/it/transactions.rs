//! Transactions: all or nothing, with reasons, once for each token.

use crate::support::*;
use concert_store::dynamodb::{Cancellation, DynamoError};
use serde_json::{Value as Json, json};

fn reasons(error: DynamoError) -> Vec<Cancellation> {
    match error {
        DynamoError::TransactionCanceled(reasons) => reasons,
        other => panic!("{other}"),
    }
}

#[test]
fn all_actions_happen_or_none() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    create_table(&dynamo, "venues");
    put(&dynamo, "shows", item("a", "1", json!({"n": {"N": "1"}})));
    let one = json!({":one": {"N": "1"}});
    let items = |wanted: &str| {
        json!([
            {"Update": {"TableName": "shows", "Key": key("a", "1"), "UpdateExpression": "ADD n :one", "ExpressionAttributeValues": one}},
            {"Put": {"TableName": "venues", "Item": key("b", "1"), "ConditionExpression": "attribute_not_exists(pk)"}},
            {"ConditionCheck": {"TableName": "shows", "Key": key("a", wanted), "ConditionExpression": "attribute_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
            {"Delete": {"TableName": "venues", "Key": key("zzz", "1")}},
        ])
    };
    let error = failed(&dynamo, "TransactWriteItems", json!({"TransactItems": items("none")}));
    assert_eq!(
        error.to_string(),
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, None, ConditionalCheckFailed, None]"
    );
    assert_eq!(reasons(error)[2], Cancellation::ConditionalCheckFailed { item: None });
    assert_eq!(get(&dynamo, "venues", "b", "1"), None);
    let checked = items("none");
    let pair = json!([checked[0], checked[1]]);
    ok(&dynamo, "TransactWriteItems", json!({"TransactItems": pair}));
    assert_eq!(
        get(&dynamo, "shows", "a", "1").expect("it is there")["n"],
        json!({"N": "2"})
    );
    assert!(get(&dynamo, "venues", "b", "1").is_some());
    let again = reasons(failed(&dynamo, "TransactWriteItems", json!({"TransactItems": pair})));
    assert_eq!(again[0], Cancellation::None);
    assert_eq!(again[1].code(), "ConditionalCheckFailed");
}

#[test]
fn what_is_wrong_with_one_action_is_its_reason() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    put(&dynamo, "shows", item("a", "1", json!({"s": {"S": "x"}})));
    let found = reasons(failed(
        &dynamo,
        "TransactWriteItems",
        json!({"TransactItems": [
            {"Put": {"TableName": "shows", "Item": key("b", "1")}},
            {"Update": {"TableName": "shows", "Key": key("a", "1"), "UpdateExpression": "ADD s :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}},
        ]}),
    ));
    assert_eq!(
        found,
        [
            Cancellation::None,
            Cancellation::ValidationError("An operand in the update expression has an incorrect data type".to_owned()),
        ]
    );
    for (items, wanted) in [
        (
            json!([{"Put": {"TableName": "shows", "Item": key("b", "1")}}, {"Delete": {"TableName": "shows", "Key": key("b", "1")}}]),
            "Transaction request cannot include multiple operations on one item",
        ),
        (
            json!([{}]),
            "TransactItems can only contain one of Check, Put, Update or Delete",
        ),
        (
            json!([]),
            "1 validation error detected: Value '[…]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
    ] {
        assert_eq!(
            refused(&dynamo, "TransactWriteItems", json!({"TransactItems": items})),
            wanted
        );
    }
}

#[test]
fn a_token_makes_a_transaction_happen_once() {
    let clock = TestClock::new();
    let dynamo = dynamo_at(&clock);
    create_table(&dynamo, "shows");
    let add = |n: &str| {
        json!({"ClientRequestToken": "token", "TransactItems": [
            {"Update": {"TableName": "shows", "Key": key("a", "1"), "UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": n}}}},
        ]})
    };
    let count = || get(&dynamo, "shows", "a", "1").expect("it is there")["n"]["N"].clone();
    ok(&dynamo, "TransactWriteItems", add("1"));
    ok(&dynamo, "TransactWriteItems", add("1"));
    assert_eq!(count(), "1");
    assert!(matches!(
        failed(&dynamo, "TransactWriteItems", add("2")),
        DynamoError::IdempotentParameterMismatch
    ));
    clock.advance_seconds(601);
    ok(&dynamo, "TransactWriteItems", add("1"));
    assert_eq!(count(), "2");
    // A cancelled transaction leaves its token free.
    let check = |pk: &str| {
        json!({"ClientRequestToken": "other", "TransactItems": [
            {"ConditionCheck": {"TableName": "shows", "Key": key(pk, "1"), "ConditionExpression": "attribute_exists(pk)"}},
        ]})
    };
    reasons(failed(&dynamo, "TransactWriteItems", check("nobody")));
    ok(&dynamo, "TransactWriteItems", check("a"));
}

#[test]
fn reads_come_in_the_order_they_were_asked() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    put(
        &dynamo,
        "shows",
        item("a", "1", json!({"n": {"N": "1"}, "m": {"N": "2"}})),
    );
    let get = |pk: &str, more: Json| {
        let mut get = json!({"TableName": "shows", "Key": key(pk, "1")});
        for (name, value) in more.as_object().expect("an object") {
            get[name] = value.clone();
        }
        json!({"Get": get})
    };
    let answer = ok(
        &dynamo,
        "TransactGetItems",
        json!({
            "TransactItems": [get("none", json!({})), get("a", json!({"ProjectionExpression": "n"}))], "ReturnConsumedCapacity": "TOTAL",
        }),
    );
    assert_eq!(answer["Responses"], json!([{}, {"Item": {"n": {"N": "1"}}}]));
    assert_eq!(
        answer["ConsumedCapacity"],
        json!([{"TableName": "shows", "CapacityUnits": 4.0, "ReadCapacityUnits": 4.0}])
    );
}
