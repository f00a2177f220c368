"""Models behind a server of OpenAI's chat API, and SageMaker's endpoints, before a stub of both."""

import json

import botocore.exceptions
import pytest

from stub import delta, part, usage, whole
from test_bedrock import IMAGE, claude, listen, result, user

TOOL = {"toolSpec": {"name": "look", "description": "Looks.", "inputSchema": {"json": {"type": "object"}}}}
TOOLS = {"tools": [TOOL]}


@pytest.fixture
def bedrock(client, behind):
    return client("bedrock-runtime", url=behind)


@pytest.fixture
def sagemaker(client, behind):
    return client("sagemaker-runtime", url=behind)


def refused(call, code, status):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    response = caught.value.response
    assert response["Error"]["Code"] == code, response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    return response


def test_a_conversation_is_translated_both_ways(bedrock, server):
    server.will(whole("I look.", "tool_calls", [("c1", "look", {"at": "a"}), ("c2", "look", {"at": "b"})]))
    first = bedrock.converse(
        modelId="local.server",
        system=[{"text": "Be brief."}],
        messages=[user("go")],
        toolConfig=TOOLS,
        inferenceConfig={"maxTokens": 50, "temperature": 0.5},
        additionalModelRequestFields={"top_k": 7},
        additionalModelResponseFieldPaths=["/system_fingerprint"],
    )
    message = first["output"]["message"]
    assert message["content"] == [
        {"text": "I look."},
        {"toolUse": {"toolUseId": "c1", "name": "look", "input": {"at": "a"}}},
        {"toolUse": {"toolUseId": "c2", "name": "look", "input": {"at": "b"}}},
    ]
    assert first["stopReason"] == "tool_use"
    assert first["usage"] == {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
    assert first["additionalModelResponseFields"] == {"system_fingerprint": "fp"}
    (asked,) = server.asked()
    assert asked["model"] == "stub-model" and asked["stream"] is False
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "go"}]
    assert asked["tools"][0]["function"] == {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}
    assert (asked["max_tokens"], asked["temperature"], asked["top_k"]) == (50, 0.5, 7)

    server.will(whole("Seen."))
    answers = result("c1", {"json": {"n": 1}})
    answers["content"] += result("c2", {"text": "gone"}, "error")["content"]
    answers["content"] += [{"text": "and?"}, IMAGE]
    then = bedrock.converse(modelId="server:qwen/other:7b", messages=[user("go"), message, answers], toolConfig=TOOLS)
    assert then["output"]["message"]["content"] == [{"text": "Seen."}]
    (asked,) = server.asked()
    assert asked["model"] == "qwen/other:7b"
    calls = asked["messages"][1]["tool_calls"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"at": "a"}, {"at": "b"}]
    assert asked["messages"][2:4] == [
        {"role": "tool", "tool_call_id": "c1", "content": '{"n":1}'},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: gone"},
    ]
    assert [part["type"] for part in asked["messages"][4]["content"]] == ["text", "image_url"]


def test_a_stream_is_translated_as_it_comes(bedrock, server):
    server.will(
        [
            delta(role="assistant", content=""),
            delta(reasoning_content="Hm."),
            delta(content="I "),
            delta(content="look."),
            delta(tool_calls=[part(0, "", "c1", "look")]),
            delta(tool_calls=[part(0, '{"at":')]),
            delta(tool_calls=[part(1, '{"at": "b"}', "c2", "look")]),
            delta(tool_calls=[part(0, ' "a"}')]),
            delta("tool_calls"),
            usage(5, 6),
            "[DONE]",
        ]
    )
    stream = bedrock.converse_stream(modelId="local.server", messages=[user("go")], toolConfig=TOOLS)["stream"]
    blocks, events, spent = {}, [], None
    for event in stream:
        ((kind, body),) = event.items()
        events.append(kind)
        if kind == "contentBlockStart":
            blocks[body["contentBlockIndex"]] = [body["start"]["toolUse"]["name"], ""]
        elif kind == "contentBlockDelta":
            ((name, value),) = body["delta"].items()
            said = value if name == "text" else value.get("input") or value.get("text")
            blocks.setdefault(body["contentBlockIndex"], [name, ""])[1] += said
        elif kind == "metadata":
            spent = body["usage"]
    assert [blocks[i] for i in sorted(blocks)] == [
        ["reasoningContent", "Hm."],
        ["text", "I look."],
        ["look", '{"at": "a"}'],
        ["look", '{"at": "b"}'],
    ]
    assert spent == {"inputTokens": 5, "outputTokens": 6, "totalTokens": 11}
    assert events.count("contentBlockStop") == 4
    (asked,) = server.asked()
    assert asked["stream"] is True and asked["stream_options"] == {"include_usage": True}


def test_stop_sequences_hold_even_if_the_server_does_not_know_them(bedrock, server):
    server.will([delta(content="one E"), delta(content="ND two"), delta("stop"), "[DONE]"])
    config = {"stopSequences": ["a", "b", "c", "d", "END"]}
    request = {"modelId": "local.server", "messages": [user("go")], "inferenceConfig": config}
    heard = listen(bedrock.converse_stream(**request)["stream"])
    assert (heard["content"], heard["stopReason"]) == ([{"text": "one "}], "stop_sequence")
    assert server.asked()[0]["stop"] == ["a", "b", "c", "d"]


def test_invoke_model_reaches_the_server_too(bedrock, server):
    server.will(whole("Hello."))
    answer = bedrock.invoke_model(modelId="local.server", body=json.dumps(claude("hi", top_k=3)))
    assert json.loads(answer["body"].read())["content"] == [{"type": "text", "text": "Hello."}]
    assert server.asked()[0]["top_k"] == 3


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
@pytest.mark.parametrize(
    ("status", "code", "becomes"),
    [
        (400, "ValidationException", 400),
        (404, "ResourceNotFoundException", 404),
        (429, "ThrottlingException", 429),
        (500, "ModelErrorException", 424),
        (503, "ServiceUnavailableException", 503),
    ],
)
def test_what_the_server_refuses_is_refused_as_bedrock_does(bedrock, server, operation, status, code, becomes):
    server.will((status, {"error": {"message": "the reason"}}))
    call = getattr(bedrock, operation)
    response = refused(lambda: call(modelId="local.server", messages=[user("go")]), code, becomes)
    assert "the reason" in response["Error"]["Message"]


def test_what_bedrock_refuses_does_not_reach_the_server(bedrock, server):
    refused(lambda: bedrock.converse(modelId="local.server", messages=[user("a"), user("b")]), "ValidationException", 400)
    assert server.requests == []


def test_a_server_that_breaks_off_is_an_error_in_the_stream(bedrock, server):
    server.will([delta(content="Half")])
    with pytest.raises(botocore.exceptions.EventStreamError, match="before its end"):
        list(bedrock.converse_stream(modelId="local.server", messages=[user("go")])["stream"])
    server.will((200, {"object": "nothing"}))
    refused(lambda: bedrock.converse(modelId="local.server", messages=[user("go")]), "ModelErrorException", 424)


def test_awss_client_tries_again_when_the_server_is_busy(client, behind, server):
    server.will((429, {"error": {"message": "busy"}}), whole("Now."))
    answer = client("bedrock-runtime", attempts=3, url=behind).converse(modelId="local.server", messages=[user("go")])
    assert answer["output"]["message"]["content"] == [{"text": "Now."}]
    assert len(server.requests) == 2


def test_without_a_server_it_is_said_what_to_start(client):
    call = client("bedrock-runtime").converse
    response = refused(lambda: call(modelId="local.server", messages=[user("go")]), "ResourceNotFoundException", 404)
    assert "--model-server" in response["Error"]["Message"]


def test_an_endpoint_is_invoked(sagemaker, server):
    server.will((200, {"predictions": [1.5]}))
    answer = sagemaker.invoke_endpoint(
        EndpointName="ticket-sales",
        Body=b'{"instances": [1]}',
        ContentType="application/json",
        Accept="application/json",
        CustomAttributes="trace=1",
    )
    assert json.loads(answer["Body"].read()) == {"predictions": [1.5]}
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("application/json", "AllTraffic")
    ((path, headers, body),) = server.requests
    assert (path, body) == ("/invocations", b'{"instances": [1]}')
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["content-type"] == headers["accept"] == "application/json"
    assert headers["x-amzn-sagemaker-custom-attributes"] == "trace=1"
    assert "authorization" not in headers, "a model server is no AWS service"


def test_an_endpoints_answer_is_streamed(sagemaker, server):
    server.will([{"n": 1}, {"n": 2}])
    answer = sagemaker.invoke_endpoint_with_response_stream(EndpointName="ticket-sales", Body=b"{}")
    text = b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]).decode()
    assert text == 'data: {"n": 1}\n\ndata: {"n": 2}\n\n'
    assert answer["InvokedProductionVariant"] == "AllTraffic"


def test_a_model_that_fails_is_a_model_error(sagemaker, server):
    server.will((500, {"error": "no such column"}))
    call = lambda: sagemaker.invoke_endpoint(EndpointName="ticket-sales", Body=b"{}")
    response = refused(call, "ModelError", 424)
    assert response["OriginalStatusCode"] == 500
    assert "no such column" in response["OriginalMessage"] and "no such column" in response["Error"]["Message"]


def test_an_endpoint_without_a_server_says_what_to_start(sagemaker, client):
    closed = lambda: sagemaker.invoke_endpoint(EndpointName="closed", Body=b"{}")
    assert "Start it" in refused(closed, "ModelError", 424)["Error"]["Message"]
    for runtime in (sagemaker, client("sagemaker-runtime")):
        none = lambda: runtime.invoke_endpoint(EndpointName="venue-popularity", Body=b"{}")
        message = refused(none, "ValidationError", 400)["Error"]["Message"]
        assert "--endpoint venue-popularity=http://127.0.0.1:PORT" in message
    many = lambda: sagemaker.invoke_endpoint(EndpointName="ticket-sales", Body=b"{}", TargetModel="a.tar.gz")
    assert "TargetModel" in refused(many, "ValidationError", 400)["Error"]["Message"]


def test_faults_reach_every_service(sagemaker, with_fault):
    for fault, code, status in [("throttle", "ThrottlingException", 429), ("status=503", "ServiceUnavailableException", 503)]:
        broken = with_fault(sagemaker, fault)
        refused(lambda: broken.invoke_endpoint(EndpointName="ticket-sales", Body=b"{}"), code, status)
