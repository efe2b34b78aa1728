"""What needs a worker that stands still, or a provider that plays a script (api.md 1, 2).

The API is asked in this process; streams are read by the official client all the same.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from runs import endings, events, housekeeping
from runs.api import objects, sse
from runs.models import ApiKey, Run, Thread, User
from runs.providers import (
    Finish,
    Sent,
    TextDelta,
    ToolCallDelta,
)
from tests.api.in_process import (
    Call,
    call,
    heard_by_helper,
    key,
    path_of,
    run_of,
    stream_of,
)
from tests.api.run_helpers import names
from tests.scripts import (
    USED,
    WELL,
    Gate,
    Scripted,
    ended,
    working,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings(
        "ignore:.*Assistants API is deprecated.*:DeprecationWarning"
    ),
]
__all__ = ["call", "key"]  # fixtures


def test_a_queued_run_is_cancelled_at_once(alice: User, call: Call) -> None:
    """1.1 queued to cancelling to cancelled."""
    run = run_of(alice)
    status, shown = call("POST", path_of(run, "/cancel"))
    assert (status, shown["status"]) == (200, "cancelled")
    assert shown["cancelled_at"]
    assert shown["expires_at"] is None


def test_a_run_is_cancelled_once(alice: User, call: Call) -> None:
    """1.3 cancel a cancelling run; 1.1 in_progress to cancelling."""
    run = run_of(alice)
    events.claim(run.pk, worker="somebody")
    status, shown = call("POST", path_of(run, "/cancel"))
    assert (status, shown["status"]) == (200, "cancelling")

    status, shown = call("POST", path_of(run, "/cancel"))
    assert status == 400
    message = "Cannot cancel run with status 'cancelling'."
    assert shown["error"]["message"] == message


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_outputs_are_refused_in_every_other_state(
    alice: User, call: Call, status: str
) -> None:
    """1.3 submit in wrong state, same with "queued"."""
    run = run_of(alice)
    if status == "in_progress":
        events.claim(run.pk, worker="somebody")
    path = path_of(run, "/submit_tool_outputs")
    code, shown = call("POST", path, {"tool_outputs": []})
    assert code == 400
    message = f'Runs in status "{status}" do not accept tool outputs.'
    assert shown["error"]["message"] == message


def test_a_queued_run_expires(alice: User, call: Call) -> None:
    """1.1 queued to expired."""
    run = run_of(alice)
    past = timezone.now() - dt.timedelta(seconds=1)
    Run.objects.filter(pk=run.pk).update(expires_at=past)
    housekeeping.keep_house()
    _, shown = call("GET", path_of(run))
    assert (shown["status"], shown["expires_at"]) == ("expired", None)


def test_a_run_that_fails_in_the_line_has_its_error(alice: User, call: Call) -> None:
    """1.1 queued to failed."""
    run = run_of(alice)
    endings.failed(run.pk, error_code="interrupted", message="It could not begin.")
    _, shown = call("GET", path_of(run))
    assert (shown["status"], shown["started_at"]) == ("failed", None)
    assert shown["failed_at"]
    assert shown["last_error"] == {
        "code": "server_error", "message": "It could not begin."
    }  # fmt: skip


def test_a_waiting_run_tells_its_place_in_the_line(alice: User, call: Call) -> None:
    """Beyond the original: queue_position."""
    first, second = run_of(alice), run_of(alice)
    assert call("GET", path_of(first))[1]["queue_position"] == 1
    assert call("GET", path_of(second))[1]["queue_position"] == 2
    events.claim(first.pk, worker="somebody")
    assert "queue_position" not in call("GET", path_of(first))[1]


def test_a_full_line_is_a_rate_limit(alice: User, call: Call, settings: Any) -> None:
    """1.3 the one case in which a client should try again."""
    settings.QUEUED_PER_USER = 1
    run = run_of(alice)
    thread = call("POST", "/threads", {})[1]["id"]
    body = {"assistant_id": run.assistant_id, "instructions": "Go."}
    status, shown = call("POST", f"/threads/{thread}/runs", body)
    assert (status, shown["error"]["code"]) == (429, "rate_limit_exceeded")


async def test_an_expired_answer_is_kept_as_far_as_it_came(
    alice: User,
    key: tuple[ApiKey, str],
    provider: Scripted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """1.1 in_progress to expired; 2.2 (d) expiry."""
    monkeypatch.setattr("django.conf.settings.RUN_EXPIRES_SECONDS", 2)
    provider.will(Sent("req_1"), TextDelta("Half"), Gate())
    async with working(monkeypatch, provider, alone=True):
        run = await sync_to_async(run_of)(alice)
        stream = await stream_of(run, key[0])

    heard = heard_by_helper(stream)
    told = heard.called("event")
    assert names(told)[-3:] == [
        "message.incomplete", "run.step.expired", "run.expired"
    ]  # fmt: skip
    (message,) = heard.called("message_done")
    assert message.incomplete_details.reason == "run_expired"
    assert message.content[0].text.value == "Half"
    assert told[-1].data.expires_at is None


async def test_a_stream_that_comes_too_late_for_the_end_of_a_deleted_run_still_tells_it(
    alice: User,
    key: tuple[ApiKey, str],
    provider: Scripted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """2.2 (c) cancel midway, by deleting the thread; 2.4 a terminal run event."""
    provider.will(Sent("r"), TextDelta("Half"), Gate())
    async with working(monkeypatch, provider, alone=True):
        run = await sync_to_async(run_of)(alice)
        run = await Run.objects.select_related("setup").aget(pk=run.pk)
        response = await sync_to_async(sse.stream)(run, key[0].pk)
        chunks = []
        async for chunk in response:
            chunks.append(chunk)
            if b"thread.message.delta" in chunk:
                # Without the events that conversations.delete_thread records before.
                await Thread.objects.filter(pk=run.thread_id).adelete()

    heard = heard_by_helper(b"".join(chunks))
    told = heard.called("event")
    assert names(told)[-4:] == [
        "run.cancelling", "message.incomplete", "run.step.cancelled", "run.cancelled",
    ]  # fmt: skip
    (message,) = heard.called("message_done")
    assert message.incomplete_details.reason == "run_cancelled"
    assert message.content[0].text.value == "Half"
    assert (told[-1].data.status, told[-1].data.expires_at) == ("cancelled", None)
    assert chunks[-1] == sse.DONE


async def test_who_waits_for_a_run_that_is_deleted_gets_it_as_cancelled(
    alice: User, key: tuple[ApiKey, str]
) -> None:
    """1.1 queued to cancelled; beyond the original: ``wait``."""
    run = await sync_to_async(run_of)(alice)
    waiting = await sync_to_async(sse.when_over)(
        run, key[0].pk, lambda replay: objects.run(replay.run)
    )
    await Thread.objects.filter(pk=run.thread_id).adelete()
    answer = b"".join([chunk async for chunk in waiting])
    shown = json.loads(answer)
    assert (shown["id"], shown["status"]) == (run.pk, "cancelled")
    assert shown["cancelled_at"] is not None


async def test_silence_is_filled_with_comments_that_are_no_events(
    alice: User,
    key: tuple[ApiKey, str],
    provider: Scripted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """2.4 a comment not followed by a blank line, also where there are ids."""
    monkeypatch.setattr(sse, "HEARTBEAT", 0.1)
    monkeypatch.setattr(sse, "LOOK", 0.1)
    gate = Gate()
    provider.will(Sent("r"), TextDelta("Slow"), gate, TextDelta("ly."), USED, WELL)
    chunks: list[bytes] = []
    async with working(monkeypatch, provider, alone=True):
        run = await sync_to_async(run_of)(alice)
        run = await Run.objects.select_related("setup").aget(pk=run.pk)
        response = await sync_to_async(sse.log_stream)(run, key[0].pk, after=0)
        async for chunk in response:
            chunks.append(chunk)
            if chunk == b": ping\n":
                gate.opened.set()

    assert b": ping\n" in chunks
    heard = heard_by_helper(b"".join(chunks))
    assert heard.called("text_done") == ["Slowly."]


async def test_text_before_calls_is_a_step_of_its_own(
    alice: User,
    key: tuple[ApiKey, str],
    provider: Scripted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """9.2 text and calls in one turn: the message first, completed."""
    called = ToolCallDelta(0, "call_1", "now", '{"a":1}')
    finish = Finish("tool_calls", "resp_1", "m")
    provider.will(Sent("r"), TextDelta("Let me see."), called, USED, finish)
    async with working(monkeypatch, provider, alone=True):
        run = await sync_to_async(run_of)(alice)
        stream = await stream_of(run, key[0])

    heard = heard_by_helper(stream)
    assert names(heard.called("event"))[3:] == [
        "run.step.created", "run.step.in_progress", "message.created",
        "message.in_progress", "message.delta", "message.completed",
        "run.step.completed", "run.step.created", "run.step.in_progress",
        "run.step.delta", "run.requires_action",
    ]  # fmt: skip
    # 2.4 arguments already complete in the first tool delta: told as two.
    assert len(heard.called("step_delta")) == 2
    (created,) = heard.called("call_created")
    assert created.function.arguments == ""
    (done,) = heard.called("call_done")
    assert done.function.arguments == '{"a":1}'


async def test_a_call_cut_off_by_the_limit_ends_its_step(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1.5 budget within a call of a function."""
    called = ToolCallDelta(0, "call_1", "now", '{"a":')
    provider.will(Sent("r"), called, USED, Finish("length", "resp_1", "m"))
    async with working(monkeypatch, provider, alone=True):
        run = await ended(await sync_to_async(run_of)(alice))
    assert (run.status, run.incomplete_reason) == (
        "incomplete",
        "max_completion_tokens",
    )
    step = await run.steps.aget()
    assert step.status == "completed"
    assert not await run.messages.aexists()
