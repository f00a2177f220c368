"""Bedrock's Converse and ConverseStream with the planner for a model."""

import json
import urllib.request

import botocore.exceptions
import botocore.eventstream
import pytest
import urllib3.exceptions

MODEL = "local.planner"
NAMES = ["query_data", "finish", "clarify"]
TOOLS = {
    "tools": [
        {"toolSpec": {"name": name, "description": name, "inputSchema": {"json": {"type": "object"}}}} for name in NAMES
    ]
}
METADATA = {"today": "2002-01-01", "role": "guest"}


def user(text):
    return {"role": "user", "content": [{"text": text}]}


def result(id, content, status="success"):
    return {"role": "user", "content": [{"toolResult": {"toolUseId": id, "content": [content], "status": status}}]}


def ask(bedrock, messages, **more):
    request = {"modelId": MODEL, "messages": messages, "toolConfig": TOOLS, "requestMetadata": METADATA, **more}
    return bedrock.converse(**request)


def listen(stream):
    """Puts a stream's events together to what Converse would have answered."""
    blocks, answer = {}, {"events": []}
    for event in stream:
        ((kind, body),) = event.items()
        answer["events"].append(kind)
        if kind == "contentBlockStart":
            blocks[body["contentBlockIndex"]] = {"toolUse": {**body["start"]["toolUse"], "input": ""}}
        elif kind == "contentBlockDelta":
            delta = body["delta"]
            block = blocks.setdefault(body["contentBlockIndex"], {"text": ""})
            if "text" in delta:
                block["text"] += delta["text"]
            else:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
        elif kind == "contentBlockStop":
            block = blocks[body["contentBlockIndex"]]
            if "toolUse" in block:
                block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
        elif kind == "messageStop":
            answer["stopReason"] = body["stopReason"]
        elif kind == "metadata":
            answer["usage"] = body["usage"]
    answer["content"] = [blocks[index] for index in sorted(blocks)]
    return answer


def stream(bedrock, messages, **more):
    request = {"modelId": MODEL, "messages": messages, "toolConfig": TOOLS, "requestMetadata": METADATA, **more}
    return listen(bedrock.converse_stream(**request)["stream"])


def without_ids(content):
    """A toolUse has another id each time."""
    return [{"toolUse": {**block["toolUse"], "toolUseId": ""}} if "toolUse" in block else block for block in content]


def test_a_question_is_asked_told_and_finished(bedrock):
    messages = [user("attendance by year")]
    first = stream(bedrock, messages)
    assert first["stopReason"] == "tool_use"
    (block,) = first["content"]
    call = block["toolUse"]
    assert call["name"] == "query_data"
    assert call["input"]["query"]["metrics"] == ["attendance"]
    assert call["input"]["title"]

    summary = "Attendance was highest in 1999: **1,950**."
    messages += [
        {"role": "assistant", "content": first["content"]},
        result(call["toolUseId"], {"json": {"summary": summary, "rows": [[1999, 1950]]}}),
    ]
    second = stream(bedrock, messages)
    assert second["stopReason"] == "tool_use"
    text, finish = second["content"]
    assert text["text"] == summary
    assert finish["toolUse"]["name"] == "finish"
    told = finish["toolUse"]["input"]
    assert set(told) == {"understood", "not_understood", "confidence", "follow_ups"}
    assert 0 < told["confidence"] <= 1 and told["not_understood"] == []
    assert {"words", "meaning"} == set(told["understood"][0])
    # The sentence comes in pieces.
    assert second["events"].count("contentBlockDelta") > len(summary.split())

    messages += [
        {"role": "assistant", "content": second["content"]},
        result(finish["toolUse"]["toolUseId"], {"text": "done"}),
    ]
    last = stream(bedrock, messages)
    assert (last["stopReason"], last["content"]) == ("end_turn", [])


def test_a_next_question_follows_on_the_result_of_finish(bedrock):
    first = ask(bedrock, [user("attendance by year")])["output"]["message"]
    call = first["content"][0]["toolUse"]
    answered = [user("attendance by year"), first, result(call["toolUseId"], {"json": {"summary": "So it is."}})]
    second = ask(bedrock, answered)["output"]["message"]
    finish = next(block["toolUse"] for block in second["content"] if "toolUse" in block)
    following = result(finish["toolUseId"], {"text": "done"})
    following["content"].append({"text": "how many concerts in Boston"})
    third = ask(bedrock, [*answered, second, following])
    assert third["stopReason"] == "tool_use"
    query = third["output"]["message"]["content"][0]["toolUse"]["input"]["query"]
    assert query["metrics"] == ["concerts"] and "Boston" in json.dumps(query)


def test_both_operations_say_the_same(bedrock):
    for question in ["ten best attended concerts in 1999", "which cities had more than 20 concerts", "hello there"]:
        whole = ask(bedrock, [user(question)])
        streamed = stream(bedrock, [user(question)])
        content = whole["output"]["message"]["content"]
        assert without_ids(streamed["content"]) == without_ids(content), question
        assert streamed["stopReason"] == whole["stopReason"]
        assert streamed["usage"]["inputTokens"] == whole["usage"]["inputTokens"]


def test_the_stream_has_the_events_of_a_message(bedrock):
    events = stream(bedrock, [user("who are you")])["events"]
    assert events[0] == "messageStart"
    assert events[-2:] == ["messageStop", "metadata"]
    assert events.count("contentBlockStop") == 2
    # A text block has no start of its own.
    assert events.count("contentBlockStart") == 1


def test_usage_is_counted_by_its_rule(bedrock):
    answer = ask(bedrock, [user("12345678")], toolConfig=TOOLS)
    longer = ask(bedrock, [user("12345678 90")], toolConfig=TOOLS)
    assert longer["usage"]["inputTokens"] - answer["usage"]["inputTokens"] == 1
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert answer["metrics"]["latencyMs"] >= 0


def test_it_says_who_it_is_and_what_it_did_not_understand(bedrock):
    text = ask(bedrock, [user("Who are you?")])["output"]["message"]["content"][0]["text"]
    assert "built-in planner" in text
    content = ask(bedrock, [user("frobnicate the gizmo")])["output"]["message"]["content"]
    assert content[0]["text"].strip()
    finish = content[1]["toolUse"]
    assert finish["name"] == "finish" and "gizmo" in json.dumps(finish["input"]["not_understood"])


def test_a_failed_tool_is_said_in_plain_words(bedrock):
    first = ask(bedrock, [user("attendance by year")])["output"]["message"]
    id = first["content"][0]["toolUse"]["toolUseId"]
    error = {"json": {"error_message": "The warehouse does not answer.", "suggested_action": "Try again."}}
    told = ask(bedrock, [user("attendance by year"), first, result(id, error, "error")])
    text, finish = told["output"]["message"]["content"]
    assert text["text"] == "The data could not be read: The warehouse does not answer. Try again."
    assert finish["toolUse"]["input"]["confidence"] == 0
    plain = ask(bedrock, [user("attendance by year"), first, result(id, {"text": "no such thing"}, "error")])
    assert "no such thing" in plain["output"]["message"]["content"][0]["text"]


def test_the_reply_ends_at_its_bounds(bedrock):
    stopped = ask(bedrock, [user("who are you")], inferenceConfig={"stopSequences": ["planner"]})
    assert stopped["stopReason"] == "stop_sequence"
    assert stopped["output"]["message"]["content"] == [{"text": "I am the built-in "}]
    short = ask(bedrock, [user("who are you")], inferenceConfig={"maxTokens": 3})
    assert short["stopReason"] == "max_tokens"
    assert short["usage"]["outputTokens"] == 3


@pytest.mark.parametrize(
    "model",
    [
        "local.planner-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/local.planner",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/local.planner-v1:0",
    ],
)
def test_every_name_of_the_model_is_signed_and_served(bedrock, model):
    request = {"modelId": model, "messages": [user("who are you")], "toolConfig": TOOLS}
    assert bedrock.converse(**request)["stopReason"] == "tool_use"
    assert listen(bedrock.converse_stream(**request)["stream"])["stopReason"] == "tool_use"


USE = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "query_data", "input": {}}}]}


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"messages": [user("a"), user("b")]}, "must alternate between user and assistant roles"),
        ({"messages": [{"role": "assistant", "content": [{"text": "a"}]}]}, "must start with a user message"),
        ({"messages": [user(" ")]}, "messages.0.content.0 is blank"),
        ({"messages": [user("a"), USE, user("b")], "toolConfig": TOOLS}, "Expected toolResult blocks at messages.2.content"),
        ({"messages": [user("a"), USE, result("a", {"text": "x"})]}, "toolConfig field must be defined"),
        ({"messages": [user("a")], "requestMetadata": {"today": "tomorrow"}}, "requestMetadata.today"),
        ({"messages": [user("a")], "requestMetadata": {"catalogue": "another 9.9"}}, "requestMetadata.catalogue"),
        ({"messages": [user("a")], "modelId": "anthropic.claude-v9"}, "model identifier is invalid"),
    ],
)
def test_what_bedrock_refuses_is_refused(bedrock, operation, request_, message):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        getattr(bedrock, operation)(**{"modelId": MODEL, **request_})
    response = caught.value.response
    assert response["Error"]["Code"] == "ValidationException"
    assert message in response["Error"]["Message"]
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_bad_tool_name_is_refused(client):
    bedrock = client("bedrock-runtime")
    tool = {"toolSpec": {"name": "no spaces", "inputSchema": {"json": {"type": "object"}}}}
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        bedrock.converse(modelId=MODEL, messages=[user("a")], toolConfig={"tools": [tool]})
    assert "[a-zA-Z0-9_-]+" in caught.value.response["Error"]["Message"]


def test_an_operation_that_is_not_served_is_named(bedrock):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        bedrock.invoke_model(modelId=MODEL, body=b"{}")
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert "ConverseStream" in caught.value.response["Error"]["Message"]


def test_a_stream_that_is_cut_is_seen_as_broken(client, with_fault):
    bedrock = with_fault(client("bedrock-runtime"), "cut=150")
    stream = bedrock.converse_stream(modelId=MODEL, messages=[user("who are you")], toolConfig=TOOLS)["stream"]
    events = []
    with pytest.raises(urllib3.exceptions.ProtocolError):
        for event in stream:
            events.append(event)
    assert [next(iter(event)) for event in events] == ["messageStart"]


def test_a_corrupt_frame_is_seen_by_its_checksum(client, with_fault):
    bedrock = with_fault(client("bedrock-runtime"), "corrupt=90")
    stream = bedrock.converse_stream(modelId=MODEL, messages=[user("who are you")], toolConfig=TOOLS)["stream"]
    with pytest.raises(botocore.eventstream.ChecksumMismatch):
        list(stream)


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [("throttle", "ThrottlingException", 429), ("status=503", "ServiceUnavailableException", 503)],
)
def test_faults_are_awss_own_errors(client, with_fault, fault, code, status):
    bedrock = with_fault(client("bedrock-runtime"), fault)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        bedrock.converse(modelId=MODEL, messages=[user("a")])
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_awss_client_tries_again_after_a_throttle(client, endpoint):
    order = json.dumps({"fault": "throttle", "count": 1, "operation": "Converse"}).encode()
    request = urllib.request.Request(f"{endpoint}/_concert/fault", data=order, method="PUT")
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).close()
    answer = client("bedrock-runtime", attempts=3).converse(modelId=MODEL, messages=[user("who are you")])
    assert answer["ResponseMetadata"]["RetryAttempts"] == 1
