"""Compares what a service answers with botocore's own model of that service: required and unknown members, types, enums,
bounds, timestamps, headers, the events of streams, and errors. It reads what came over the wire, since botocore's parser
passes over what it does not know.

`watch(client)` does so for every answer of a client; the fixtures in conftest.py use it for all tests.
"""

import base64
import binascii
import datetime
import json
import math
import re

# Errors that every AWS service may give, which no service's model lists.
COMMON_ERRORS = {
    "AccessDeniedException",
    "IncompleteSignatureException",
    "InternalServerException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "RequestEntityTooLargeException",
    "RequestTimeoutException",
    "SerializationException",
    "ServiceUnavailableException",
    "ThrottlingException",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "ValidationException",
}
REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-Z]{52}")
# What a service can plausibly mean by a point in time, in seconds since 1970.
TIMES = range(0, 4_102_444_800)

# Bounds that AWS's own answers do not keep: DynamoDB counts the decreases of a day from 0, and has empty maps of what was
# left undone.
LOOSE_SHAPES = {"PositiveLongObject", "BatchWriteItemRequestMap", "BatchGetRequestMap"}

# (service, operation) of every good answer that was compared.
seen = set()


class ShapeError(AssertionError):
    """An answer that the service's model does not allow."""


def watch(client):
    """Compares every answer that the client gets from now on. Gives the client."""
    client.meta.events.register("after-call", _after_call, unique_id="concert-shapes")
    return client


def _after_call(http_response, parsed, model, **_):
    place = f"{model.service_model.service_name}.{model.name}"
    if http_response.status_code >= 300:
        _error(http_response, model, place)
        return
    check_answer(http_response, parsed, model, place)
    seen.add((model.service_model.service_name, model.name))


def check_answer(http_response, parsed, model, place):
    """A good answer: headers, then the body by the operation's output."""
    _request_id(http_response.headers, place)
    shape = model.output_shape
    if shape is None:
        return
    body_members = {}
    payload = shape.serialization.get("payload")
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if location in ("header", "headers"):
            _header(http_response.headers, name, member, name in shape.required_members, place)
        elif location != "statusCode" and name != payload:
            body_members[name] = member
    if payload is None:
        _object(_json(http_response.content, place), shape, place, only=body_members)
        return
    member = shape.members[payload]
    if getattr(member, "is_event_stream", False) or member.serialization.get("eventstream"):
        _watch_stream(parsed[payload], member, place)
    elif member.type_name in ("structure", "list", "map"):
        check(_json(http_response.content, place), member, f"{place}.{payload}")


def check(value, shape, place):
    """A value of an answer's JSON by its shape."""
    if shape.type_name == "structure" and shape.is_document_type:
        return
    kind = KINDS.get(shape.type_name)
    if kind is None:
        raise ShapeError(f"{place}: the comparison does not know the type {shape.type_name}")
    kind(value, shape, place)


def _fail_unless(holds, place, what, value):
    if not holds:
        raise ShapeError(f"{place}: {what}, got {value!r:.200}")


def _object(value, shape, place, only=None):
    _fail_unless(isinstance(value, dict), place, "must be an object", value)
    members = only if only is not None else shape.members
    by_wire_name = {member.serialization.get("name", name): (name, member) for name, member in members.items()}
    unknown = set(value) - set(by_wire_name)
    _fail_unless(not unknown, place, "has members that the model does not know", sorted(unknown))
    for wire_name, (name, member) in by_wire_name.items():
        if name in shape.required_members:
            _fail_unless(wire_name in value, place, f"lacks the required member {wire_name}", value)
        if wire_name in value:
            _fail_unless(
                value[wire_name] is not None or getattr(member, "is_document_type", False),
                f"{place}.{wire_name}",
                "a member without a value is left out",
                None,
            )
            check(value[wire_name], member, f"{place}.{wire_name}")
    if getattr(shape, "is_tagged_union", False):
        _fail_unless(len(value) == 1, place, "a union has exactly one member", value)


def _list(value, shape, place):
    _fail_unless(isinstance(value, list), place, "must be a list", value)
    _bounds(len(value), shape, place, "length")
    for i, item in enumerate(value):
        check(item, shape.member, f"{place}[{i}]")


def _map(value, shape, place):
    _fail_unless(isinstance(value, dict), place, "must be an object", value)
    _bounds(len(value), shape, place, "length")
    for key, item in value.items():
        check(key, shape.key, f"{place} key {key!r}")
        check(item, shape.value, f"{place}.{key}")


def _string(value, shape, place):
    _fail_unless(isinstance(value, str), place, "must be a string", value)
    _bounds(len(value), shape, place, "length")
    if shape.enum:
        _fail_unless(value in shape.enum, place, f"must be one of {shape.enum}", value)


def _integer(bits):
    def one(value, shape, place):
        _fail_unless(isinstance(value, int) and not isinstance(value, bool), place, "must be a whole number", value)
        _fail_unless(-(2 ** (bits - 1)) <= value < 2 ** (bits - 1), place, f"must fit into {bits} bits", value)
        _bounds(value, shape, place, "value")

    return one


def _number(value, shape, place):
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    _fail_unless(good or value in ("NaN", "Infinity", "-Infinity"), place, "must be a number", value)
    if good:
        _bounds(value, shape, place, "value")


def _boolean(value, shape, place):
    _fail_unless(isinstance(value, bool), place, "must be true or false", value)


def _blob(value, shape, place):
    _fail_unless(isinstance(value, str), place, "must be base64", value)
    try:
        size = len(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        raise ShapeError(f"{place}: must be base64, got {value!r:.200}") from None
    _bounds(size, shape, place, "size")


def _timestamp(value, shape, place):
    form = shape.serialization.get("timestampFormat", "unixTimestamp")
    if form == "unixTimestamp":
        good = isinstance(value, (int, float)) and not isinstance(value, bool)
        _fail_unless(good, place, "must be seconds since 1970", value)
        _fail_unless(TIMES.start <= value < TIMES.stop, place, "must be seconds of this century", value)
    elif form == "iso8601":
        _fail_unless(isinstance(value, str) and value.endswith("Z"), place, "must be a time in UTC", value)
        try:
            datetime.datetime.fromisoformat(value)
        except ValueError:
            raise ShapeError(f"{place}: must be a time, got {value!r}") from None
    else:
        raise ShapeError(f"{place}: the comparison does not know times as {form}")


def _bounds(size, shape, place, what):
    if shape.name in LOOSE_SHAPES:
        return
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    _fail_unless(low is None or size >= low, place, f"{what} must be at least {low}", size)
    _fail_unless(high is None or size <= high, place, f"{what} must be at most {high}", size)


KINDS = {
    "structure": _object,
    "list": _list,
    "map": _map,
    "string": _string,
    "character": _string,
    "byte": _integer(8),
    "short": _integer(16),
    "integer": _integer(32),
    "long": _integer(64),
    "float": _number,
    "double": _number,
    "boolean": _boolean,
    "blob": _blob,
    "timestamp": _timestamp,
}


def _json(content, place):
    try:
        # An answer without members may have no body at all.
        return json.loads(content) if content else {}
    except ValueError as error:
        raise ShapeError(f"{place}: the body is no JSON: {error}") from None


def _header(headers, name, member, is_required, place):
    if member.serialization.get("location") == "headers":
        return
    header = member.serialization["name"]
    value = headers.get(header)
    if value is None:
        _fail_unless(not is_required, place, f"lacks the required header {header}", None)
        return
    if member.type_name in ("byte", "short", "integer", "long"):
        value = int(value)
    elif member.type_name in ("float", "double"):
        value = float(value)
    elif member.type_name == "boolean":
        value = {"true": True, "false": False}.get(value, value)
    elif member.type_name == "timestamp":
        return
    check(value, member, f"{place} header {name}")


def _request_id(headers, place):
    request_id = headers.get("x-amzn-requestid", "")
    _fail_unless(REQUEST_ID.fullmatch(request_id), place, "must have a request's id", request_id)


def _watch_stream(stream, shape, place):
    """Has every event compared when it is read."""
    events = stream._event_generator

    def compared():
        for event in events:
            check_event(event.headers, event.payload, shape, place)
            yield event

    stream._event_generator = compared()


def check_event(headers, payload, shape, place):
    """One event of a stream by the stream's shape."""
    kind = headers.get(":message-type")
    _fail_unless(kind in ("event", "exception"), place, "an event is an event or an exception", kind)
    name = headers.get(":event-type" if kind == "event" else ":exception-type")
    _fail_unless(name in shape.members, place, "an event that the model does not know", name)
    member = shape.members[name]
    blobs = [m for m in member.members.values() if m.serialization.get("eventpayload") and m.type_name == "blob"]
    expected = "application/octet-stream" if blobs else "application/json"
    _fail_unless(headers.get(":content-type") == expected, place, f"content type {expected}", headers)
    if not blobs:
        check(_json(payload, f"{place}.{name}"), member, f"{place}.{name}")


def _error(http_response, model, place):
    place = f"{place} (status {http_response.status_code})"
    _request_id(http_response.headers, place)
    body = _json(http_response.content, place)
    _fail_unless(isinstance(body, dict), place, "an error must be an object", body)
    kind = body.pop("__type", None)
    code = kind or http_response.headers.get("x-amzn-errortype")
    if model.service_model.metadata["protocol"] == "json":
        _fail_unless(isinstance(kind, str), place, "an error must have a __type", body)
    _fail_unless(isinstance(code, str) and code, place, "an error must have a code", body)
    code = code.rsplit("#", 1)[-1].split(":", 1)[0]
    message = body.get("message", body.get("Message"))
    _fail_unless(isinstance(message, str) and message.strip(), place, f"{code} must have a message", body)
    shape = next((shape for shape in model.error_shapes if shape.name == code), None)
    if shape is None:
        _fail_unless(code in COMMON_ERRORS, place, "an error that the operation does not have", code)
        unknown = set(body) - {"message", "Message"}
        _fail_unless(not unknown, place, f"{code} has members that nobody knows", sorted(unknown))
        return
    status = shape.metadata.get("error", {}).get("httpStatusCode")
    expected = status or (500 if shape.metadata.get("fault") else 400)
    is_asked_for = "asked for" in message
    _fail_unless(
        is_asked_for or http_response.status_code == expected, place, f"{code} has the status {expected}", message
    )
    if not is_asked_for:
        _object(body, shape, f"{place} {code}")
