"""What both wire formats do alike: whole answers, and how one is left or read."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from runs import providers
from runs.providers import (
    Finish,
    Prompt,
    PromptMessage,
    ReasoningDelta,
    RefusalDelta,
    Sent,
    Server,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from runs.providers.openai_client import YIELD_EVERY
from tests.model_server import Call, Script
from tests.providers_fixtures import FORMATS, KEY, PROMPT, connected, heard

pytestmark = FORMATS


async def test_an_answer_is_sent_text_usage_and_finish(kind):
    async with connected(kind, Script(tokens=["Hel", "lo"])) as (_, provider):
        values, error = await heard(provider)
    assert error is None
    *content, finish = values
    assert content == [
        Sent("req_1"),
        TextDelta("Hel"),
        TextDelta("lo"),
        Usage(11, 7, 3, 2),
    ]
    assert isinstance(finish, Finish)
    assert finish.reason == "stop"
    assert finish.model == "scripted"
    assert finish.response_id.endswith("1")


async def test_reasoning_comes_before_the_text(kind):
    script = Script(reasoning=["Well", "…"], tokens=["Yes."])
    async with connected(kind, script) as (_, provider):
        values, _ = await heard(provider)
    expected = [ReasoningDelta("Well"), ReasoningDelta("…"), TextDelta("Yes.")]
    assert values[1:4] == expected


async def test_a_refusal_is_not_text(kind):
    async with connected(kind, Script(tokens=0, refusal=["I ", "won't."])) as (_, one):
        values, error = await heard(one)
    assert error is None
    assert values[1:3] == [RefusalDelta("I "), RefusalDelta("won't.")]
    assert not any(isinstance(value, TextDelta) for value in values)


async def test_parallel_calls_are_numbered_and_never_without_arguments(kind):
    calls = [
        Call(id="call_a", name="weather", arguments=['{"city"', ':"Rome"}']),
        Call(id="call_b", name="now"),
    ]
    script = Script(tokens=["One moment."], tool_calls=calls, finish="tool_calls")
    async with connected(kind, script) as (_, provider):
        values, error = await heard(provider)
    assert error is None
    deltas = [value for value in values if isinstance(value, ToolCallDelta)]
    assert [(delta.index, delta.id, delta.name) for delta in deltas if delta.id] == [
        (0, "call_a", "weather"),
        (1, "call_b", "now"),
    ]
    for index, arguments in enumerate(['{"city":"Rome"}', "{}"]):
        pieces = [delta.arguments for delta in deltas if delta.index == index]
        assert "".join(pieces) == arguments
    assert values[-1].reason == "tool_calls"


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
async def test_the_finish_says_why_the_answer_ended(kind, reason):
    async with connected(kind, Script(finish=reason)) as (_, provider):
        values, error = await heard(provider)
    assert error is None
    assert values[-1].reason == reason


async def test_a_server_may_keep_its_usage_to_itself(kind):
    async with connected(kind, Script(usage=None)) as (_, provider):
        values, error = await heard(provider)
    assert error is None
    assert not any(isinstance(value, Usage) for value in values)
    assert isinstance(values[-1], Finish)


@pytest.mark.parametrize("fault", ["no_end", "reset_at_end"])
async def test_a_complete_answer_is_not_spoiled_by_its_connection(kind, fault):
    script = Script(fault=fault)
    async with connected(kind, script, silence_timeout=0.2) as (_, provider):
        values, error = await heard(provider)
    assert error is None
    assert isinstance(values[-1], Finish)


async def test_text_in_any_script_arrives_as_it_was_sent(kind):
    tokens = ["Grüße ", "日本語", " 👩‍👩‍👧 ", '"\\n"', "\n\t", "\u2028"]
    async with connected(kind, Script(tokens=tokens, batch=6)) as (_, provider):
        values, _ = await heard(provider)
    texts = [value.text for value in values if isinstance(value, TextDelta)]
    assert texts == tokens


async def test_a_slow_consumer_is_not_taken_for_a_silent_server(kind):
    script = Script(tokens=3, pace=20)
    async with (
        connected(kind, script, silence_timeout=0.2) as (_, provider),
        aclosing(provider.stream(PROMPT)) as stream,
    ):
        values = [await anext(stream), await anext(stream)]
        await asyncio.sleep(0.4)
        values += [value async for value in stream]
    assert isinstance(values[-1], Finish)


async def test_steady_tokens_may_take_longer_than_any_timeout(kind):
    script = Script(tokens=12, pace=20)
    patience = {"first_token_timeout": 0.3, "silence_timeout": 0.3}
    async with connected(kind, script, **patience) as (_, provider):
        values, error = await heard(provider)
    assert error is None
    assert isinstance(values[-1], Finish)


async def test_closing_the_stream_closes_the_connection(kind):
    script = Script(tokens=["Well"], fault="stall", after=1)
    async with connected(kind, script) as (server, provider):
        async with aclosing(provider.stream(PROMPT)) as stream:
            async for value in stream:
                if isinstance(value, TextDelta):
                    break
        closed = time.monotonic()
        assert await server.requests[0].client_gone() - closed < 1


async def test_cancelling_the_task_closes_the_connection(kind):
    script = Script(tokens=["Well"], fault="stall", after=1)
    async with connected(kind, script) as (server, provider):
        task = asyncio.create_task(heard(provider))
        record = await server.received()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await record.client_gone() - record.at < 1


async def test_a_fast_stream_lets_others_run_every_16_deltas(kind):
    script = Script(tokens=400, batch=400)
    async with connected(kind, script) as (_, provider):
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        seen = [ticks async for _ in provider.stream(PROMPT)]
        ticking.cancel()
    assert max(seen.count(tick) for tick in set(seen)) <= YIELD_EVERY + 2


async def test_answers_in_a_row_share_a_connection(kind):
    async with connected(kind) as (server, provider):
        for _ in range(3):
            await heard(provider)
    assert len({record.port for record in server.requests}) == 1


async def test_many_answers_at_a_time_do_not_mix(kind):
    scripts = [Script(tokens=[f"answer {n} "] * 5, pace=50) for n in range(8)]
    async with connected(kind, *scripts) as (_, provider):
        answers = await asyncio.gather(*(heard(provider) for _ in scripts))
    for values, error in answers:
        assert error is None
        texts = {value.text for value in values if isinstance(value, TextDelta)}
        assert len(texts) == 1


async def test_the_key_goes_to_the_server_and_nothing_of_the_environment(
    kind, monkeypatch
):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-mine")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    async with connected(kind) as (server, provider):
        await heard(provider)
    headers = server.requests[0].headers
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert not [name for name in headers if "Organization" in name or "Project" in name]


async def test_a_server_without_a_key_gets_no_authorization(kind):
    async with connected(kind, api_key="") as (server, provider):
        values, error = await heard(provider)
    assert error is None
    assert values
    assert "Authorization" not in server.requests[0].headers


async def test_an_empty_model_means_the_servers_default(kind):
    prompt = Prompt("", "", (PromptMessage("user", "Hello?"),))
    async with connected(kind, default_model="chosen") as (server, provider):
        await heard(provider, prompt)
    assert server.requests[0].body["model"] == "chosen"


async def test_without_any_default_the_first_listed_model_is_asked(kind):
    prompt = Prompt("", "", (PromptMessage("user", "Hello?"),))
    async with connected(kind) as (server, provider):
        server.models = ["first", "second"]
        assert await provider.models() == ["first", "second"]
        values, _ = await heard(provider, prompt)
    assert server.requests[0].body["model"] == "first"
    assert values[-1].model == "first"


async def test_a_server_that_offers_no_model_is_named(kind):
    prompt = Prompt("", "", (PromptMessage("user", "Hello?"),))
    async with connected(kind) as (server, provider):
        server.models = []
        _, error = await heard(provider, prompt)
    assert error
    assert error.code == "not_found"


async def test_no_key_is_in_the_description_of_a_server(kind):
    server = Server(name="one", kind=kind, api_key=KEY)
    assert KEY not in repr(server)
    provider = providers.connect(server)
    assert KEY not in repr(provider)
    await provider.aclose()
