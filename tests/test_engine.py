"""The course of a run, with a worker, a log and a database, and a scripted provider."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from runs import actions, engine
from runs.models import Assistant, Thread, User
from runs.providers import (
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Sent,
    TextDelta,
    ToolCallDelta,
)
from tests.scripts import (
    USED,
    WELL,
    Gate,
    ProviderError,
    Scripted,
    answer_of,
    ended,
    post,
    types,
    until,
    working,
)

pytestmark = pytest.mark.django_db(transaction=True)

TOOL = {"type": "function", "function": {"name": "now", "parameters": {}}}


async def test_an_answer_is_stored_in_the_protocols_order(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    provider.will(Sent("req_1"), TextDelta("Hel"), gate, TextDelta("lo."), USED, WELL)
    async with working(monkeypatch, provider):
        run = await post(alice)
        await until(run, "thread.message.delta")
        gate.opened.set()
        run = await ended(run)

    assert await types(run) == [
        "run.created", "run.queued", "run.in_progress", "run.sent",
        "run.step.created", "run.step.in_progress", "message.created",
        "message.in_progress", "message.delta", "message.delta",
        "run.turn.completed", "message.completed", "run.step.completed",
        "run.completed",
    ]  # fmt: skip
    message = await answer_of(run)
    assert (message.text, message.number, message.on_path) == ("Hello.", 2, True)
    assert run.status == "completed"
    assert run.model_used == "model-1-2026"
    assert (run.input_tokens, run.cached_input_tokens) == (10, 4)
    assert (run.output_tokens, run.reasoning_tokens) == (5, 2)
    times = [run.created_at, run.sent_at, run.first_token_at, run.completed_at]
    assert None not in times
    assert times == sorted(t for t in times if t)
    assert run.expires_at is None


async def test_the_model_gets_instructions_parameters_and_the_shown_path(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = await Assistant.objects.acreate(
        name="Pirate", instructions="Speak so.", model="m-2", temperature=0.5
    )
    provider.will_say("Arr.")
    provider.will_say("Arr again.")
    provider.will_say("Aye.")
    async with working(monkeypatch, provider):
        first = await ended(await post(alice, "One", assistant=assistant))
        again = await sync_to_async(actions.retry)(run=first, user=alice)
        await ended(again)
        thread = await Thread.objects.aget(pk=first.thread_id)
        await ended(await post(alice, "Two", thread=thread))

    asked = provider.prompts[2]
    assert (asked.model, asked.instructions) == ("m-2", "Speak so.")
    assert asked.temperature == 0.5
    assert [(m.role, m.text) for m in asked.messages] == [
        ("user", "One"),
        ("assistant", "Arr again."),
        ("user", "Two"),
    ]


async def test_a_long_thread_is_cut_to_the_budget_and_the_run_says_so(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.PROMPT_MAX_TOKENS = 60
    provider.will_say("a" * 90)
    provider.will_say("b")
    async with working(monkeypatch, provider):
        first = await ended(await post(alice, "x" * 90))
        thread = await Thread.objects.aget(pk=first.thread_id)
        run = await ended(await post(alice, "latest", thread=thread))

    assert [m.text for m in provider.prompts[1].messages] == ["a" * 90, "latest"]
    assert run.context_truncated == 1
    assert run.context_from == (await answer_of(first)).pk


async def test_reasoning_is_kept_with_the_step_and_not_in_the_text(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(Sent(""), ReasoningDelta("Let me "), ReasoningDelta("see."))
    provider.turns[0] += [TextDelta("Yes."), USED, WELL]
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    step = await run.steps.aget()
    assert step.reasoning == "Let me see."
    assert (await answer_of(run)).text == "Yes."


async def test_a_refusal_is_kept_as_one(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(Sent(""), RefusalDelta("I can"), RefusalDelta("not."), WELL)
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    refusal = {"type": "refusal", "refusal": "I cannot."}
    assert (await answer_of(run)).content == [refusal]
    assert run.input_tokens is None


@pytest.mark.parametrize(
    ("finish", "message_reason", "run_reason"),
    [
        ("length", "max_tokens", "max_completion_tokens"),
        ("content_filter", "content_filter", "content_filter"),
    ],
)
async def test_a_limit_ends_the_run_incomplete_with_the_text_so_far(
    alice: User,
    provider: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    finish: Any,
    message_reason: Any,
    run_reason: Any,
) -> None:
    provider.will(Sent(""), TextDelta("So far"), USED, Finish(finish, "r", "m"))
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    message = await answer_of(run)
    assert (run.status, run.incomplete_reason) == ("incomplete", run_reason)
    assert (message.status, message.incomplete_reason) == ("incomplete", message_reason)
    assert message.text == "So far"
    assert run.output_tokens == 5


async def test_an_empty_answer_completes_with_an_empty_message(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(Sent(""), WELL)
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    assert run.status == "completed"
    assert (await answer_of(run)).text == ""


async def test_an_error_after_the_first_token_keeps_the_text_and_is_not_retried(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = ProviderError("upstream_truncated", "Cut off.", retryable=True)
    provider.will(Sent(""), TextDelta("Half an ans"), cut)
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    message = await answer_of(run)
    assert (run.status, run.error_code) == ("failed", "upstream_truncated")
    assert run.last_error == {"code": "server_error", "message": "Cut off."}
    assert (message.text, message.status) == ("Half an ans", "incomplete")
    assert len(provider.prompts) == 1


async def test_a_busy_server_is_tried_again_visibly_before_the_first_token(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = ProviderError("rate_limited", "Busy.", retryable=True, retry_after=0.01)
    provider.will(busy)
    provider.will(busy)
    provider.will_say("At last.")
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    assert run.status == "completed"
    assert (await types(run)).count("run.retrying") == 2


async def test_after_three_tries_the_run_fails_with_the_servers_reason(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "FIRST_WAIT", 0.01)
    for _ in range(3):
        provider.will(ProviderError("rate_limited", "Busy.", retryable=True))
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    assert run.last_error == {"code": "rate_limit_exceeded", "message": "Busy."}
    assert not await run.messages.aexists()


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("authentication", "Wrong key."),
        ProviderError("rate_limited", "Busy.", retryable=True, retry_after=90),
    ],
    ids=["a retry would not help", "the server asks to wait too long"],
)
async def test_some_errors_are_not_tried_again(
    alice: User,
    provider: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    error: Any,
) -> None:
    provider.will(error)
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    assert run.error_code == error.code
    assert len(provider.prompts) == 1


async def test_an_unexpected_error_is_logged_and_shown_as_internal(
    alice: User,
    provider: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    caplog: Any,
) -> None:
    provider.will(Sent(""), TextDelta("Some"), RuntimeError("secret detail"))
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    assert run.error_code == "internal"
    assert "secret detail" not in str(run.last_error)
    assert "secret detail" in caplog.text


async def test_function_calls_wait_for_outputs_and_go_on_with_them(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    assistant = await Assistant.objects.acreate(name="Clock", tools=[TOOL])
    provider.will(
        Sent(""),
        TextDelta("Let me look."),
        ToolCallDelta(0, "call_1", "now", '{"zone"'),
        ToolCallDelta(0, "", "", ': "UTC"}'),
        ToolCallDelta(1, "call_2", "now", "{}"),
        USED,
        Finish("tool_calls", "resp_1", "m"),
    )
    provider.will_say("It is noon.")
    async with working(monkeypatch, provider):
        run = await post(alice, "What time is it?", assistant=assistant)
        await until(run, "thread.run.requires_action")
        await run.arefresh_from_db()
        assert run.required_action
        calls = run.required_action["submit_tool_outputs"]["tool_calls"]
        outputs = {call["id"]: "12:00" for call in calls}
        await sync_to_async(actions.submit_tool_outputs)(run=run, outputs=outputs)
        run = await ended(run)

    assert [call["function"] for call in calls] == [
        {"name": "now", "arguments": '{"zone": "UTC"}'},
        {"name": "now", "arguments": "{}"},
    ]
    assert [(m.role, m.text) for m in provider.prompts[1].messages] == [
        ("user", "What time is it?"),
        ("assistant", "Let me look."),
        ("assistant", ""),
        ("tool", "12:00"),
        ("tool", "12:00"),
    ]
    assert (run.status, run.input_tokens, run.attempt) == ("completed", 20, 2)
    kinds = [step.type async for step in run.steps.all()]
    assert kinds == ["message_creation", "tool_calls", "message_creation"]
