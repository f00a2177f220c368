//! Conditions over one item, as a table: what holds and what does not.

use crate::support::*;
use concert_store::dynamodb::DynamoError;
use serde_json::json;

#[test]
fn conditions_hold_as_dynamodb_says() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    put(
        &dynamo,
        "shows",
        item(
            "a",
            "1",
            json!({
                "n": {"N": "10"}, "s": {"S": "berg"}, "b": {"B": "AQID"}, "yes": {"BOOL": true}, "nil": {"NULL": true},
                "l": {"L": [{"N": "1"}, {"S": "x"}]}, "m": {"M": {"in": {"S": "deep"}, "l": {"L": [{"N": "5"}]}}},
                "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2"]}, "umlaut": {"S": "\u{1F3B5}é"}, "same": {"N": "10.0"},
            }),
        ),
    );
    for (condition, holds) in [
        ("n = :ten", true),
        ("n = same", true),
        ("n <> :ten", false),
        ("n < :s", false),
        ("n > :s", false),
        ("n <> :s", true),
        ("nothing = :ten", false),
        ("nothing <> :ten", true),
        ("nothing < :ten", false),
        ("NOT nothing = :ten", true),
        ("n BETWEEN :two AND :ten", true),
        ("n BETWEEN nothing AND :ten", false),
        ("n IN (:two, :ten)", true),
        ("n IN (:two, :s)", false),
        ("nothing IN (:two)", false),
        ("s BETWEEN :s AND :s", true),
        ("b = :b", true),
        ("b >= :b", true),
        ("yes = :yes", true),
        ("nil = :nil", true),
        ("l = :l", true),
        ("ss = :ss", true),
        ("m.l[0] = :five", true),
        ("m.l[1] = :five", false),
        ("m.l.x = :five", false),
        ("attribute_exists(m.#in)", true),
        ("attribute_exists(m.l[3])", false),
        ("attribute_not_exists(m.q)", true),
        ("attribute_type(n, :N)", true),
        ("attribute_type(nothing, :N)", false),
        ("attribute_type(nil, :NULL)", true),
        ("begins_with(s, :be)", true),
        ("begins_with(n, :be)", false),
        ("begins_with(b, :b)", true),
        ("contains(s, :er)", true),
        ("contains(ss, :a)", true),
        ("contains(ns, :two)", true),
        ("contains(l, :x)", true),
        ("contains(m, :x)", false),
        ("contains(l, :two)", false),
        ("size(s) = :four", true),
        ("size(umlaut) = :three", true),
        ("size(n) = :two", false),
        ("size(m) = :two", true),
        ("size(ss) >= :two AND size(l) = :two", true),
        ("n = :two OR n = :ten AND s = :s", true),
        ("(n = :two OR n = :ten) AND s = :be", false),
        ("NOT (n = :two) AND NOT s = :be", true),
        (":ten = n", true),
        ("size(b) = :three", true),
    ] {
        let all = json!({
            ":ten": {"N": "10"}, ":two": {"N": "2"}, ":three": {"N": "3"}, ":four": {"N": "4"}, ":five": {"N": "5"},
            ":s": {"S": "berg"}, ":be": {"S": "be"}, ":er": {"S": "er"}, ":a": {"S": "a"}, ":x": {"S": "x"},
            ":b": {"B": "AQID"}, ":yes": {"BOOL": true}, ":nil": {"NULL": true}, ":N": {"S": "N"}, ":NULL": {"S": "NULL"},
            ":l": {"L": [{"N": "1.0"}, {"S": "x"}]}, ":ss": {"SS": ["b", "a"]},
        });
        // Only what the condition names: what is left over is refused.
        let words: Vec<&str> = condition
            .split(|c: char| !(c.is_alphanumeric() || c == ':' || c == '#'))
            .collect();
        let used = |name: &String| words.contains(&name.as_str());
        let values: serde_json::Map<_, _> = all
            .as_object()
            .expect("an object")
            .clone()
            .into_iter()
            .filter(|(name, _)| used(name))
            .collect();
        let mut request = json!({
            "TableName": "shows", "Key": key("a", "1"), "ConditionExpression": condition, "UpdateExpression": "REMOVE zzz",
        });
        if !values.is_empty() {
            request["ExpressionAttributeValues"] = json!(values);
        }
        if condition.contains("#in") {
            request["ExpressionAttributeNames"] = json!({"#in": "in"});
        }
        let found = match dynamo.call("UpdateItem", &request) {
            Ok(_) => true,
            Err(DynamoError::ConditionalCheckFailed { .. }) => false,
            Err(error) => panic!("{condition}: {error}"),
        };
        assert_eq!(found, holds, "{condition}");
    }
}

#[test]
fn projections_give_the_parts_that_are_there() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    put(
        &dynamo,
        "shows",
        item(
            "a",
            "1",
            json!({
                "l": {"L": [{"N": "0"}, {"M": {"x": {"N": "1"}, "y": {"N": "2"}}}, {"N": "2"}]}, "m": {"M": {"a": {"S": "b"}, "c": {"S": "d"}}},
            }),
        ),
    );
    for (projection, wanted) in [
        ("pk, m.a", json!({"pk": {"S": "a"}, "m": {"M": {"a": {"S": "b"}}}})),
        (
            "l[2], l[1].y",
            json!({"l": {"L": [{"M": {"y": {"N": "2"}}}, {"N": "2"}]}}),
        ),
        ("nothing, m.nothing, l[9]", json!({})),
        ("m.a, m.c", json!({"m": {"M": {"a": {"S": "b"}, "c": {"S": "d"}}}})),
    ] {
        let answer = ok(
            &dynamo,
            "GetItem",
            json!({"TableName": "shows", "Key": key("a", "1"), "ProjectionExpression": projection}),
        );
        assert_eq!(answer["Item"], wanted, "{projection}");
    }
    let said = refused(
        &dynamo,
        "GetItem",
        json!({"TableName": "shows", "Key": key("a", "1"), "ProjectionExpression": "m, m.a"}),
    );
    assert!(
        said.starts_with("Invalid ProjectionExpression: Two document paths overlap"),
        "{said}"
    );
}

#[test]
fn placeholders_are_all_used_and_all_defined() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    for (more, wanted) in [
        (
            json!({"ExpressionAttributeNames": {"#a": "a"}}),
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            json!({"ExpressionAttributeNames": {}, "ProjectionExpression": "a"}),
            "ExpressionAttributeNames must not be empty",
        ),
        (
            json!({"ExpressionAttributeNames": {"a": "a"}, "ProjectionExpression": "a"}),
            "ExpressionAttributeNames contains invalid key: Syntax error; key: \"a\"",
        ),
        (
            json!({"ExpressionAttributeNames": {"#a": "a"}, "ProjectionExpression": "b"}),
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}",
        ),
        (
            json!({"FilterExpression": "a = :v"}),
            "Invalid FilterExpression: An expression attribute value used in expression is not defined; attribute value: :v",
        ),
        (
            json!({"ExpressionAttributeValues": {":v": {"S": "x"}}}),
            "ExpressionAttributeValues can only be specified when using expressions: FilterExpression is null",
        ),
        (
            json!({"FilterExpression": "a = :v", "ExpressionAttributeValues": {":v": {"N": "x"}}}),
            "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x for key :v",
        ),
    ] {
        let mut request = json!({"TableName": "shows"});
        for (name, value) in more.as_object().expect("an object") {
            request[name] = value.clone();
        }
        assert_eq!(refused(&dynamo, "Scan", request), wanted);
    }
}
