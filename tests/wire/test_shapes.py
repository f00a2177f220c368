"""What shapes.py sees and what it does not let pass, and that it has seen every operation."""

import json
import types
import urllib.request

import botocore.session
import pytest

import shapes

session = botocore.session.get_session()


def output(service, operation):
    return session.get_service_model(service).operation_model(operation)


def answered(model, body, headers=None, status=200):
    """An answer as the client would have got it."""
    given = {"x-amzn-requestid": "12345678-1234-1234-1234-123456789012", **(headers or {})}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = types.SimpleNamespace(status_code=status, headers=given, content=content)
    shapes._after_call(response, {}, model)


EXECUTED = {"Id": "a", "CreatedAt": 1_700_000_000.5, "WorkgroupName": "concert", "Database": "dev"}
USAGE = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}
CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "a"}]}},
    "stopReason": "end_turn",
    "usage": USAGE,
    "metrics": {"latencyMs": 1},
}


def changed(body, **changes):
    return {**body, **changes}


def without(body, name):
    return {key: value for key, value in body.items() if key != name}


@pytest.mark.parametrize(
    ("service", "operation", "body"),
    [
        ("redshift-data", "ExecuteStatement", EXECUTED),
        ("bedrock-runtime", "Converse", CONVERSED),
        ("dynamodb", "GetItem", {"Item": {"a": {"S": "x"}, "b": {"L": [{"NULL": True}]}, "c": {"B": "AAE="}}}),
        ("dynamodb", "GetItem", {}),
    ],
)
def test_what_the_model_allows_passes(service, operation, body):
    answered(output(service, operation), body)


@pytest.mark.parametrize(
    ("service", "operation", "body", "complaint"),
    [
        ("redshift-data", "ExecuteStatement", changed(EXECUTED, Extra=1), "does not know: .*Extra|Extra"),
        ("redshift-data", "ExecuteStatement", changed(EXECUTED, CreatedAt="2026-01-01"), "seconds since 1970"),
        ("redshift-data", "ExecuteStatement", changed(EXECUTED, CreatedAt=1_700_000_000_000), "this century"),
        ("redshift-data", "ExecuteStatement", changed(EXECUTED, Id=None), "is left out"),
        ("redshift-data", "ExecuteStatement", changed(EXECUTED, Id=5), "must be a string"),
        ("redshift-data", "DescribeStatement", {}, "lacks the required member Id"),
        ("redshift-data", "DescribeStatement", {"Id": "a", "Status": "DONE"}, "must be one of"),
        ("redshift-data", "DescribeStatement", {"Id": "a", "ResultRows": 1.5}, "whole number"),
        ("redshift-data", "DescribeStatement", {"Id": "a", "HasResultSet": 1}, "true or false"),
        ("redshift-data", "GetStatementResult", {"Records": [[{"longValue": 1, "stringValue": "a"}]]}, "exactly one member"),
        ("redshift-data", "GetStatementResult", {"Records": {}}, "must be a list"),
        ("bedrock-runtime", "Converse", without(CONVERSED, "usage"), "lacks the required member usage"),
        ("bedrock-runtime", "Converse", changed(CONVERSED, usage=changed(USAGE, inputTokens=-1)), "at least 0"),
        ("bedrock-runtime", "Converse", changed(CONVERSED, stopReason="bored"), "must be one of"),
        ("bedrock-runtime", "Converse", b"<html>", "no JSON"),
        ("dynamodb", "GetItem", {"Item": {"c": {"B": "?"}}}, "must be base64"),
        ("dynamodb", "GetItem", {"Item": {"c": "x"}}, "must be an object"),
    ],
)
def test_what_the_model_does_not_allow_is_seen(service, operation, body, complaint):
    with pytest.raises(shapes.ShapeError, match=complaint):
        answered(output(service, operation), body)


@pytest.mark.parametrize(
    ("service", "operation", "status", "body", "headers", "complaint"),
    [
        ("redshift-data", "ExecuteStatement", 400, {"message": "a"}, {}, "must have a __type"),
        ("redshift-data", "ExecuteStatement", 400, {"__type": "ValidationException"}, {}, "must have a message"),
        ("redshift-data", "ExecuteStatement", 400, {"__type": "Boom", "message": "a"}, {}, "does not have"),
        ("redshift-data", "DescribeStatement", 400, {"__type": "ResourceNotFoundException", "Message": "a"}, {}, "ResourceId"),
        ("dynamodb", "GetItem", 400, {"__type": "x#ResourceNotFoundException", "message": "a", "Extra": 1}, {}, "Extra"),
        ("bedrock-runtime", "Converse", 400, {"message": "a"}, {}, "must have a code"),
        (
            "bedrock-runtime",
            "Converse",
            400,
            {"message": "a"},
            {"x-amzn-errortype": "ThrottlingException"},
            "has the status 429",
        ),
    ],
)
def test_an_error_that_the_model_does_not_allow_is_seen(service, operation, status, body, headers, complaint):
    with pytest.raises(shapes.ShapeError, match=complaint):
        answered(output(service, operation), body, headers, status)


def test_an_answer_without_a_request_id_is_seen():
    with pytest.raises(shapes.ShapeError, match="request's id"):
        answered(output("redshift-data", "ExecuteStatement"), EXECUTED, {"x-amzn-requestid": ""})


def test_an_event_that_the_model_does_not_allow_is_seen():
    shape = output("bedrock-runtime", "ConverseStream").output_shape.members["stream"]
    headers = {":message-type": "event", ":event-type": "messageStop", ":content-type": "application/json"}
    shapes.check_event(headers, b'{"stopReason": "end_turn"}', shape, "stream")
    for other, payload, complaint in [
        ({}, b"{}", "lacks the required member stopReason"),
        ({}, b'{"stopReason": "end_turn", "p": "abc"}', "does not know"),
        ({":event-type": "messageEnd"}, b"{}", "does not know"),
        ({":message-type": "note"}, b"{}", "an event or an exception"),
    ]:
        with pytest.raises(shapes.ShapeError, match=complaint):
            shapes.check_event({**headers, **other}, payload, shape, "stream")


@pytest.mark.after_all
def test_every_operation_that_is_served_was_seen_to_answer_well(endpoint, request):
    files = {item.fspath.basename for item in request.session.items}
    if len(files) < len(list(request.fspath.dirpath().listdir("test_*.py"))):
        pytest.skip("only some of the tests are run")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{endpoint}/_concert/health") as answer:
        services = json.load(answer)["services"]
    assert {"redshift-data", "bedrock-runtime", "sagemaker-runtime"} <= set(services)
    for service, operations in services.items():
        known = set(session.get_service_model(service).operation_names)
        assert set(operations) <= known, f"{service} serves what AWS does not have"
    served = {(service, operation) for service, operations in services.items() for operation in operations}
    missing = sorted(served - shapes.seen)
    assert not missing, f"no test has seen these answer well: {missing}"
