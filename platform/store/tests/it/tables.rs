//! Tables, their indexes, times to live and tags.

use crate::support::*;
use concert_store::dynamodb::DynamoError;
use serde_json::{Value as Json, json};

#[test]
fn a_table_is_described_as_it_was_created() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    put(
        &dynamo,
        "shows",
        item("a", "1", json!({"gsi1pk": {"S": "g"}, "gsi1sk": {"N": "1"}})),
    );
    let table = ok(&dynamo, "DescribeTable", json!({"TableName": "shows"}))["Table"].clone();
    assert_eq!(table["TableStatus"], "ACTIVE");
    assert_eq!(table["TableArn"], "arn:aws:dynamodb:us-east-1:000000000000:table/shows");
    assert_eq!(
        table["KeySchema"],
        json!([{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}])
    );
    assert_eq!(table["BillingModeSummary"], json!({"BillingMode": "PAY_PER_REQUEST"}));
    assert_eq!(
        (&table["ItemCount"], &table["TableSizeBytes"]),
        (&json!(1), &json!(2 + 1 + 2 + 1 + 6 + 1 + 6 + 2))
    );
    assert_eq!(table["GlobalSecondaryIndexes"][0]["ItemCount"], 1);
    assert_eq!(table["GlobalSecondaryIndexes"][0]["IndexStatus"], "ACTIVE");
    assert_eq!(table["LocalSecondaryIndexes"][0]["ItemCount"], 0);
    let by_arn = ok(&dynamo, "DescribeTable", json!({"TableName": table["TableArn"]}));
    assert_eq!(by_arn["Table"], table);
    assert!(matches!(
        failed(&dynamo, "DescribeTable", json!({"TableName": "nope"})),
        DynamoError::ResourceNotFound(message) if message == "Requested resource not found: Table: nope not found"
    ));
}

#[test]
fn tables_are_listed_in_pages_and_dropped_whole() {
    let dynamo = dynamo();
    for n in 0..5 {
        create_table(&dynamo, &format!("tab-{n}"));
    }
    let first = ok(&dynamo, "ListTables", json!({"Limit": 3}));
    assert_eq!(
        first,
        json!({"TableNames": ["tab-0", "tab-1", "tab-2"], "LastEvaluatedTableName": "tab-2"})
    );
    let rest = ok(&dynamo, "ListTables", json!({"ExclusiveStartTableName": "tab-2"}));
    assert_eq!(rest, json!({"TableNames": ["tab-3", "tab-4"]}));
    put(
        &dynamo,
        "tab-0",
        item("a", "1", json!({"gsi1pk": {"S": "g"}, "gsi1sk": {"N": "1"}})),
    );
    assert_eq!(
        ok(&dynamo, "DeleteTable", json!({"TableName": "tab-0"}))["TableDescription"]["TableStatus"],
        "DELETING"
    );
    create_table(&dynamo, "tab-0");
    assert_eq!(ok(&dynamo, "Scan", json!({"TableName": "tab-0"}))["Count"], 0);
    assert_eq!(
        ok(&dynamo, "Scan", json!({"TableName": "tab-0", "IndexName": "gsi1"}))["Count"],
        0
    );
    assert!(matches!(
        failed(&dynamo, "CreateTable", json!({
            "TableName": "tab-0", "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
        })),
        DynamoError::ResourceInUse(message) if message == "Table already exists: tab-0"
    ));
}

#[test]
fn definitions_that_do_not_fit_are_refused() {
    let dynamo = dynamo();
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let hash = |name: &str| json!({"AttributeName": name, "KeyType": "HASH"});
    let range = |name: &str| json!({"AttributeName": name, "KeyType": "RANGE"});
    let base = json!({"TableName": "tab-1", "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [attribute("a")], "KeySchema": [hash("a")]});
    let parameter = "One or more parameter values were invalid: ";
    for (change, wanted) in [
        (json!({"TableName": "a/"}), "2 validation errors detected: Value 'a/' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value 'a/' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3".to_owned()),
        (json!({"AttributeDefinitions": [attribute("a"), attribute("b")]}), format!("{parameter}Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")),
        (json!({"AttributeDefinitions": [attribute("b")]}), format!("{parameter}Some key attributes are not defined in AttributeDefinitions. Keys: [a], AttributeDefinitions: [b]")),
        (json!({"KeySchema": [range("a")]}), "Invalid KeySchema: The first KeySchemaElement is not a HASH key type".to_owned()),
        (json!({"KeySchema": [hash("a"), range("a")]}), "Both the Hash Key and the Range Key element in the KeySchema have the same name".to_owned()),
        (json!({"BillingMode": "PROVISIONED"}), format!("{parameter}ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")),
        (json!({"BillingMode": "FREE"}), "1 validation error detected: Value 'FREE' at 'billingMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]".to_owned()),
        (json!({"GlobalSecondaryIndexes": []}), format!("{parameter}List of GlobalSecondaryIndexes is empty")),
        (json!({"GlobalSecondaryIndexes": [{"IndexName": "one", "KeySchema": [hash("b")], "Projection": {"ProjectionType": "ALL"}}]}), format!("{parameter}Some index key attributes are not defined in AttributeDefinitions. Keys: [b], AttributeDefinitions: [a]")),
        (json!({"GlobalSecondaryIndexes": [{"IndexName": "one", "KeySchema": [hash("a")], "Projection": {"ProjectionType": "INCLUDE"}}]}), format!("{parameter}ProjectionType is INCLUDE, but NonKeyAttributes is not specified")),
        (json!({"LocalSecondaryIndexes": [{"IndexName": "one", "KeySchema": [hash("a"), range("b")], "Projection": {"ProjectionType": "ALL"}}], "AttributeDefinitions": [attribute("a"), attribute("b")]}), format!("{parameter}Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")),
        (json!({"StreamSpecification": {"StreamEnabled": true}}), "Streams are not served here. Leave StreamSpecification out.".to_owned()),
    ] {
        let mut request = base.clone();
        for (name, value) in change.as_object().expect("an object") {
            request[name] = value.clone();
        }
        assert_eq!(refused(&dynamo, "CreateTable", request), wanted);
    }
}

#[test]
fn an_index_can_be_added_to_items_that_are_there_and_taken_away() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    for n in 0..5 {
        put(
            &dynamo,
            "shows",
            item("a", &n.to_string(), json!({"owner": {"S": format!("o{}", n % 2)}})),
        );
    }
    let answer = ok(
        &dynamo,
        "UpdateTable",
        json!({
            "TableName": "shows", "AttributeDefinitions": [{"AttributeName": "owner", "AttributeType": "S"}],
            "GlobalSecondaryIndexUpdates": [{"Create": {
                "IndexName": "by_owner", "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"},
            }}],
        }),
    );
    let indexes = &answer["TableDescription"]["GlobalSecondaryIndexes"];
    assert_eq!(
        (&indexes[1]["IndexStatus"], &indexes[1]["ItemCount"]),
        (&json!("CREATING"), &json!(5))
    );
    let by_owner = json!({
        "TableName": "shows", "IndexName": "by_owner", "KeyConditionExpression": "#o = :o",
        "ExpressionAttributeNames": {"#o": "owner"}, "ExpressionAttributeValues": {":o": {"S": "o0"}},
    });
    assert_eq!(ok(&dynamo, "Query", by_owner.clone())["Count"], 3);
    ok(
        &dynamo,
        "UpdateTable",
        json!({"TableName": "shows", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by_owner"}}]}),
    );
    assert_eq!(
        refused(&dynamo, "Query", by_owner),
        "The table does not have the specified index: by_owner"
    );
    let table = ok(&dynamo, "DescribeTable", json!({"TableName": "shows"}))["Table"].clone();
    assert_eq!(table["AttributeDefinitions"].as_array().map(Vec::len), Some(5));
    let said = refused(
        &dynamo,
        "UpdateTable",
        json!({"TableName": "shows", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "by_owner"}}]}),
    );
    assert_eq!(said, "Requested resource not found: Index: by_owner not found");
}

#[test]
fn billing_and_protection_change() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    let answer = ok(
        &dynamo,
        "UpdateTable",
        json!({
            "TableName": "shows", "BillingMode": "PROVISIONED", "DeletionProtectionEnabled": true,
            "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        }),
    );
    assert_eq!(
        answer["TableDescription"]["ProvisionedThroughput"]["WriteCapacityUnits"],
        6
    );
    assert_eq!(answer["TableDescription"].get("BillingModeSummary"), None);
    assert!(refused(&dynamo, "DeleteTable", json!({"TableName": "shows"})).contains("protected against deletion"));
    ok(
        &dynamo,
        "UpdateTable",
        json!({"TableName": "shows", "DeletionProtectionEnabled": false}),
    );
    ok(&dynamo, "DeleteTable", json!({"TableName": "shows"}));
}

#[test]
fn items_are_deleted_when_their_time_has_come() {
    let clock = TestClock::new();
    let dynamo = dynamo_at(&clock);
    create_table(&dynamo, "shows");
    let now = NOW_MS / 1000;
    let at =
        |seconds: i64| json!({"expires_at": {"N": seconds.to_string()}, "gsi1pk": {"S": "g"}, "gsi1sk": {"N": "1"}});
    put(&dynamo, "shows", item("a", "before", at(now + 10)));
    let ttl = |enabled: bool| json!({"TableName": "shows", "TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": "expires_at"}});
    ok(&dynamo, "UpdateTimeToLive", ttl(true));
    assert_eq!(
        refused(&dynamo, "UpdateTimeToLive", ttl(true)),
        "TimeToLive is already enabled"
    );
    assert_eq!(
        ok(&dynamo, "DescribeTimeToLive", json!({"TableName": "shows"})),
        json!({"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}})
    );
    put(&dynamo, "shows", item("a", "soon", at(now + 5)));
    put(&dynamo, "shows", item("a", "later", at(now + 100)));
    put(&dynamo, "shows", item("a", "moved", at(now + 5)));
    put(&dynamo, "shows", item("a", "moved", at(now + 200)));
    put(&dynamo, "shows", item("a", "long ago", at(now - 6 * 365 * 86_400)));
    put(&dynamo, "shows", item("a", "text", json!({"expires_at": {"S": "1"}})));
    let left = |dynamo: &concert_store::dynamodb::Dynamo| {
        sort_keys(&ok(
            dynamo,
            "Query",
            json!({
                "TableName": "shows", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "a"}},
            }),
        ))
    };
    assert_eq!(dynamo.sweep_expired().expect("it sweeps"), 0);
    clock.advance_seconds(20);
    assert_eq!(dynamo.sweep_expired().expect("it sweeps"), 2);
    assert_eq!(left(&dynamo), ["later", "long ago", "moved", "text"]);
    assert_eq!(
        ok(&dynamo, "Scan", json!({"TableName": "shows", "IndexName": "gsi1"}))["Count"],
        3
    );
    clock.advance_seconds(300);
    assert_eq!(dynamo.sweep_expired().expect("it sweeps"), 2);
    ok(&dynamo, "UpdateTimeToLive", ttl(false));
    put(&dynamo, "shows", item("a", "kept", at(now)));
    assert_eq!(dynamo.sweep_expired().expect("it sweeps"), 0);
    assert_eq!(left(&dynamo), ["kept", "long ago", "text"]);
}

#[test]
fn more_items_than_one_sweep_takes_are_all_deleted() {
    let clock = TestClock::new();
    let dynamo = dynamo_at(&clock);
    create_table(&dynamo, "shows");
    ok(
        &dynamo,
        "UpdateTimeToLive",
        json!({"TableName": "shows", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "expires_at"}}),
    );
    for n in 0..250 {
        put(
            &dynamo,
            "shows",
            item(
                "a",
                &n.to_string(),
                json!({"expires_at": {"N": (NOW_MS / 1000 + n % 3).to_string()}}),
            ),
        );
    }
    clock.advance_seconds(10);
    assert_eq!(dynamo.sweep_expired().expect("it sweeps"), 250);
    assert_eq!(
        ok(&dynamo, "DescribeTable", json!({"TableName": "shows"}))["Table"]["ItemCount"],
        0
    );
}

#[test]
fn tags_are_kept_with_their_table() {
    let dynamo = dynamo();
    create_table(&dynamo, "shows");
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/shows";
    ok(
        &dynamo,
        "TagResource",
        json!({"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]}),
    );
    ok(&dynamo, "UntagResource", json!({"ResourceArn": arn, "TagKeys": ["a"]}));
    assert_eq!(
        ok(&dynamo, "ListTagsOfResource", json!({"ResourceArn": arn})),
        json!({"Tags": [{"Key": "b", "Value": "2"}]})
    );
    let error = failed(&dynamo, "ListTagsOfResource", json!({"ResourceArn": format!("{arn}x")}));
    assert!(matches!(error, DynamoError::ResourceNotFound(_)), "{error}");
}

#[test]
fn what_is_not_served_says_what_is() {
    let dynamo = dynamo();
    assert!(
        refused(&dynamo, "CreateBackup", json!({}))
            .starts_with("CreateBackup is not served here. Served are BatchGetItem,")
    );
    assert!(matches!(
        failed(&dynamo, "ListTables", Json::Null),
        DynamoError::Serialization(_)
    ));
    assert!(matches!(
        failed(&dynamo, "ListTables", json!({"Limit": "3"})),
        DynamoError::Serialization(_)
    ));
    assert_eq!(
        ok(&dynamo, "DescribeLimits", json!({}))["TableMaxReadCapacityUnits"],
        40_000
    );
}
