//! Queries and scans: ranges, order, pages, indexes, filters, segments.

use crate::support::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

fn query(condition: &str, values: Json, more: Json) -> Json {
    let mut request =
        json!({"TableName": "shows", "KeyConditionExpression": condition, "ExpressionAttributeValues": values});
    for (name, value) in more.as_object().expect("an object") {
        request[name] = value.clone();
    }
    request
}

#[test]
fn sort_keys_are_ranged_over_in_order() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    for sk in ["a", "a#1", "a#2", "ab", "b", "ba", "c"] {
        put(&dynamo, "shows", key("p", sk));
        put(&dynamo, "shows", key("q", sk));
    }
    for (condition, wanted) in [
        ("pk = :p", "a,a#1,a#2,ab,b,ba,c"),
        ("pk = :p AND sk = :b", "b"),
        ("pk = :p AND sk < :b", "a,a#1,a#2,ab"),
        ("pk = :p AND sk <= :b", "a,a#1,a#2,ab,b"),
        ("pk = :p AND sk > :b", "ba,c"),
        ("sk >= :b AND pk = :p", "b,ba,c"),
        ("pk = :p AND sk BETWEEN :a AND :b", "a,a#1,a#2,ab,b"),
        ("pk = :p AND begins_with(sk, :ah)", "a#1,a#2"),
        ("pk = :p AND :b < sk", "ba,c"),
    ] {
        let all = json!({":p": {"S": "p"}, ":a": {"S": "a"}, ":b": {"S": "b"}, ":ah": {"S": "a#"}});
        let words: Vec<&str> = condition.split(|c: char| !(c.is_alphanumeric() || c == ':')).collect();
        let values: serde_json::Map<_, _> = all
            .as_object()
            .expect("an object")
            .clone()
            .into_iter()
            .filter(|(name, _)| words.contains(&name.as_str()))
            .collect();
        let forward = ok(&dynamo, "Query", query(condition, json!(values), json!({})));
        assert_eq!(sort_keys(&forward).join(","), wanted, "{condition}");
        let mut backward = sort_keys(&ok(
            &dynamo,
            "Query",
            query(condition, json!(values), json!({"ScanIndexForward": false})),
        ));
        backward.reverse();
        assert_eq!(backward.join(","), wanted, "{condition}, backward");
    }
}

#[test]
fn numbers_sort_as_numbers_and_bytes_as_bytes() {
    let dynamo = dynamo();
    for (kind, ordered) in [
        (
            "N",
            vec![
                "-1e100",
                "-2",
                "-1.5",
                "-1",
                "-1e-100",
                "0",
                "1e-100",
                "0.5",
                "1",
                "1.5",
                "2",
                "10",
                "99999999999999999999999999999999999999",
                "1e100",
            ],
        ),
        ("B", vec!["AA==", "AAA=", "AAE=", "AQ==", "/w=="]),
    ] {
        let table = format!("tab-{kind}");
        ok(
            &dynamo,
            "CreateTable",
            json!({
                "TableName": table, "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": kind}, {"AttributeName": "sk", "AttributeType": kind}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            }),
        );
        for (n, value) in ordered.iter().enumerate().rev() {
            put(
                &dynamo,
                &table,
                json!({"pk": {kind: ordered[0]}, "sk": {kind: value}, "n": {"N": n.to_string()}}),
            );
        }
        let answer = ok(
            &dynamo,
            "Query",
            json!({
                "TableName": table, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {kind: ordered[0]}},
            }),
        );
        let found: Vec<&str> = answer["Items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| item["n"]["N"].as_str().expect("n"))
            .collect();
        assert_eq!(found, (0..ordered.len()).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

/// Follows the pages to their end.
fn pages(dynamo: &concert_store::dynamodb::Dynamo, operation: &str, mut request: Json) -> (Vec<Json>, usize) {
    let (mut items, mut count) = (Vec::new(), 0);
    loop {
        let answer = ok(dynamo, operation, request.clone());
        items.extend(answer["Items"].as_array().expect("items").iter().cloned());
        count += 1;
        match answer.get("LastEvaluatedKey") {
            Some(last) => request["ExclusiveStartKey"] = last.clone(),
            None => return (items, count),
        }
    }
}

#[test]
fn pages_follow_one_another_without_gap_or_repetition() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    for n in 0..23 {
        put(
            &dynamo,
            "shows",
            item(
                "p",
                &format!("{n:02}"),
                json!({"gsi1pk": {"S": "g"}, "gsi1sk": {"N": (n / 4).to_string()}, "n": {"N": n.to_string()}}),
            ),
        );
        put(&dynamo, "shows", key(&format!("other{n}"), "x"));
    }
    let by_key = query("pk = :p", json!({":p": {"S": "p"}}), json!({"Limit": 5}));
    let by_index = query(
        "gsi1pk = :g",
        json!({":g": {"S": "g"}}),
        json!({"Limit": 5, "IndexName": "gsi1"}),
    );
    for (operation, request, wanted) in [
        ("Query", by_key.clone(), 23),
        ("Query", by_index.clone(), 23),
        ("Scan", json!({"TableName": "shows", "Limit": 7}), 46),
        (
            "Scan",
            json!({"TableName": "shows", "IndexName": "gsi1", "Limit": 4}),
            23,
        ),
    ] {
        for forward in [true, false] {
            let mut request = request.clone();
            if operation == "Query" {
                request["ScanIndexForward"] = json!(forward);
            }
            let (items, _) = pages(&dynamo, operation, request.clone());
            let distinct: BTreeSet<String> = items
                .iter()
                .map(|item| format!("{}{}", item["pk"], item["sk"]))
                .collect();
            assert_eq!((items.len(), distinct.len()), (wanted, wanted), "{request}");
        }
    }
    // The limit counts what is read, not what passes the filter.
    let mut filtered = by_key;
    filtered["FilterExpression"] = json!("n >= :n");
    filtered["ExpressionAttributeValues"][":n"] = json!({"N": "20"});
    let first = ok(&dynamo, "Query", filtered.clone());
    assert_eq!((&first["Count"], &first["ScannedCount"]), (&json!(0), &json!(5)));
    assert_eq!(pages(&dynamo, "Query", filtered).0.len(), 3);
    // Exactly at the end DynamoDB does not know it yet.
    let exact = ok(
        &dynamo,
        "Query",
        query("pk = :p", json!({":p": {"S": "p"}}), json!({"Limit": 23})),
    );
    assert_eq!(exact["LastEvaluatedKey"], key("p", "22"));
}

#[test]
fn a_page_ends_at_a_megabyte() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    for n in 0..10 {
        put(
            &dynamo,
            "shows",
            item("p", &n.to_string(), json!({"big": {"S": "x".repeat(300_000)}})),
        );
    }
    let first = ok(
        &dynamo,
        "Query",
        query("pk = :p", json!({":p": {"S": "p"}}), json!({"Select": "COUNT"})),
    );
    assert_eq!((&first["Count"], first.get("Items")), (&json!(4), None));
    let (items, count) = pages(&dynamo, "Query", query("pk = :p", json!({":p": {"S": "p"}}), json!({})));
    assert_eq!((items.len(), count), (10, 3));
}

#[test]
fn indexes_are_sparse_and_hold_what_they_project() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    put(
        &dynamo,
        "shows",
        item(
            "a",
            "1",
            json!({"gsi1pk": {"S": "g"}, "gsi1sk": {"N": "2"}, "shown": {"S": "x"}, "unseen": {"S": "y"}, "rank": {"N": "9"}}),
        ),
    );
    put(
        &dynamo,
        "shows",
        item(
            "a",
            "2",
            json!({"gsi1pk": {"S": "g"}, "gsi1sk": {"N": "1"}, "rank": {"N": "1"}}),
        ),
    );
    put(&dynamo, "shows", item("a", "3", json!({"gsi1pk": {"S": "g"}})));
    let by_index = |more: Json| {
        query("gsi1pk = :g", json!({":g": {"S": "g"}}), {
            let mut more = more;
            more["IndexName"] = json!("gsi1");
            more
        })
    };
    let answer = ok(&dynamo, "Query", by_index(json!({})));
    assert_eq!(sort_keys(&answer), ["2", "1"]);
    assert_eq!(answer["Items"][1]["shown"], json!({"S": "x"}));
    assert_eq!(answer["Items"][1].get("unseen"), None);
    let local = |more: Json| {
        query("pk = :p", json!({":p": {"S": "a"}}), {
            let mut more = more;
            more["IndexName"] = json!("by_rank");
            more
        })
    };
    let answer = ok(&dynamo, "Query", local(json!({})));
    assert_eq!(sort_keys(&answer), ["2", "1"]);
    assert_eq!(answer["Items"][1].get("shown"), None);
    let fetched = ok(
        &dynamo,
        "Query",
        local(json!({"Select": "ALL_ATTRIBUTES", "ConsistentRead": true})),
    );
    assert_eq!(fetched["Items"][1]["unseen"], json!({"S": "y"}));
    for (request, wanted) in [
        (
            by_index(json!({"ConsistentRead": true})),
            "Consistent reads are not supported on global secondary indexes",
        ),
        (
            by_index(json!({"ProjectionExpression": "unseen"})),
            "One or more parameter values were invalid: Global secondary index gsi1 does not project [unseen]",
        ),
        (
            by_index(json!({"Select": "ALL_ATTRIBUTES"})),
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index gsi1 for table shows because its projection type is not ALL",
        ),
        (
            query("gsi1pk = :g", json!({":g": {"S": "g"}}), json!({"IndexName": "nope"})),
            "The table does not have the specified index: nope",
        ),
    ] {
        assert_eq!(refused(&dynamo, "Query", request), wanted);
    }
    // A change of the key moves the entry, its loss removes it, a delete too.
    ok(
        &dynamo,
        "UpdateItem",
        json!({"TableName": "shows", "Key": key("a", "1"), "UpdateExpression": "SET gsi1sk = :n", "ExpressionAttributeValues": {":n": {"N": "-5"}}}),
    );
    assert_eq!(sort_keys(&ok(&dynamo, "Query", by_index(json!({})))), ["1", "2"]);
    ok(
        &dynamo,
        "UpdateItem",
        json!({"TableName": "shows", "Key": key("a", "1"), "UpdateExpression": "REMOVE gsi1pk"}),
    );
    assert_eq!(sort_keys(&ok(&dynamo, "Query", by_index(json!({})))), ["2"]);
    ok(
        &dynamo,
        "DeleteItem",
        json!({"TableName": "shows", "Key": key("a", "2")}),
    );
    assert_eq!(ok(&dynamo, "Query", by_index(json!({})))["Count"], 0);
}

#[test]
fn queries_that_make_no_sense_are_refused() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    let p = json!({":p": {"S": "p"}});
    let pn = json!({":p": {"S": "p"}, ":n": {"N": "1"}});
    for (request, wanted) in [
        (
            json!({"TableName": "shows"}),
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        ),
        (
            query("sk = :p", p.clone(), json!({})),
            "Query condition missed key schema element: pk",
        ),
        (
            query("pk > :p", p.clone(), json!({})),
            "Query key condition not supported",
        ),
        (
            query("pk = :p AND beside = :n", pn.clone(), json!({})),
            "Query condition missed key schema element: sk",
        ),
        (
            query("pk = :p AND sk = :n", pn.clone(), json!({})),
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            query("pk = :p", json!({":p": {"S": ""}}), json!({})),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk",
        ),
        (
            query("pk = :p", pn, json!({"FilterExpression": "sk > :n"})),
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk",
        ),
        (
            query("pk = :p", p.clone(), json!({"Limit": 0})),
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            query("pk = :p", p.clone(), json!({"ExclusiveStartKey": {"pk": {"S": "p"}}})),
            "The provided starting key is invalid",
        ),
        (
            query("pk = :p", p.clone(), json!({"ExclusiveStartKey": key("other", "x")})),
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            query(
                "pk = :p AND sk < :p",
                p.clone(),
                json!({"ExclusiveStartKey": key("p", "z")}),
            ),
            "The provided starting key does not match the range key predicate",
        ),
        (
            query("pk = :p", p.clone(), json!({"Select": "SPECIFIC_ATTRIBUTES"})),
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            query("pk = :p", p, json!({"TableName": "nope"})),
            "Requested resource not found",
        ),
    ] {
        assert_eq!(refused(&dynamo, "Query", request), wanted);
    }
}

#[test]
fn segments_share_a_scan() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    for n in 0..60 {
        put(&dynamo, "shows", key(&format!("p{n}"), "x"));
    }
    let mut all = Vec::new();
    let mut filled = 0;
    for segment in 0..4 {
        let (items, _) = pages(
            &dynamo,
            "Scan",
            json!({"TableName": "shows", "Segment": segment, "TotalSegments": 4, "Limit": 6}),
        );
        filled += usize::from(!items.is_empty());
        all.extend(
            items
                .into_iter()
                .map(|item| item["pk"]["S"].as_str().expect("pk").to_owned()),
        );
    }
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), distinct.len(), filled), (60, 60, 4));
    for (more, wanted) in [
        (
            json!({"Segment": 4, "TotalSegments": 4}),
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 4 is not less than TotalSegments: 4",
        ),
        (
            json!({"Segment": 1}),
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        ),
    ] {
        let mut request = json!({"TableName": "shows"});
        for (name, value) in more.as_object().expect("an object") {
            request[name] = value.clone();
        }
        assert_eq!(refused(&dynamo, "Scan", request), wanted);
    }
}
