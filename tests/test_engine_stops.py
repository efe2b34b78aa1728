"""How runs end before their time: stopped, expired, or left by their worker."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from runs import actions, events
from runs.models import User
from runs.providers import (
    Sent,
    TextDelta,
)
from tests.scripts import (
    WELL,
    Gate,
    Scripted,
    answer_of,
    ended,
    post,
    types,
    until,
    working,
)

pytestmark = pytest.mark.django_db(transaction=True)


async def test_stop_before_the_first_token_cancels_without_a_message(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    provider.will(Sent(""), gate)
    async with working(monkeypatch, provider):
        run = await post(alice)
        await gate.reached.wait()
        asked = await sync_to_async(actions.cancel)(run=run, user=alice)
        assert asked.status == "cancelling"
        run = await ended(run)
    assert (run.status, run.cancelled_by) == ("cancelled", "alice")
    assert provider.closed == 1
    assert not await run.messages.aexists()


async def test_stop_in_mid_answer_keeps_the_text_so_far(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    provider.will(Sent(""), TextDelta("One two"), gate, TextDelta(" three"), WELL)
    async with working(monkeypatch, provider):
        run = await post(alice)
        await until(run, "thread.message.delta")
        await gate.reached.wait()
        await sync_to_async(actions.cancel)(run=run, user=alice)
        run = await ended(run)
    message = await answer_of(run)
    assert (message.text, message.incomplete_reason) == ("One two", "run_cancelled")
    assert (await run.steps.aget()).status == "cancelled"
    assert (await types(run))[-4:] == [
        "run.cancelling", "message.incomplete", "run.step.cancelled", "run.cancelled",
    ]  # fmt: skip


async def test_a_run_that_takes_too_long_expires(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.RUN_EXPIRES_SECONDS = 0.5
    provider.will(Sent(""), TextDelta("Slow"), Gate())
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    assert (run.status, (await answer_of(run)).text) == ("expired", "Slow")


async def test_stopping_the_worker_ends_its_runs_as_interrupted(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    provider.will(Sent(""), TextDelta("Once upon"), gate)
    async with working(monkeypatch, provider):
        run = await post(alice)
        await until(run, "thread.message.delta")
    run = await ended(run)
    assert (run.status, run.error_code) == ("failed", "interrupted")
    assert (await answer_of(run)).text == "Once upon"


async def test_stopping_the_worker_before_the_first_token_leaves_the_run_queued(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    provider.will(Sent(""), gate)
    provider.will_say("Second time lucky.")
    async with working(monkeypatch, provider):
        run = await post(alice)
        await gate.reached.wait()
    await run.arefresh_from_db()
    assert run.status == "queued"
    async with working(monkeypatch, provider):
        run = await ended(run)
    assert (run.status, run.attempt) == ("completed", 2)


async def test_a_worker_with_grace_finishes_what_it_has_begun(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    provider.will(Sent(""), TextDelta("Almost"), gate, TextDelta(" done."), WELL)
    async with working(monkeypatch, provider, grace=10) as worker:
        run = await post(alice)
        await gate.reached.wait()
        worker.stop()
        gate.opened.set()
        run = await ended(run)
    assert (run.status, (await answer_of(run)).text) == ("completed", "Almost done.")


async def test_a_second_stop_ends_the_grace(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(Sent(""), TextDelta("Almost"), Gate())
    async with working(monkeypatch, provider, grace=60) as worker:
        run = await post(alice)
        await until(run, "thread.message.delta")
        worker.stop()
    assert (await ended(run)).error_code == "interrupted"


async def test_runs_of_a_dead_process_end_interrupted_at_the_next_start(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await post(alice)
    await sync_to_async(events.claim)(run.pk, worker="dead:1")
    waiting = await post(alice)
    provider.will_say("Hi.")
    async with working(monkeypatch, provider, alone=True):
        assert (await ended(run)).error_code == "interrupted"
        assert (await ended(waiting)).status == "completed"
