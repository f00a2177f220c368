"""DynamoDB: tables, items, expressions, indexes, pages, batches, transactions, times to live, restarts."""

import concurrent.futures
import decimal
import time
import uuid
import zlib

import boto3.dynamodb.conditions
import botocore.exceptions
import pytest

HASH = "HASH"
RANGE = "RANGE"


@pytest.fixture(scope="session")
def dynamodb(client):
    return client("dynamodb")


@pytest.fixture
def table(dynamodb):
    """A table with a global and a local index, gone after the test."""
    name = f"wire-{uuid.uuid4()}"
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
            {"AttributeName": "owner", "AttributeType": "S"},
            {"AttributeName": "rank", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": HASH}, {"AttributeName": "sk", "KeyType": RANGE}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_owner",
                "KeySchema": [
                    {"AttributeName": "owner", "KeyType": HASH},
                    {"AttributeName": "rank", "KeyType": RANGE},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["shown"]},
            }
        ],
        LocalSecondaryIndexes=[
            {
                "IndexName": "by_rank",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": HASH},
                    {"AttributeName": "rank", "KeyType": RANGE},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 5})
    yield name
    dynamodb.delete_table(TableName=name)
    dynamodb.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 5})


def key(pk, sk):
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def refused(call, code):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code, caught.value.response
    return caught.value.response


def resource(endpoint, name):
    """The same table as boto3's resource, which turns values into Python's."""
    from conftest import ACCESS_KEY, SECRET_KEY

    return boto3.resource(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    ).Table(name)


def test_the_edges_table_is_there_from_the_first_start(dynamodb):
    table = dynamodb.describe_table(TableName="concert")["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": HASH},
        {"AttributeName": "sk", "KeyType": RANGE},
    ]
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "gsi1" and index["Projection"] == {"ProjectionType": "ALL"}
    assert [part["AttributeName"] for part in index["KeySchema"]] == ["gsi1pk", "gsi1sk"]
    ttl = dynamodb.describe_time_to_live(TableName="concert")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    assert "concert" in dynamodb.list_tables()["TableNames"]


def test_python_values_come_back_as_they_went(endpoint, table):
    items = resource(endpoint, table)
    item = {
        "pk": "a",
        "sk": "1",
        "text": "Björk",
        "number": decimal.Decimal("-12345678901234567890.12345"),
        "bytes": b"\x00\xff",
        "yes": True,
        "nothing": None,
        "list": [1, "two", [decimal.Decimal("3.5")], {"four": b"4"}],
        "map": {"empty": {}, "deep": {"er": ["x"]}},
        "names": {"a", "b"},
        "numbers": {decimal.Decimal(1), decimal.Decimal("2.5")},
        "blobs": {b"x", b"y"},
    }
    items.put_item(Item=item)
    assert items.get_item(Key={"pk": "a", "sk": "1"}, ConsistentRead=True)["Item"] == item
    assert "Item" not in items.get_item(Key={"pk": "a", "sk": "2"})


def test_answers_carry_a_checksum_and_a_request_id(dynamodb):
    seen = []
    dynamodb.meta.events.register("before-parse.dynamodb.ListTables", lambda response_dict, **_: seen.append(response_dict))
    answer = dynamodb.list_tables()
    dynamodb.meta.events.unregister("before-parse.dynamodb.ListTables")
    assert answer["ResponseMetadata"]["RequestId"]
    assert int(seen[0]["headers"]["x-amz-crc32"]) == zlib.crc32(seen[0]["body"])
    assert seen[0]["headers"]["content-type"] == "application/x-amz-json-1.0"


def test_updates_change_and_return(dynamodb, table):
    where = {"TableName": table, "Key": key("a", "1")}
    created = dynamodb.update_item(
        **where,
        UpdateExpression="SET #n = if_not_exists(#n, :zero) + :one, info = :info, tags = list_append(:tags, :tags) ADD seen :seen",
        ExpressionAttributeNames={"#n": "count"},
        ExpressionAttributeValues={
            ":zero": {"N": "0"},
            ":one": {"N": "1"},
            ":info": {"M": {"city": {"S": "Berlin"}}},
            ":tags": {"L": [{"S": "x"}]},
            ":seen": {"SS": ["a"]},
        },
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert created == {
        **key("a", "1"),
        "count": {"N": "1"},
        "info": {"M": {"city": {"S": "Berlin"}}},
        "tags": {"L": [{"S": "x"}, {"S": "x"}]},
        "seen": {"SS": ["a"]},
    }
    changed = dynamodb.update_item(
        **where,
        UpdateExpression="SET info.city = :c REMOVE tags[0] DELETE seen :seen",
        ExpressionAttributeValues={":c": {"S": "Paris"}, ":seen": {"SS": ["a"]}},
        ReturnValues="UPDATED_NEW",
    )["Attributes"]
    assert changed == {"info": {"M": {"city": {"S": "Paris"}}}, "tags": {"L": [{"S": "x"}]}}
    error = refused(
        lambda: dynamodb.update_item(**where, UpdateExpression="SET a = :x, a.b = :x", ExpressionAttributeValues={":x": {"S": "x"}}),
        "ValidationException",
    )
    assert error["Error"]["Message"] == (
        "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these "
        "paths; path one: [a], path two: [a, b]"
    )
    deleted = dynamodb.delete_item(**where, ReturnValues="ALL_OLD")
    assert deleted["Attributes"]["count"] == {"N": "1"}


def test_a_failed_condition_answers_the_item(dynamodb, table):
    dynamodb.put_item(TableName=table, Item={**key("a", "1"), "n": {"N": "1"}})
    error = refused(
        lambda: dynamodb.put_item(
            TableName=table,
            Item=key("a", "1"),
            ConditionExpression="n > :n OR attribute_not_exists(pk)",
            ExpressionAttributeValues={":n": {"N": "5"}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        ),
        "ConditionalCheckFailedException",
    )
    assert error["Error"]["Message"] == "The conditional request failed"
    assert error["Item"] == {**key("a", "1"), "n": {"N": "1"}}
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_of_many_clients_one_wins(client, table):
    def take(number):
        try:
            client("dynamodb").put_item(
                TableName=table,
                Item={**key("lock", "1"), "by": {"N": str(number)}},
                ConditionExpression="attribute_not_exists(pk)",
            )
            return 1
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"
            return 0

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(16))) == 1


def test_queries_range_page_filter_and_count(dynamodb, endpoint, table):
    items = resource(endpoint, table)
    with items.batch_writer() as batch:
        for n in range(30):
            batch.put_item(Item={"pk": "p", "sk": f"{n:02}", "rank": 100 - n, "owner": f"o{n % 2}", "shown": n, "unseen": n})
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="pk = :p AND sk BETWEEN :low AND :high",
        ExpressionAttributeValues={":p": {"S": "p"}, ":low": {"S": "05"}, ":high": {"S": "24"}},
        PaginationConfig={"PageSize": 7},
    )
    found = [[item["sk"]["S"] for item in page["Items"]] for page in pages]
    assert [len(page) for page in found] == [7, 7, 6]
    assert sum(found, []) == [f"{n:02}" for n in range(5, 25)]
    attr, condition = boto3.dynamodb.conditions.Attr, boto3.dynamodb.conditions.Key
    backward = items.query(
        KeyConditionExpression=condition("pk").eq("p") & condition("sk").begins_with("1"),
        FilterExpression=attr("shown").gte(15) & attr("unseen").is_in([15, 16, 19, 3]),
        ScanIndexForward=False,
    )
    assert [item["sk"] for item in backward["Items"]] == ["19", "16", "15"]
    assert backward["ScannedCount"] == 10
    by_owner = items.query(IndexName="by_owner", KeyConditionExpression=condition("owner").eq("o1") & condition("rank").lt(80))
    assert [int(item["rank"]) for item in by_owner["Items"]] == [71, 73, 75, 77, 79]
    assert all("shown" in item and "unseen" not in item for item in by_owner["Items"])
    by_rank = items.query(
        IndexName="by_rank",
        KeyConditionExpression=condition("pk").eq("p") & condition("rank").lte(72),
        Select="ALL_ATTRIBUTES",
        ConsistentRead=True,
    )
    assert [item["unseen"] for item in by_rank["Items"]] == [29, 28]
    count = dynamodb.query(
        TableName=table,
        Select="COUNT",
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": "p"}},
        ReturnConsumedCapacity="INDEXES",
    )
    assert count["Count"] == 30 and "Items" not in count
    assert count["ConsumedCapacity"] == {"TableName": table, "CapacityUnits": 0.5, "Table": {"CapacityUnits": 0.5}}
    error = refused(
        lambda: dynamodb.query(
            TableName=table, KeyConditionExpression="sk = :s", ExpressionAttributeValues={":s": {"S": "1"}}
        ),
        "ValidationException",
    )
    assert error["Error"]["Message"] == "Query condition missed key schema element: pk"


def test_segments_scan_everything_once(dynamodb, table):
    for n in range(40):
        dynamodb.put_item(TableName=table, Item=key(f"p{n}", "1"))

    def segment(number):
        pages = dynamodb.get_paginator("scan").paginate(
            TableName=table, Segment=number, TotalSegments=4, ProjectionExpression="pk", PaginationConfig={"PageSize": 3}
        )
        return [item["pk"]["S"] for page in pages for item in page["Items"]]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(segment, range(4)))
    assert all(parts)
    assert sorted(sum(parts, [])) == sorted(f"p{n}" for n in range(40))


def test_batches(dynamodb, table):
    puts = [{"PutRequest": {"Item": {**key("a", str(n)), "n": {"N": str(n)}}}} for n in range(25)]
    assert dynamodb.batch_write_item(RequestItems={table: puts})["UnprocessedItems"] == {}
    answer = dynamodb.batch_get_item(
        RequestItems={
            table: {
                "Keys": [key("a", str(n)) for n in range(30)],
                "ProjectionExpression": "#n",
                "ExpressionAttributeNames": {"#n": "n"},
            }
        },
        ReturnConsumedCapacity="TOTAL",
    )
    assert sorted(int(item["n"]["N"]) for item in answer["Responses"][table]) == list(range(25))
    assert answer["UnprocessedKeys"] == {}
    assert answer["ConsumedCapacity"][0]["CapacityUnits"] == 15.0
    too_many = puts + [{"DeleteRequest": {"Key": key("b", "1")}}]
    refused(lambda: dynamodb.batch_write_item(RequestItems={table: too_many}), "ValidationException")
    error = refused(
        lambda: dynamodb.batch_write_item(RequestItems={"not-there": puts[:1]}), "ResourceNotFoundException"
    )
    assert error["Error"]["Message"] == "Requested resource not found"


def test_transactions_are_all_or_nothing_and_happen_once(dynamodb, table):
    dynamodb.put_item(TableName=table, Item={**key("a", "1"), "n": {"N": "1"}})
    add = {
        "Update": {
            "TableName": table,
            "Key": key("a", "1"),
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
    new = {
        "Put": {
            "TableName": table,
            "Item": key("b", "1"),
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    token = str(uuid.uuid4())
    for _ in range(2):
        dynamodb.transact_write_items(TransactItems=[add, new], ClientRequestToken=token)
    refused(
        lambda: dynamodb.transact_write_items(TransactItems=[add], ClientRequestToken=token),
        "IdempotentParameterMismatchException",
    )
    error = refused(lambda: dynamodb.transact_write_items(TransactItems=[add, new]), "TransactionCanceledException")
    assert error["Error"]["Message"] == (
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]"
    )
    assert error["CancellationReasons"] == [
        {"Code": "None"},
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", "Item": key("b", "1")},
    ]
    answer = dynamodb.transact_get_items(
        TransactItems=[{"Get": {"TableName": table, "Key": key(pk, "1")}} for pk in ["a", "none", "b"]]
    )
    assert answer["Responses"] == [{"Item": {**key("a", "1"), "n": {"N": "2"}}}, {}, {"Item": key("b", "1")}]


def test_tables_change(dynamodb, table):
    arn = dynamodb.describe_table(TableName=table)["Table"]["TableArn"]
    dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "booking"}])
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "booking"}]
    dynamodb.untag_resource(ResourceArn=arn, TagKeys=["team"])
    dynamodb.put_item(TableName=table, Item={**key("a", "1"), "city": {"S": "Berlin"}})
    dynamodb.update_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "city", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "by_city",
                    "KeySchema": [{"AttributeName": "city", "KeyType": HASH}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            }
        ],
    )
    found = dynamodb.query(
        TableName=table,
        IndexName="by_city",
        KeyConditionExpression="city = :c",
        ExpressionAttributeValues={":c": {"S": "Berlin"}},
    )
    assert found["Count"] == 1
    updated = dynamodb.update_table(
        TableName=table,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    )["TableDescription"]
    assert updated["ProvisionedThroughput"]["ReadCapacityUnits"] == 5
    error = refused(lambda: dynamodb.describe_table(TableName="not-there"), "ResourceNotFoundException")
    assert error["Error"]["Message"] == "Requested resource not found: Table: not-there not found"
    error = refused(
        lambda: dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": HASH}],
        ),
        "ResourceInUseException",
    )
    assert error["Error"]["Message"] == f"Table already exists: {table}"
    assert dynamodb.describe_limits()["TableMaxWriteCapacityUnits"] > 0
    assert dynamodb.describe_endpoints()["Endpoints"]


def test_items_are_gone_soon_after_their_time(dynamodb):
    dynamodb.put_item(TableName="concert", Item={**key("ttl-test", "1"), "expires_at": {"N": str(int(time.time()) + 1)}})
    dynamodb.put_item(TableName="concert", Item={**key("ttl-test", "2"), "expires_at": {"N": str(int(time.time()) + 900)}})
    until = time.monotonic() + 20
    while time.monotonic() < until and "Item" in dynamodb.get_item(TableName="concert", Key=key("ttl-test", "1")):
        time.sleep(0.2)
    assert "Item" not in dynamodb.get_item(TableName="concert", Key=key("ttl-test", "1"))
    assert "Item" in dynamodb.get_item(TableName="concert", Key=key("ttl-test", "2"))
    dynamodb.delete_item(TableName="concert", Key=key("ttl-test", "2"))


def test_what_was_answered_survives_a_kill(start, client, tmp_path):
    server = start(home=tmp_path)
    dynamodb = client("dynamodb", url=server.url)
    for n in range(20):
        dynamodb.put_item(TableName="concert", Item={**key("kept", f"{n:02}"), "gsi1pk": {"S": "g"}, "gsi1sk": {"S": str(n)}})
    server.kill()
    server.restart()
    dynamodb = client("dynamodb", url=server.url)
    found = dynamodb.query(
        TableName="concert",
        IndexName="gsi1",
        KeyConditionExpression="gsi1pk = :g",
        ExpressionAttributeValues={":g": {"S": "g"}},
    )
    assert found["Count"] == 20
    assert dynamodb.describe_table(TableName="concert")["Table"]["ItemCount"] == 20


def test_a_store_in_memory_starts_empty(start, client):
    server = start("--in-memory")
    dynamodb = client("dynamodb", url=server.url)
    assert dynamodb.list_tables()["TableNames"] == ["concert"]
    dynamodb.put_item(TableName="concert", Item=key("gone", "1"))
    server.restart()
    assert client("dynamodb", url=server.url).scan(TableName="concert")["Count"] == 0


def test_throttling_is_retried_and_corruption_noticed(client, table, with_fault):
    throttled = with_fault(client("dynamodb"), "throttle")
    refused(lambda: throttled.get_item(TableName=table, Key=key("a", "1")), "ThrottlingException")
    corrupt = with_fault(client("dynamodb"), "corrupt=3")
    with pytest.raises((botocore.exceptions.ChecksumError, botocore.exceptions.BotoCoreError)):
        corrupt.get_item(TableName=table, Key=key("a", "1"))


def test_what_is_not_served_is_said(dynamodb):
    error = refused(lambda: dynamodb.execute_statement(Statement="SELECT * FROM concert"), "UnknownOperationException")
    assert "PartiQL" in error["Error"]["Message"]
    error = refused(lambda: dynamodb.list_backups(), "UnknownOperationException")
    assert "PutItem" in error["Error"]["Message"]
    error = refused(
        lambda: dynamodb.scan(TableName="concert", AttributesToGet=["pk"]), "ValidationException"
    )
    assert "ProjectionExpression" in error["Error"]["Message"]
