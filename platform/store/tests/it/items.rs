//! Single items: puts, reads, updates, deletes, conditions, returned values, limits.

use crate::support::*;
use concert_store::dynamodb::DynamoError;
use serde_json::{Value as Json, json};
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn every_type_comes_back_as_it_was_written() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    let written = item(
        "a",
        "1",
        json!({
            "text": {"S": ""}, "number": {"N": "-12.5"}, "long": {"N": "12345678901234567890123456789012345678"},
            "small": {"N": "1E-130"}, "bytes": {"B": "AAEC"}, "yes": {"BOOL": true}, "nothing": {"NULL": true},
            "list": {"L": [{"S": "x"}, {"M": {"deep": {"N": "1"}}}]}, "map": {"M": {}}, "names": {"SS": ["a", "b"]},
            "numbers": {"NS": ["-1", "2.5"]}, "blobs": {"BS": ["AA==", "AAE="]},
        }),
    );
    put(&dynamo, "shows", written.clone());
    let mut wanted = written;
    wanted["small"] = json!({"N": format!("0.{}1", "0".repeat(129))});
    assert_eq!(get(&dynamo, "shows", "a", "1"), Some(wanted));
}

#[test]
fn numbers_are_put_into_one_form() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    for (written, wanted) in [
        ("1.0", "1"),
        ("+5", "5"),
        ("-0", "0"),
        ("00042", "42"),
        ("1e3", "1000"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1.5E-3", "0.0015"),
    ] {
        put(&dynamo, "shows", item("a", "1", json!({"n": {"N": written}})));
        assert_eq!(
            get(&dynamo, "shows", "a", "1").expect("it is there")["n"]["N"],
            wanted,
            "{written}"
        );
    }
    let digits = "1".repeat(39);
    for (written, wanted) in [
        (
            digits.as_str(),
            "Attempting to store more than 38 significant digits in a Number",
        ),
        (
            "1e126",
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
        (
            "1e-131",
            "Number underflow. Attempting to store a number with magnitude smaller than supported range",
        ),
        ("1_0", "The parameter cannot be converted to a numeric value: 1_0"),
        ("", "The parameter cannot be converted to a numeric value"),
        ("NaN", "The parameter cannot be converted to a numeric value: NaN"),
        ("é", "The parameter cannot be converted to a numeric value: é"),
    ] {
        let said = refused(
            &dynamo,
            "PutItem",
            json!({"TableName": "shows", "Item": item("a", "1", json!({"n": {"N": written}}))}),
        );
        assert_eq!(said, wanted);
    }
}

#[test]
fn values_that_no_item_may_have_are_refused() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    let parameter = "One or more parameter values were invalid: ";
    let deep = (0..33).fold(json!({"S": "x"}), |inner, _| json!({"L": [inner]}));
    for (more, wanted) in [
        (json!({"a": {"SS": []}}), format!("{parameter}An string set  may not be empty")),
        (json!({"a": {"NS": ["1", "1.0"]}}), format!("{parameter}Input collection [1, 1.0] contains duplicates.")),
        (json!({"a": {"SS": ["x", "x"]}}), format!("{parameter}Input collection [x, x] contains duplicates.")),
        (json!({"a": {}}), "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes".to_owned()),
        (json!({"a": {"S": "x", "N": "1"}}), "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes".to_owned()),
        (json!({"a": {"NULL": false}}), format!("{parameter}Null attribute value types must have the value of true")),
        (json!({"a": deep}), "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit".to_owned()),
        (json!({"a": {"S": "x".repeat(400 * 1024)}}), "Item size has exceeded the maximum allowed size".to_owned()),
        (json!({"gsi1pk": {"N": "1"}}), format!("{parameter}Type mismatch for Index Key gsi1pk Expected: S Actual: N IndexName: gsi1")),
        (json!({"gsi1pk": {"S": ""}}), "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: gsi1, IndexKey: gsi1pk".to_owned()),
    ] {
        assert_eq!(refused(&dynamo, "PutItem", json!({"TableName": "shows", "Item": item("a", "1", more)})), wanted);
    }
    for wrong in [
        json!({"S": 1}),
        json!({"BOOL": "true"}),
        json!("x"),
        json!({"L": {}}),
        json!({"B": "*"}),
    ] {
        let error = failed(
            &dynamo,
            "PutItem",
            json!({"TableName": "shows", "Item": item("a", "1", json!({"a": wrong}))}),
        );
        assert!(matches!(error, DynamoError::Serialization(_)), "{error}");
    }
    for (bad, wanted) in [
        (json!({"pk": {"S": "a"}}), format!("{parameter}Missing the key sk in the item")),
        (json!({"pk": {"S": "a"}, "sk": {"N": "1"}}), format!("{parameter}Type mismatch for key sk expected: S actual: N")),
        (json!({"pk": {"S": ""}, "sk": {"S": "1"}}), "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk".to_owned()),
        (json!({"pk": {"S": "x".repeat(2049)}, "sk": {"S": "1"}}), format!("{parameter}Size of hashkey has exceeded the maximum size limit of2048 bytes")),
        (json!({"pk": {"S": "a"}, "sk": {"S": "x".repeat(1025)}}), format!("{parameter}Aggregated size of all range keys has exceeded the size limit of 1024 bytes")),
    ] {
        assert_eq!(refused(&dynamo, "PutItem", json!({"TableName": "shows", "Item": bad})), wanted);
    }
    for bad in [
        json!({"pk": {"S": "a"}}),
        json!({"pk": {"S": "a"}, "sk": {"N": "1"}}),
        item("a", "1", json!({"more": {"S": "x"}})),
    ] {
        let said = refused(&dynamo, "GetItem", json!({"TableName": "shows", "Key": bad}));
        assert_eq!(said, "The provided key element does not match the schema");
    }
}

/// Applies an update to a known item and gives the attributes that changed or the refusal.
fn updated(expression: &str, values: Json) -> Result<Json, String> {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    put(
        &dynamo,
        "shows",
        item(
            "a",
            "1",
            json!({
                "n": {"N": "5"}, "s": {"S": "x"}, "l": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}, {"N": "3"}]},
                "m": {"M": {"in": {"N": "7"}}}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1"]},
            }),
        ),
    );
    let mut request =
        json!({"TableName": "shows", "Key": key("a", "1"), "UpdateExpression": expression, "ReturnValues": "ALL_NEW"});
    if values != json!({}) {
        request["ExpressionAttributeValues"] = values;
    }
    let answer = dynamo.call("UpdateItem", &request).map_err(|error| error.to_string())?;
    Ok(answer["Attributes"].clone())
}

#[test]
fn updates_change_what_they_name() {
    let numbers = |list: &[&str]| json!({"L": list.iter().map(|n| json!({"N": n})).collect::<Vec<_>>()});
    for (expression, values, attribute, wanted) in [
        ("SET n = n + :v", json!({":v": {"N": "2.5"}}), "n", json!({"N": "7.5"})),
        ("SET n = :v - n", json!({":v": {"N": "2"}}), "n", json!({"N": "-3"})),
        (
            "SET a = if_not_exists(a, :v)",
            json!({":v": {"N": "1"}}),
            "a",
            json!({"N": "1"}),
        ),
        (
            "SET n = if_not_exists(n, :v) + :v",
            json!({":v": {"N": "1"}}),
            "n",
            json!({"N": "6"}),
        ),
        (
            "SET l = list_append(:v, l)",
            json!({":v": {"L": [{"N": "9"}]}}),
            "l",
            numbers(&["9", "0", "1", "2", "3"]),
        ),
        (
            "SET l[1] = :v",
            json!({":v": {"N": "9"}}),
            "l",
            numbers(&["0", "9", "2", "3"]),
        ),
        (
            "SET l[30] = :b, l[20] = :a",
            json!({":a": {"N": "8"}, ":b": {"N": "9"}}),
            "l",
            numbers(&["0", "1", "2", "3", "8", "9"]),
        ),
        ("REMOVE l[0], l[2]", json!({}), "l", numbers(&["1", "3"])),
        ("REMOVE l[99]", json!({}), "l", numbers(&["0", "1", "2", "3"])),
        (
            "SET m.more = :v",
            json!({":v": {"S": "y"}}),
            "m",
            json!({"M": {"in": {"N": "7"}, "more": {"S": "y"}}}),
        ),
        ("REMOVE m.nothing", json!({}), "m", json!({"M": {"in": {"N": "7"}}})),
        ("ADD n :v", json!({":v": {"N": "-5"}}), "n", json!({"N": "0"})),
        ("ADD a :v", json!({":v": {"N": "3"}}), "a", json!({"N": "3"})),
        (
            "ADD ss :v",
            json!({":v": {"SS": ["b", "c"]}}),
            "ss",
            json!({"SS": ["a", "b", "c"]}),
        ),
        (
            "ADD m.tally :v",
            json!({":v": {"N": "1"}}),
            "m",
            json!({"M": {"in": {"N": "7"}, "tally": {"N": "1"}}}),
        ),
        (
            "DELETE ss :v",
            json!({":v": {"SS": ["b", "z"]}}),
            "ss",
            json!({"SS": ["a"]}),
        ),
        ("DELETE ns :v", json!({":v": {"NS": ["1.0"]}}), "ns", Json::Null),
        ("SET n = s, s = n", json!({}), "s", json!({"N": "5"})),
    ] {
        let item = updated(expression, values).expect(expression);
        let found = &item[attribute];
        // Members of maps are compared without their order.
        assert_eq!(found, &wanted, "{expression}");
    }
    let wrong_type = "An operand in the update expression has an incorrect data type";
    let wrong_path = "The document path provided in the update expression is invalid for update";
    let missing = "The provided expression refers to an attribute that does not exist in the item";
    for (expression, values, wanted) in [
        ("SET n = n + s", json!({}), wrong_type),
        ("SET n = nothing + :v", json!({":v": {"N": "1"}}), missing),
        ("SET a.b = :v", json!({":v": {"N": "1"}}), wrong_path),
        ("SET s.b = :v", json!({":v": {"N": "1"}}), wrong_path),
        ("REMOVE a.b", json!({}), wrong_path),
        ("ADD s :v", json!({":v": {"N": "1"}}), wrong_type),
        ("DELETE ss :v", json!({":v": {"NS": ["1"]}}), wrong_type),
        (
            "SET sk = :v",
            json!({":v": {"S": "2"}}),
            "One or more parameter values were invalid: Cannot update attribute sk. This attribute is part of the key",
        ),
        (
            "SET n = :v + :w",
            json!({":v": {"N": "1e38"}, ":w": {"N": "1"}}),
            "Attempting to store more than 38 significant digits in a Number",
        ),
        (
            "SET n = :v",
            json!({":v": {"N": "1"}, ":w": {"N": "1"}}),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}",
        ),
    ] {
        assert_eq!(updated(expression, values), Err(wanted.to_owned()), "{expression}");
    }
}

#[test]
fn returned_values_are_what_was_asked_for() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    put(
        &dynamo,
        "shows",
        item(
            "a",
            "1",
            json!({"m": {"M": {"x": {"N": "1"}, "y": {"N": "2"}}}, "z": {"N": "3"}}),
        ),
    );
    let update = |returned: &str| {
        let answer = ok(
            &dynamo,
            "UpdateItem",
            json!({
                "TableName": "shows", "Key": key("a", "1"), "UpdateExpression": "SET m.x = m.x + :one REMOVE gone",
                "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValues": returned,
            }),
        );
        answer.get("Attributes").cloned()
    };
    assert_eq!(update("NONE"), None);
    assert_eq!(update("UPDATED_OLD"), Some(json!({"m": {"M": {"x": {"N": "2"}}}})));
    assert_eq!(update("UPDATED_NEW"), Some(json!({"m": {"M": {"x": {"N": "4"}}}})));
    assert_eq!(
        update("ALL_OLD").expect("it was there")["m"]["M"]["x"],
        json!({"N": "4"})
    );
    assert_eq!(
        update("ALL_NEW").expect("it is there")["m"]["M"]["x"],
        json!({"N": "6"})
    );
    let said = refused(
        &dynamo,
        "PutItem",
        json!({"TableName": "shows", "Item": key("a", "1"), "ReturnValues": "ALL_NEW"}),
    );
    assert_eq!(said, "ReturnValues can only be ALL_OLD or NONE");
    let old = ok(
        &dynamo,
        "DeleteItem",
        json!({"TableName": "shows", "Key": key("a", "1"), "ReturnValues": "ALL_OLD"}),
    );
    assert_eq!(old["Attributes"]["z"], json!({"N": "3"}));
    let none = ok(
        &dynamo,
        "DeleteItem",
        json!({"TableName": "shows", "Key": key("a", "1"), "ReturnValues": "ALL_OLD"}),
    );
    assert_eq!(none, json!({}));
}

#[test]
fn a_failed_condition_changes_nothing_and_shows_the_item_where_asked() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    put(&dynamo, "shows", item("a", "1", json!({"n": {"N": "1"}})));
    let request = |show: &str| {
        json!({
            "TableName": "shows", "Item": item("a", "1", json!({"n": {"N": "2"}})),
            "ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": show,
        })
    };
    let before = get(&dynamo, "shows", "a", "1");
    match failed(&dynamo, "PutItem", request("ALL_OLD")) {
        DynamoError::ConditionalCheckFailed { item: Some(item) } => {
            assert_eq!(Some(concert_store::dynamodb::item_to_json(&item)), before);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        failed(&dynamo, "PutItem", request("NONE")),
        DynamoError::ConditionalCheckFailed { item: None }
    ));
    assert_eq!(get(&dynamo, "shows", "a", "1"), before);
    // An item that is not there is compared as an empty one.
    ok(
        &dynamo,
        "PutItem",
        json!({
            "TableName": "shows", "Item": key("b", "1"), "ConditionExpression": "n <> :n",
            "ExpressionAttributeValues": {":n": {"N": "1"}},
        }),
    );
}

#[test]
fn of_many_conditional_writes_exactly_one_wins() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    let won = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (dynamo, won) = (dynamo.clone(), &won);
            scope.spawn(move || {
                for round in 0..10 {
                    let answer = dynamo.call("PutItem", &json!({
                        "TableName": "shows", "Item": item("lock", &round.to_string(), json!({"by": {"N": worker.to_string()}})),
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }));
                    match answer {
                        Ok(_) => {
                            won.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(DynamoError::ConditionalCheckFailed { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                    ok(&dynamo, "UpdateItem", json!({
                        "TableName": "shows", "Key": key("count", "1"), "UpdateExpression": "ADD n :one",
                        "ExpressionAttributeValues": {":one": {"N": "1"}},
                    }));
                }
            });
        }
    });
    assert_eq!(won.into_inner(), 10);
    assert_eq!(
        get(&dynamo, "shows", "count", "1").expect("it is there")["n"],
        json!({"N": "80"})
    );
}

#[test]
fn batches_hold_to_their_limits_and_give_everything_back() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    let puts = |count: usize| -> Vec<Json> {
        (0..count)
            .map(|n| json!({"PutRequest": {"Item": item("a", &format!("{n:03}"), json!({"n": {"N": n.to_string()}}))}}))
            .collect()
    };
    let answer = ok(
        &dynamo,
        "BatchWriteItem",
        json!({"RequestItems": {"shows": puts(25)}, "ReturnConsumedCapacity": "TOTAL"}),
    );
    assert_eq!(answer["UnprocessedItems"], json!({}));
    assert_eq!(
        answer["ConsumedCapacity"],
        json!([{"TableName": "shows", "CapacityUnits": 25.0}])
    );
    assert_eq!(
        refused(&dynamo, "BatchWriteItem", json!({"RequestItems": {"shows": puts(26)}})),
        "Too many items requested for the BatchWriteItem call"
    );
    let twice = [puts(1), puts(1)].concat();
    assert_eq!(
        refused(&dynamo, "BatchWriteItem", json!({"RequestItems": {"shows": twice}})),
        "Provided list of item keys contains duplicates"
    );
    let keys: Vec<Json> = (0..30).map(|n| key("a", &format!("{n:03}"))).collect();
    let answer = ok(
        &dynamo,
        "BatchGetItem",
        json!({"RequestItems": {"shows": {"Keys": keys, "ProjectionExpression": "n"}}}),
    );
    let mut found: Vec<String> = answer["Responses"]["shows"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| item["n"]["N"].as_str().expect("n").to_owned())
        .collect();
    found.sort_by_key(|n| n.parse::<u32>().expect("a number"));
    assert_eq!(found, (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
    let many: Vec<Json> = (0..101).map(|n| key("a", &n.to_string())).collect();
    assert!(
        refused(
            &dynamo,
            "BatchGetItem",
            json!({"RequestItems": {"shows": {"Keys": many}}})
        )
        .contains("less than or equal to 100")
    );
    let gone: Vec<Json> = (0..25)
        .map(|n| json!({"DeleteRequest": {"Key": key("a", &format!("{n:03}"))}}))
        .collect();
    ok(&dynamo, "BatchWriteItem", json!({"RequestItems": {"shows": gone}}));
    assert_eq!(ok(&dynamo, "Scan", json!({"TableName": "shows"}))["Count"], 0);
}

#[test]
fn a_batch_over_sixteen_megabytes_leaves_keys_for_the_next() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    for n in 0..50 {
        put(
            &dynamo,
            "shows",
            item("a", &format!("{n:02}"), json!({"big": {"S": "x".repeat(390 * 1024)}})),
        );
    }
    let mut keys: Json = json!({"shows": {"Keys": (0..50).map(|n| key("a", &format!("{n:02}"))).collect::<Vec<_>>(), "ProjectionExpression": "sk"}});
    let mut found = 0;
    let mut rounds = 0;
    while keys != json!({}) {
        let answer = ok(&dynamo, "BatchGetItem", json!({"RequestItems": keys}));
        found += answer["Responses"]["shows"].as_array().expect("a list").len();
        keys = answer["UnprocessedKeys"].clone();
        rounds += 1;
    }
    assert_eq!((found, rounds), (50, 2));
}

#[test]
fn legacy_members_are_refused_by_name() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    let said = refused(&dynamo, "Query", json!({"TableName": "shows", "KeyConditions": {}}));
    assert_eq!(
        said,
        "KeyConditions is a legacy parameter that is not served here. Use KeyConditionExpression."
    );
    assert!(matches!(
        failed(&dynamo, "ExecuteStatement", json!({"Statement": "SELECT 1"})),
        DynamoError::UnknownOperation(_)
    ));
}

#[test]
fn capacity_and_collection_metrics_are_counted_where_asked() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    let answer = ok(
        &dynamo,
        "PutItem",
        json!({
            "TableName": "shows", "Item": item("a", "1", json!({"gsi1pk": {"S": "g"}, "gsi1sk": {"N": "1"}, "big": {"S": "x".repeat(3000)}})),
            "ReturnConsumedCapacity": "INDEXES", "ReturnItemCollectionMetrics": "SIZE",
        }),
    );
    assert_eq!(
        answer["ConsumedCapacity"],
        json!({
            "TableName": "shows", "CapacityUnits": 4.0, "Table": {"CapacityUnits": 3.0},
            "GlobalSecondaryIndexes": {"gsi1": {"CapacityUnits": 1.0}},
        })
    );
    assert_eq!(
        answer["ItemCollectionMetrics"],
        json!({"ItemCollectionKey": {"pk": {"S": "a"}}, "SizeEstimateRangeGB": [0.0, 1.0]})
    );
    let read = |consistent: bool| {
        ok(&dynamo, "GetItem", json!({
        "TableName": "shows", "Key": key("a", "1"), "ConsistentRead": consistent, "ReturnConsumedCapacity": "TOTAL",
    }))["ConsumedCapacity"]["CapacityUnits"].clone()
    };
    assert_eq!((read(false), read(true)), (json!(0.5), json!(1.0)));
}
