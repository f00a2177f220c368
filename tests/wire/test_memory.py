"""AgentCore memory: events, branches, sessions, and records that are extracted, made, found and deleted."""

import datetime
import json
import uuid

import botocore.exceptions
import pytest

MEMORY = "concert-localmem01"


@pytest.fixture(scope="session")
def memory(client):
    return client("bedrock-agentcore")


@pytest.fixture
def actor():
    """Nobody else's."""
    return f"actor-{uuid.uuid4()}"


def refused(call, code):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code, caught.value.response
    return caught.value.response


def said(role, text):
    return {"conversational": {"role": role, "content": {"text": text}}}


def tell(memory, actor, session, payload, second=0, **more):
    at = datetime.datetime(2026, 11, 21, 12, 0, second, tzinfo=datetime.timezone.utc)
    request = {"memoryId": MEMORY, "actorId": actor, "sessionId": session, "eventTimestamp": at, "payload": payload}
    return memory.create_event(**request, **more)["event"]


def test_events_come_back_newest_first_and_in_pages(memory, actor):
    told = [tell(memory, actor, "one", [said("USER", f"number {n}"), {"blob": {"n": n}}], n) for n in range(5)]
    where = {"memoryId": MEMORY, "actorId": actor, "sessionId": "one"}
    pages = memory.get_paginator("list_events").paginate(**where, PaginationConfig={"PageSize": 2})
    found = [event for page in pages for event in page["events"]]
    assert [event["eventId"] for event in found] == [event["eventId"] for event in reversed(told)]
    assert found[0]["payload"] == [said("USER", "number 4"), {"blob": {"n": 4}}]
    assert found[0]["eventTimestamp"] == told[4]["eventTimestamp"]
    assert memory.list_events(**where, includePayloads=False)["events"][0]["payload"] == []
    event = memory.get_event(**where, eventId=told[1]["eventId"])["event"]
    assert event == told[1]
    assert memory.delete_event(**where, eventId=told[1]["eventId"])["eventId"] == told[1]["eventId"]
    error = refused(lambda: memory.get_event(**where, eventId=told[1]["eventId"]), "ResourceNotFoundException")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_branches_and_metadata(memory, actor):
    root = tell(memory, actor, "one", [said("USER", "first")], 1, metadata={"kind": {"stringValue": "question"}})
    tell(memory, actor, "one", [said("USER", "second")], 2)
    edit = tell(memory, actor, "one", [said("USER", "edited")], 3, branch={"name": "edit", "rootEventId": root["eventId"]})
    assert edit["branch"] == {"name": "edit", "rootEventId": root["eventId"]}
    where = {"memoryId": MEMORY, "actorId": actor, "sessionId": "one"}
    branch = {"name": "edit", "includeParentBranches": True}
    found = memory.list_events(**where, filter={"branch": branch})["events"]
    assert [event["eventId"] for event in found] == [edit["eventId"], root["eventId"]]
    kind = {"left": {"metadataKey": "kind"}, "operator": "EQUALS_TO", "right": {"metadataValue": {"stringValue": "question"}}}
    found = memory.list_events(**where, filter={"eventMetadata": [kind]})["events"]
    assert [event["eventId"] for event in found] == [root["eventId"]]
    error = refused(
        lambda: tell(memory, actor, "one", [said("USER", "x")], 4, branch={"name": "new"}), "ValidationException"
    )
    assert error["reason"] == "FieldValidationFailed"
    assert error["fieldList"][0]["name"] == "branch.rootEventId"


def test_sessions_and_actors_with_any_name(memory, actor):
    named = f"users/{actor}:eu"
    tell(memory, named, "one", [said("USER", "hello")])
    tell(memory, named, "two", [said("USER", "hello")])
    sessions = memory.list_sessions(memoryId=MEMORY, actorId=named, filter={"eventFilter": "HAS_EVENTS"})["sessionSummaries"]
    assert {session["sessionId"] for session in sessions} == {"one", "two"}
    assert all(session["actorId"] == named for session in sessions)
    pages = memory.get_paginator("list_actors").paginate(memoryId=MEMORY, PaginationConfig={"PageSize": 1})
    assert named in [summary["actorId"] for page in pages for summary in page["actorSummaries"]]


def test_a_token_makes_an_event_once(memory, actor):
    token = str(uuid.uuid4())
    one = tell(memory, actor, "one", [said("USER", "hello")], clientToken=token)
    assert tell(memory, actor, "one", [said("USER", "hello")], clientToken=token) == one
    error = refused(lambda: tell(memory, actor, "one", [said("USER", "other")], clientToken=token), "ValidationException")
    assert error["reason"] == "IdempotentParameterMismatchException"
    events = memory.list_events(memoryId=MEMORY, actorId=actor, sessionId="one")["events"]
    assert len(events) == 1


def test_what_is_said_is_remembered_and_found(memory, actor):
    tell(
        memory,
        actor,
        "one",
        [
            said("USER", "My venues are the Metro and Schubas. Always show revenue in euros. Which sold best in March?"),
            said("ASSISTANT", "The Metro sold best."),
        ],
    )
    tell(memory, actor, "two", [said("USER", "I prefer jazz clubs.")], 1)

    def listed(strategy, **more):
        pages = memory.get_paginator("list_memory_records").paginate(
            memoryId=MEMORY, namespace=f"/strategies/{strategy}/actors/{actor}", **more
        )
        return [record for page in pages for record in page["memoryRecordSummaries"]]

    (fact,) = listed("facts-localfacts")
    assert fact["content"] == {"text": "The user's venues are the Metro and Schubas."}
    assert fact["namespaces"] == [f"/strategies/facts-localfacts/actors/{actor}"]
    assert fact["memoryStrategyId"] == "facts-localfacts"
    preferences = [json.loads(record["content"]["text"]) for record in listed("preferences-localprefs")]
    assert {preference["preference"] for preference in preferences} == {"Prefers jazz clubs", "Always show revenue in euros"}
    assert len(listed("summaries-localsumms")) == 2
    found = memory.retrieve_memory_records(
        memoryId=MEMORY,
        namespace=f"/strategies/preferences-localprefs/actors/{actor}",
        searchCriteria={"searchQuery": "revenue of jazz clubs in euros", "topK": 2},
    )["memoryRecordSummaries"]
    assert [record["score"] for record in found] == sorted((record["score"] for record in found), reverse=True)
    assert "euros" in found[0]["content"]["text"]
    path = memory.retrieve_memory_records(
        memoryId=MEMORY,
        namespacePath="/strategies/facts-localfacts",
        searchCriteria={"searchQuery": "Schubas", "memoryStrategyId": "facts-localfacts"},
    )["memoryRecordSummaries"]
    assert any(record["memoryRecordId"] == fact["memoryRecordId"] for record in path)
    where = {"memoryId": MEMORY, "memoryRecordId": fact["memoryRecordId"]}
    assert memory.get_memory_record(**where)["memoryRecord"]["content"] == fact["content"]
    assert memory.delete_memory_record(**where)["memoryRecordId"] == fact["memoryRecordId"]
    refused(lambda: memory.get_memory_record(**where), "ResourceNotFoundException")
    assert listed("facts-localfacts") == []


def test_records_in_batches(memory, actor):
    now = datetime.datetime.now(datetime.timezone.utc)
    namespace = f"/notes/{actor}"
    records = [
        {
            "requestIdentifier": f"r{n}",
            "namespaces": [namespace],
            "content": {"text": f"note number {n}"},
            "timestamp": now,
            "metadata": {"stars": {"numberValue": n}},
        }
        for n in range(3)
    ]
    made = memory.batch_create_memory_records(memoryId=MEMORY, records=records)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert [record["status"] for record in made["successfulRecords"]] == ["SUCCEEDED"] * 3
    ids = [record["memoryRecordId"] for record in made["successfulRecords"]]
    stars = {"left": {"metadataKey": "stars"}, "operator": "GREATER_THAN", "right": {"metadataValue": {"numberValue": 0}}}
    found = memory.list_memory_records(memoryId=MEMORY, namespace=namespace, metadataFilters=[stars])
    assert {record["memoryRecordId"] for record in found["memoryRecordSummaries"]} == set(ids[1:])
    changed = memory.batch_update_memory_records(
        memoryId=MEMORY,
        records=[
            {"memoryRecordId": ids[0], "timestamp": now, "content": {"text": "changed"}},
            {"memoryRecordId": "mem-" + "0" * 40, "timestamp": now},
        ],
    )
    assert [record["errorCode"] for record in changed["failedRecords"]] == [404]
    assert memory.get_memory_record(memoryId=MEMORY, memoryRecordId=ids[0])["memoryRecord"]["content"] == {"text": "changed"}
    gone = memory.batch_delete_memory_records(memoryId=MEMORY, records=[{"memoryRecordId": id} for id in ids])
    assert len(gone["successfulRecords"]) == 3
    assert memory.list_memory_records(memoryId=MEMORY, namespace=namespace)["memoryRecordSummaries"] == []


def test_what_was_told_survives_a_kill(start, client, tmp_path):
    server = start(home=tmp_path)
    told = tell(client("bedrock-agentcore", url=server.url), "ada", "one", [said("USER", "I prefer clubs.")])
    server.kill()
    server.restart()
    memory = client("bedrock-agentcore", url=server.url)
    (event,) = memory.list_events(memoryId=MEMORY, actorId="ada", sessionId="one")["events"]
    assert event == told
    records = memory.list_memory_records(memoryId=MEMORY, namespace="/strategies/preferences-localprefs/actors/ada")
    assert len(records["memoryRecordSummaries"]) == 1


def test_other_memories_are_not_found(memory, actor):
    error = refused(lambda: memory.list_actors(memoryId="another-aaaaaaaaaa"), "ResourceNotFoundException")
    assert error["Error"]["Message"] == "Memory not found: another-aaaaaaaaaa"
    refused(
        lambda: memory.list_events(memoryId=MEMORY, actorId=actor, sessionId="none"), "ResourceNotFoundException"
    )
    refused(lambda: memory.list_memory_records(memoryId=MEMORY), "ValidationException")
