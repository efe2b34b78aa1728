"""The scripted model server, as the real client and a person at a shell see it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from tests.model_server import Call, Counts, ModelServer, Script
from tests.model_server_script import SCENARIOS

QUESTION: Any = [{"role": "user", "content": "Hello?"}]
TOOLS = Script(
    tokens=["One ", "moment."],
    reasoning=["Hm."],
    finish="tool_calls",
    tool_calls=[
        Call(id="call_a", name="weather", arguments=['{"city"', ':"Rome"}']),
        Call(id="call_b", name="now"),
    ],
)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


@pytest_asyncio.fixture
async def client(server: ModelServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        api_key="k", base_url=server.url, max_retries=0
    ) as client:
        yield client


@pytest.fixture
def threaded() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def sync_client(server: ModelServer) -> Any:
    """The other kind of client."""
    return openai.OpenAI(api_key="sk-secret", base_url=server.url)


async def test_the_typed_client_reads_a_chat_completion(server, client):
    server.enqueue(TOOLS)
    calls: dict[int, list[str]] = {}
    usage: Any = None
    text, finish = "", None
    async for chunk in await client.chat.completions.create(
        model="m", messages=QUESTION, stream=True
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                calls.setdefault(call.index, []).append(call.function.arguments)
    assert (text, finish) == ("One moment.", "tool_calls")
    assert {n: "".join(pieces) for n, pieces in calls.items()} == {
        0: '{"city":"Rome"}',
        1: "",
    }
    assert usage.prompt_tokens_details.cached_tokens == 3
    assert usage.total_tokens == 18


async def test_the_typed_client_reads_a_response(server, client):
    server.enqueue(TOOLS)
    events = []
    async for event in await client.responses.create(
        model="m", input="Hello?", stream=True
    ):
        events.append(event)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    response = events[-1].response
    assert response.status == "completed"
    assert response.output_text == "One moment."
    assert [item.type for item in response.output] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
    ]
    assert [item.arguments for item in response.output[2:]] == ['{"city":"Rome"}', "{}"]
    assert response.usage.output_tokens_details.reasoning_tokens == 2


async def test_the_clients_own_accumulators_are_content(server, client):
    server.enqueue(TOOLS, TOOLS)
    async with client.responses.stream(model="m", input="Hello?") as stream:
        response = await stream.get_final_response()
    assert response.output_text == "One moment."
    async with client.chat.completions.stream(model="m", messages=QUESTION) as stream:
        completion = await stream.get_final_completion()
    assert completion.choices[0].message.tool_calls[0].function.name == "weather"


async def test_answers_in_one_piece(server, client):
    server.enqueue(TOOLS, TOOLS)
    completion = await client.chat.completions.create(model="m", messages=QUESTION)
    assert completion.choices[0].message.content == "One moment."
    assert completion.usage.completion_tokens == 7
    response = await client.responses.create(model="m", input="Hello?")
    assert response.output_text == "One moment."


async def test_refusals_and_incomplete_answers(server, client):
    server.enqueue(
        Script(tokens=0, refusal=["No."]),
        Script(finish="length"),
        Script(finish="content_filter"),
    )
    refused = await client.responses.create(model="m", input="Hello?")
    assert refused.output[0].content[0].refusal == "No."
    long = await client.responses.create(model="m", input="Hello?")
    assert long.incomplete_details.reason == "max_output_tokens"
    filtered = await client.responses.create(model="m", input="Hello?")
    assert filtered.incomplete_details.reason == "content_filter"


async def test_statuses_have_their_headers_and_bodies(server, client):
    headers = {"Retry-After": "3"}
    body = {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}
    server.enqueue(Script(fault="status", status=429, body=body, headers=headers))
    with pytest.raises(openai.RateLimitError, match="Slow down") as raised:
        await client.responses.create(model="m", input="Hello?")
    assert raised.value.response.headers["retry-after"] == "3"


def test_the_sync_client_reads_from_a_server_in_a_thread(threaded):
    threaded.enqueue(Script(tokens=["Hi"]), Script(tokens=["Ho"]))
    with sync_client(threaded) as client:
        chunks = list(
            client.chat.completions.create(model="m", messages=QUESTION, stream=True)
        )
        events = list(client.responses.create(model="m", input="Hello?", stream=True))
        models = [model.id for model in client.models.list()]
    texts = [one.choices[0].delta.content for one in chunks if one.choices]
    assert "Hi" in texts
    assert events[-1].response.output_text == "Ho"
    assert models == ["scripted"]
    assert [record.path for record in threaded.requests] == [
        "/v1/chat/completions",
        "/v1/responses",
    ]


def test_a_thread_hears_that_the_client_left(threaded):
    threaded.enqueue(Script(fault="stall", after=1))
    with sync_client(threaded) as client:
        stream = client.responses.create(model="m", input="Hello?", stream=True)
        next(iter(stream))
        stream.close()
    assert threaded.requests[0].gone.result(timeout=2)


async def test_a_client_that_stays_to_the_end_has_not_left(server, client):
    await client.responses.create(model="m", input="Hello?")
    assert not server.requests[0].gone.done()


async def test_tokens_come_by_the_schedule_and_are_stamped(server, client):
    server.enqueue(Script(tokens=20, pace=100, stamp=True))
    delays = []
    async for chunk in await client.chat.completions.create(
        model="m", messages=QUESTION, stream=True
    ):
        if chunk.choices and chunk.choices[0].delta.content:
            sent = int(chunk.choices[0].delta.content)
            delays.append(time.monotonic_ns() - sent)
    sent = server.requests[0].sent
    assert len(delays) == len(sent) == 20
    assert 0.19e9 <= sent[-1] - sent[0] < 0.6e9
    assert 0 < min(delays) < 0.2e9


async def test_a_message_may_name_its_scenario(server, client):
    for scenario, reason in (("length", "max_output_tokens"), ("filter", None)):
        text = f"Please, scenario: {scenario}"
        server.default = Script(tokens=["default"])
        parts: Any = [
            {"role": "user", "content": [{"type": "input_text", "text": text}]}
        ]
        response = await client.responses.create(model="m", input=parts)
        assert response.incomplete_details.reason == (reason or "content_filter")
    unknown = await client.responses.create(model="m", input="scenario: nonsense")
    assert unknown.output_text == "default"


def test_scripts_and_requests_can_be_reached_over_http(threaded):
    root = threaded.url.removesuffix("/v1")
    script = {
        "tokens": ["From ", "outside"],
        "usage": {"input": 5},
        "tool_calls": [{"name": "now"}],
    }

    def post(body: Any) -> Any:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{root}/_script", data)  # noqa: S310
        return json.load(urllib.request.urlopen(request))  # noqa: S310

    assert post(script) == {"queued": 1}
    with sync_client(threaded) as client:
        response = client.responses.create(model="m", input="Hello?")
    assert response.output_text == "From outside"
    assert response.usage.input_tokens == Counts(input=5).input
    (listed,) = json.load(urllib.request.urlopen(f"{root}/_requests"))  # noqa: S310
    assert listed["body"]["input"] == "Hello?"
    assert "sk-secret" not in json.dumps(listed)
    with pytest.raises(urllib.error.HTTPError, match="400"):
        post({"tokenz": 3})


async def test_the_command_lists_its_scenarios():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.model_server", "--help", stdout=-1
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    for name in SCENARIOS:
        assert name in output.decode()
