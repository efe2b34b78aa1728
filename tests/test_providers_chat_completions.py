"""Chat Completions: what is sent, and the dialects of those who speak it."""

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
    Usage,
)
from runs.providers.chat_completions import (
    ChatReader,
    chat_messages,
    chat_parameters,
    limit_name,
)
from tests.model_server import Script
from tests.providers_fixtures import connected, heard, read

SERVER = Server(name="unit", kind="chat_completions")
TOOL = {"type": "function", "function": {"name": "now", "parameters": {}}}


def chunk(finish: str | None = None, **delta: Any) -> str:
    """The data line of a chunk."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return "data: " + json.dumps({"id": "c1", "model": "m", "choices": [choice]})


def chunks(*lines: str) -> list[Any]:
    """What a reader makes of a stream that ends well."""
    return read(ChatReader(SERVER), *lines, "", "data: [DONE]", "")


async def test_only_what_is_set_is_sent():
    async with connected("chat_completions") as (server, provider):
        await heard(provider)
    assert server.requests[0].body == {
        "model": "scripted",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_everything_that_is_set_is_sent():
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
    prompt = Prompt(
        "scripted",
        "",
        (PromptMessage("user", "Hi"),),
        tools=(TOOL, {"type": "code_interpreter"}),
        tool_choice={"type": "function", "function": {"name": "now"}},
        temperature=0.0,
        top_p=0.5,
        max_output_tokens=100,
        response_format=schema,
        reasoning_effort="low",
        parallel_tool_calls=False,
    )
    async with connected("chat_completions") as (server, provider):
        _, error = await heard(provider, prompt)
    assert error is None
    body = server.requests[0].body
    assert body["tools"] == [TOOL]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "now"}}
    assert (body["temperature"], body["top_p"]) == (0.0, 0.5)
    assert body["max_tokens"] == 100
    assert body["response_format"] == schema
    assert body["reasoning_effort"] == "low"
    assert body["parallel_tool_calls"] is False


def test_tool_parameters_are_not_sent_without_tools():
    prompt = Prompt("m", "", (), tool_choice="auto", parallel_tool_calls=True)
    assert chat_parameters(prompt, "max_tokens") == {}


def test_the_format_auto_is_no_format():
    prompt = Prompt("m", "", (), response_format="auto")
    assert chat_parameters(prompt, "max_tokens") == {}


def test_calls_and_their_outputs_are_part_of_the_conversation():
    call = ToolCall("call_1", "now", "")
    prompt = Prompt(
        "m",
        "",
        (
            PromptMessage("user", "When?"),
            PromptMessage("assistant", "", tool_calls=(call,)),
            PromptMessage("tool", "noon", tool_call_id="call_1"),
            PromptMessage("assistant", ""),
        ),
    )
    assert chat_messages(prompt) == [
        {"role": "user", "content": "When?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "now", "arguments": "{}"},
                }
            ],
        },
        {"role": "tool", "content": "noon", "tool_call_id": "call_1"},
    ]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_read_from_either_field(field):
    script = Script(reasoning=["Well."], reasoning_field=field)
    async with connected("chat_completions", script) as (_, provider):
        values, _ = await heard(provider)
    assert values[1] == ReasoningDelta("Well.")


def test_reasoning_in_both_fields_is_read_once():
    line = chunk(reasoning_content="Well.", reasoning="Well.", content="Yes.")
    values = chunks(line, "", chunk("stop"))
    assert values[:2] == [ReasoningDelta("Well."), TextDelta("Yes.")]


def test_usage_may_come_with_every_chunk_and_the_last_counts():
    values = chunks(
        'data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}',
        chunk("stop"),
        'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}',
    )
    assert values[1:] == [Usage(1, 2, None, None), Finish("stop", "c1", "m")]


def test_parallel_calls_under_one_index_are_told_apart_by_their_ids():
    def call(call_id: str, arguments: str) -> dict[str, Any]:
        function = {"name": "look_up", "arguments": arguments}
        return {"index": 0, "id": call_id, "function": function}

    values = chunks(
        chunk(tool_calls=[call("a", '{"n":1}')]),
        chunk(tool_calls=[call("b", '{"n":2}')]),
        chunk("tool_calls"),
    )
    assert values[:2] == [
        ToolCallDelta(0, "a", "look_up", '{"n":1}'),
        ToolCallDelta(1, "b", "look_up", '{"n":2}'),
    ]


def test_an_id_that_is_repeated_is_still_the_same_call():
    first = {"index": 0, "id": "a", "function": {"name": "n", "arguments": ""}}
    second = {"index": 0, "id": "a", "function": {"arguments": "{}"}}
    values = chunks(
        chunk(tool_calls=[first]), chunk(tool_calls=[second]), chunk("stop")
    )
    assert values[:2] == [
        ToolCallDelta(0, "a", "n", ""),
        ToolCallDelta(0, "", "", "{}"),
    ]


def test_a_call_without_an_id_is_given_one():
    call = {"index": 3, "function": {"name": "now", "arguments": {"zone": "UTC"}}}
    delta, finish = chunks(chunk(tool_calls=[call]), chunk("stop"))
    assert delta.index == 0
    assert delta.id.startswith("call_")
    assert json.loads(delta.arguments) == {"zone": "UTC"}
    assert finish.reason == "tool_calls"  # though the server said "stop"


@pytest.mark.parametrize("reason", ["abort", "error", "insufficient_system_resource"])
def test_a_server_that_gave_up_has_not_finished(reason):
    with pytest.raises(ProviderError, match="gave up") as raised:
        chunks(chunk(content="a"), chunk(reason))
    assert raised.value.retryable


def test_an_unknown_reason_to_finish_is_a_stop():
    assert chunks(chunk(content="a"), chunk("eos"))[-1].reason == "stop"


def test_done_without_a_reason_is_a_cut():
    with pytest.raises(ProviderError) as raised:
        chunks(chunk(content="a"))
    assert raised.value.code == "upstream_truncated"


@pytest.mark.parametrize(
    "line",
    [
        'data: {"error":{"message":"boo","code":429}}',
        'data: {"object":"error","message":"boo","code":429}',
        'event: error\ndata: {"message":"boo","code":429}',
        '{"error":{"message":"boo","type":"rate_limit_error"}}',
        'data: {"error":"boo","code":429}',
    ],
)
def test_an_error_in_the_stream_has_many_shapes(line):
    with pytest.raises(ProviderError, match="boo") as raised:
        chunks(chunk(content="a"), *line.split("\n"), "")
    assert raised.value.code == "rate_limited"


@pytest.mark.parametrize(
    "line",
    ['data: {"choices":[7]}', 'data: {"choices":{"a":1}}', "data: [1]", 'data: "a"'],
)
def test_data_of_another_shape_is_garbage(line):
    with pytest.raises(ProviderError) as raised:
        chunks(line, "")
    assert raised.value.code == "garbage"


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("", "max_completion_tokens"),
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://x.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("http://localhost:11434/v1", "max_tokens"),
        ("https://openai.com.example/v1", "max_tokens"),
    ],
)
def test_the_limit_has_the_name_that_the_server_knows(base_url, name):
    server = Server(name="one", kind="chat_completions", base_url=base_url)
    assert limit_name(server) == name
