"""What the API refuses, and how it says so: the rows of api.md 1.3, and the frame of it
all: whatever comes in, the answer is the protocol's JSON."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings

LONG = (
    "Expected a string with maximum length {}, but got a string with length {} instead."
)
MESSAGE = {"role": "user", "content": "Hello"}
FUNCTION = {"type": "function", "function": {"name": "f"}}


def error_of(answer: Any, status: int = 400) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert re.fullmatch("req_[0-9a-z]{26}", answer.headers["x-request-id"])
    body = answer.json()
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message", "type", "param", "code"]
    assert body["error"]["type"] == "invalid_request_error"
    return body["error"]


def metadata(value: Any) -> Any:
    return {"metadata": value}


def content(value: Any) -> Any:
    return {"messages": [MESSAGE, {"role": "user", "content": value}]}


def assistant(**fields: Any) -> Any:
    return {"model": "m", **fields}


CONTENT = "messages[1].content"
BODIES = [
    # metadata
    (
        metadata({"k": True}),
        "Invalid type for 'metadata.k': expected a string, but got a boolean instead.",
        "metadata.k",
        "invalid_type",
    ),
    (
        metadata({str(n): "" for n in range(17)}),
        "Invalid 'metadata': too many properties. Expected an object with at most 16 "
        "properties, but got an object with 17 properties instead.",
        "metadata",
        "object_above_max_properties",
    ),
    (
        metadata({"k" * 65: ""}),
        f"Invalid property name in 'metadata': '{'k' * 65}' is too long. "
        + LONG.format(64, 65),
        "metadata",
        "property_name_above_max_length",
    ),
    (
        metadata({"k": "v" * 513}),
        "Invalid 'metadata.k': string too long. " + LONG.format(512, 513),
        "metadata.k",
        "string_above_max_length",
    ),
    (
        metadata([]),
        "Invalid type for 'metadata': expected an object, but got an array instead.",
        "metadata",
        "invalid_type",
    ),
    # the body and its fields
    (
        [],
        "Invalid type: expected an object, but got an array instead.",
        None,
        "invalid_type",
    ),
    ({"title": ""}, "Unknown parameter: 'title'.", "title", "unknown_parameter"),
    (
        {"messages": [MESSAGE | {"name": "x"}]},
        "Unknown parameter: 'messages[0].name'.",
        "messages[0].name",
        "unknown_parameter",
    ),
    (
        {"messages": [{"content": "Hello"}]},
        "Missing required parameter: 'messages[0].role'.",
        "messages[0].role",
        "missing_required_parameter",
    ),
    (
        {"messages": [MESSAGE | {"role": "system"}]},
        "Invalid value: 'system'. Supported values are: 'user' and 'assistant'.",
        "messages[0].role",
        "invalid_value",
    ),
    # content
    (content(""), "Message content must be non-empty.", CONTENT, "invalid_value"),
    (
        content([{"type": "text", "text": " "}]),
        "Message content must be non-empty.",
        CONTENT,
        "invalid_value",
    ),
    (
        content([]),
        f"Invalid '{CONTENT}': empty array. Expected an array with minimum length 1, but "
        "got an empty array instead.",
        CONTENT,
        "empty_array",
    ),
    (
        content(3),
        f"Invalid type for '{CONTENT}': expected one of a string or array of objects, "
        "but got an integer instead.",
        CONTENT,
        "invalid_type",
    ),
    (
        content([{"type": "refusal", "refusal": "No."}]),
        "Invalid value: 'refusal'. Supported values are: 'text', 'image_file' and "
        "'image_url'.",
        f"{CONTENT}[0].type",
        "invalid_value",
    ),
    (
        content([{"text": "x"}]),
        f"Missing required parameter: '{CONTENT}[0].type'.",
        f"{CONTENT}[0].type",
        "missing_required_parameter",
    ),
    (
        content([{"type": "text", "text": {"value": "x"}}]),
        f"Invalid type for '{CONTENT}[0].text': expected a string, but got an object "
        "instead.",
        f"{CONTENT}[0].text",
        "invalid_type",
    ),
    (
        content([{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]),
        f"Invalid '{CONTENT}[0].image_url.url'. Expected a valid URL: https:, http:, or "
        "data:image/.",
        f"{CONTENT}[0].image_url.url",
        "invalid_value",
    ),
    (
        content("x" * 100_001),
        f"Invalid '{CONTENT}': string too long. " + LONG.format(100_000, 100_001),
        CONTENT,
        "string_above_max_length",
    ),
    # assistants
    (
        assistant(name="n" * 257),
        "Invalid 'name': string too long. " + LONG.format(256, 257),
        "name",
        "string_above_max_length",
    ),
    (
        assistant(instructions="i" * 256_001),
        "Invalid 'instructions': string too long. " + LONG.format(256_000, 256_001),
        "instructions",
        "string_above_max_length",
    ),
    (
        assistant(temperature=2.1),
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but "
        "got 2.1 instead.",
        "temperature",
        "decimal_above_max_value",
    ),
    (
        assistant(top_p=-1),
        "Invalid 'top_p': decimal below minimum value. Expected a value >= 0, but got -1 "
        "instead.",
        "top_p",
        "decimal_below_min_value",
    ),
    (
        assistant(temperature="hot"),
        "Invalid type for 'temperature': expected a decimal, but got a string instead.",
        "temperature",
        "invalid_type",
    ),
    (
        assistant(tools=[FUNCTION, {"type": "browser"}]),
        "Invalid value: 'browser'. Supported values are: 'code_interpreter', "
        "'file_search' and 'function'.",
        "tools[1].type",
        "invalid_value",
    ),
    (
        assistant(tools=[{"type": "function", "function": {}}]),
        "Missing required parameter: 'tools[0].function.name'.",
        "tools[0].function.name",
        "missing_required_parameter",
    ),
    (
        assistant(tools=[{"type": "function", "function": {"name": "no spaces"}}]),
        "Invalid 'tools[0].function.name': string does not match pattern. Expected a "
        "string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        "tools[0].function.name",
        "invalid_value",
    ),
    (
        assistant(tools=[FUNCTION] * 129),
        "Invalid 'tools': array too long. Expected an array with maximum length 128, but "
        "got an array with length 129 instead.",
        "tools",
        "array_above_max_length",
    ),
    (
        assistant(response_format="json"),
        "Invalid value: 'json'. Supported value is: 'auto'.",
        "response_format",
        "invalid_value",
    ),
    (
        assistant(response_format={"type": "json_schema"}),
        "Missing required parameter: 'response_format.json_schema'.",
        "response_format.json_schema",
        "missing_required_parameter",
    ),
    (
        assistant(response_format=1),
        "Invalid type for 'response_format': expected one of a string or object, but got "
        "an integer instead.",
        "response_format",
        "invalid_type",
    ),
]


@pytest.mark.parametrize(("body", "message", "param", "code"), BODIES)
def test_a_mistake_is_named_by_place_kind_and_limit(site, body, message, param, code):
    """1.3 metadata value, pairs, key, length; other validation codes."""
    is_assistant = isinstance(body, dict) and "model" in body
    path = "/assistants" if is_assistant else "/threads"
    error = error_of(site.call("POST", path, json=body))
    assert (error["message"], error["param"], error["code"]) == (message, param, code)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"hello",
        b"a=1",
        b'{"metadata": {"\\ud800": ""}}',
        b'{"metadata": {"k": NaN}}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_is_no_json_is_refused(site, body):
    error = error_of(site.call("POST", "/threads", content=body))
    assert error["message"].startswith("We could not parse the JSON body")


@pytest.mark.parametrize("number", ["1e400", "-1e999"])
def test_a_number_that_no_database_holds_is_refused(site, number):
    body = (
        '{"model": "m", "tools": [{"type": "function", "function": {"name": "f", '
        f'"parameters": {{"maximum": {number}}}}}}}]}}'
    )
    error_of(site.call("POST", "/assistants", content=body))


def test_text_that_no_database_holds_loses_just_that(client):
    made = client.beta.assistants.create(
        model="m", name="N\0ul", metadata={"\0k": "\0"}
    )
    assert (made.name, made.metadata) == ("Nul", {"k": ""})


def test_a_body_beyond_the_limit_is_refused_and_one_below_is_not(site):
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    padding = b" " * (most - 2)
    assert (
        site.call("POST", "/threads", content=b"{" + padding + b"}").status_code == 200
    )
    answer = site.call("POST", "/threads", content=b"{ " + padding + b"}")
    # The server process itself refuses it, before all of it is in memory.
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "path", ["", "/", "/nothing", "/threads/", "/threads/x/", "/threads//messages"]
)
def test_unknown_addresses_are_told_in_json_and_never_redirected(site, path):
    error = error_of(site.call("GET", path), 404)
    assert error["code"] == "unknown_url"


@pytest.mark.parametrize("path", ["/threads/%00", "/threads/%ff", "/threads/%ED%A0%80"])
def test_strange_ids_are_not_found(site, path):
    error_of(site.call("GET", path), 404)
    error_of(site.call("POST", path + "/messages", json=MESSAGE), 404)


def test_strange_queries_find_nothing(client, site):
    thread = client.beta.threads.create().id
    path = f"/threads/{thread}/messages?run_id=%00&order=asc"
    assert site.call("GET", path).json()["data"] == []
    error_of(site.call("GET", f"/threads/{thread}/messages?after=%00"), 404)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused_with_those_that_there_are(site, method):
    answer = site.call(method, "/threads", json={})
    assert error_of(answer, 405)["code"] == "method_not_supported"
    assert set(answer.headers["allow"].split(", ")) == {"GET", "POST"}


def test_head_answers_as_get_without_a_body(client, site):
    thread = client.beta.threads.create().id
    answer = site.call("HEAD", f"/threads/{thread}", key="readonly")
    assert (answer.status_code, answer.content) == (200, b"")
    assert site.call("HEAD", "/threads/thread_x").status_code == 404


def test_another_host_name_is_refused_in_json(site):
    error_of_host = site.call("GET", "/threads", headers={"Host": "evil.example"})
    assert error_of_host.status_code == 400
    assert error_of_host.json()["error"]["type"] == "invalid_request_error"


def test_without_a_key_the_message_says_where_it_belongs(site):
    error = error_of(site.call("GET", "/threads", key=None), 401)
    assert error["message"].startswith("You didn't provide an API key.")
    basic = site.call(
        "GET", "/threads", key=None, headers={"Authorization": "Basic eA=="}
    )
    assert error_of(basic, 401)["code"] is None


def test_a_wrong_key_is_shown_by_its_beginning_only(site):
    headers = {"Authorization": "Bearer tm_abcdefghijklmnop"}
    error = error_of(site.call("GET", "/threads", key=None, headers=headers), 401)
    assert error["code"] == "invalid_api_key"
    assert "tm_abc***" in error["message"]
    assert "tm_abcd" not in error["message"]


def test_the_log_of_the_server_is_not_filled_by_the_mistakes_of_clients(site):
    before = (site.data / "server.log").stat().st_size
    error_of(site.call("GET", "/threads/thread_x"), 404)
    error_of(site.call("POST", "/threads", content=b"{"))
    error_of(site.call("GET", "/threads", key=None), 401)
    assert (site.data / "server.log").stat().st_size == before
