"""The Responses API: what is sent, and the events of its items."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runs.providers import (
    Finish,
    Prompt,
    PromptMessage,
    ProviderError,
    ReasoningDelta,
    Server,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from runs.providers.responses import ResponsesReader, responses_input
from tests.providers_fixtures import connected, heard, read

SERVER = Server(name="unit", kind="responses")
COMPLETED = {"id": "resp_1", "model": "m", "status": "completed"}
TEXT = "response.output_text.delta"


def events(*several: dict[str, Any], response: Any = COMPLETED) -> list[Any]:
    """What a reader makes of these events and a terminal one."""
    kind = f"response.{response['status']}"
    lines = ["data: " + json.dumps(event) for event in several]
    end = "data: " + json.dumps({"type": kind, "response": response})
    return read(ResponsesReader(SERVER), *lines, end, "")


def called(done: bool, **item: Any) -> dict[str, Any]:
    """A function call that was added or is done."""
    kind = "response.output_item." + ("done" if done else "added")
    return {"type": kind, "output_index": 1, "item": {"type": "function_call", **item}}


async def test_only_what_is_set_is_sent_and_nothing_is_stored():
    async with connected("responses") as (server, provider):
        await heard(provider)
    assert server.requests[0].body == {
        "model": "scripted",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Hello?"}]},
        ],
        "stream": True,
        "store": False,
    }


async def test_everything_that_is_set_is_sent_in_the_flat_shape():
    function = {"name": "now", "description": "The time", "parameters": {"a": 1}}
    bare = {"type": "function", "function": {"name": "bare", "strict": None}}
    schema = {"name": "a", "schema": {"type": "object"}, "strict": True}
    prompt = Prompt(
        "scripted",
        "",
        (PromptMessage("user", "Hi"),),
        tools=({"type": "function", "function": function}, bare, {"type": "x"}),
        tool_choice={"type": "function", "function": {"name": "now"}},
        temperature=0.0,
        top_p=0.5,
        max_output_tokens=100,
        response_format={"type": "json_schema", "json_schema": schema},
        reasoning_effort="low",
        parallel_tool_calls=False,
    )
    async with connected("responses") as (server, provider):
        _, error = await heard(provider, prompt)
    assert error is None
    body = server.requests[0].body
    empty = {"type": "object", "properties": {}}
    assert body["tools"] == [
        {"type": "function", "strict": False, **function},
        {"type": "function", "name": "bare", "strict": False, "parameters": empty},
    ]
    assert body["tool_choice"] == {"type": "function", "name": "now"}
    assert (body["temperature"], body["top_p"]) == (0.0, 0.5)
    assert body["max_output_tokens"] == 100
    assert body["text"] == {"format": {"type": "json_schema", **schema}}
    assert body["reasoning"] == {"effort": "low"}
    assert body["parallel_tool_calls"] is False
    assert "instructions" not in body


def test_calls_and_their_outputs_are_items_of_their_own():
    call = ToolCall("call_1", "now", "")
    prompt = Prompt(
        "m",
        "",
        (
            PromptMessage("assistant", "One moment.", tool_calls=(call,)),
            PromptMessage("tool", "noon", tool_call_id="call_1"),
            PromptMessage("assistant", ""),
        ),
    )
    assert responses_input(prompt) == [
        {"role": "assistant", "content": "One moment."},
        {
            "type": "function_call",
            "call_id": "call_1",
            "name": "now",
            "arguments": "{}",
        },
        {"type": "function_call_output", "call_id": "call_1", "output": "noon"},
    ]


def test_several_messages_are_paragraphs():
    values = events(
        {"type": TEXT, "output_index": 0, "delta": "One"},
        {"type": TEXT, "output_index": 0, "delta": "."},
        {"type": TEXT, "output_index": 2, "delta": "Two."},
    )
    expected = [TextDelta("One"), TextDelta("."), TextDelta("\n\nTwo.")]
    assert values[:3] == expected


def test_the_parts_of_a_summary_are_paragraphs():
    kind = "response.reasoning_summary_text.delta"
    values = events(
        {"type": kind, "output_index": 0, "summary_index": 0, "delta": "**A**"},
        {"type": kind, "output_index": 0, "summary_index": 1, "delta": "**B**"},
    )
    assert values[:2] == [ReasoningDelta("**A**"), ReasoningDelta("\n\n**B**")]


def test_raw_reasoning_is_reasoning():
    event = {"type": "response.reasoning_text.delta", "delta": "Well."}
    assert events(event)[0] == ReasoningDelta("Well.")


@pytest.mark.parametrize("is_added", [True, False])
def test_arguments_that_were_never_streamed_are_taken_from_the_whole_call(is_added):
    added = called(False, call_id="a", name="now", arguments="")
    done = called(True, call_id="a", name="now", arguments='{"zone":"UTC"}')
    values = events(*([added] if is_added else []), done)
    assert values[:2] == [
        ToolCallDelta(0, "a", "now", ""),
        ToolCallDelta(0, "", "", '{"zone":"UTC"}'),
    ]
    assert values[-1].reason == "tool_calls"


def test_streamed_arguments_are_not_taken_twice():
    delta = {
        "type": "response.function_call_arguments.delta",
        "output_index": 1,
        "delta": "{}",
    }
    values = events(
        called(False, call_id="a", name="now", arguments=""),
        delta,
        called(True, call_id="a", name="now", arguments="{}"),
    )
    assert [value.arguments for value in values[:-1]] == ["", "{}"]


def test_events_of_other_tools_are_passed_over():
    values = events(
        {"type": "response.web_search_call.searching", "output_index": 0},
        {"type": "response.output_item.added", "item": {"type": "web_search_call"}},
        {"type": "response.something.new"},
    )
    assert values == [Finish("stop", "resp_1", "m")]


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"reason": "max_output_tokens"}, "length"),
        ({"reason": "content_filter"}, "content_filter"),
        (None, "length"),
    ],
)
def test_an_incomplete_response_says_why(details, reason):
    response = {**COMPLETED, "status": "incomplete", "incomplete_details": details}
    assert events(response=response)[-1].reason == reason


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "rate_limit_exceeded", "message": "boo"}, "rate_limited"),
        ({"code": "invalid_prompt", "message": "boo"}, "invalid_request"),
        ({"code": "server_error", "message": "boo"}, "server_error"),
        ({"code": "bio_policy", "message": "boo"}, "content_filter"),
        (None, "server_error"),
    ],
)
def test_a_failed_response_is_an_error(error, code):
    with pytest.raises(ProviderError) as raised:
        events(response={**COMPLETED, "status": "failed", "error": error})
    assert raised.value.code == code


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "boo"},
        {"type": "error", "error": {"type": "rate_limit_error", "message": "boo"}},
        {"error": {"code": "rate_limit_exceeded", "message": "boo"}},
    ],
)
def test_an_error_event_has_several_shapes(event):
    with pytest.raises(ProviderError, match="boo") as raised:
        events(event)
    assert raised.value.code == "rate_limited"


def test_what_follows_the_end_does_not_count():
    lines = [
        "data: " + json.dumps({"type": "response.completed", "response": COMPLETED}),
        "data: " + json.dumps({"type": TEXT, "delta": "late"}),
        "data: rubbish",
        "",
    ]
    assert read(ResponsesReader(SERVER), *lines) == [Finish("stop", "resp_1", "m")]
