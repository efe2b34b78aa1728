"""Followers read the whole log in order, whatever happens to doorbells."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from asgiref.sync import sync_to_async

from runs import doorbell, events, live
from runs.events import Event
from runs.models import EventType, Run, RunEvent, User
from tests.scripts import post

pytestmark = pytest.mark.django_db(transaction=True)


async def begun(user: User) -> Run:
    """A run in progress with a message open; its log has five events."""
    run = await post(user)
    await sync_to_async(events.claim)(run.pk, worker="w:1")
    step = {"step": "step_1", "type": "message_creation", "index": 0, "turn": 1}
    message = {"message": "msg_1", "step": "step_1"}
    await record(
        run,
        Event(EventType.STEP_CREATED, step),
        Event(EventType.MESSAGE_CREATED, message),
    )
    return run


@sync_to_async
def record(run: Run, *new: Event) -> None:
    events.record(run.pk, new, attempt=1)


async def say(run: Run, *texts: str) -> None:
    fact = {"message": "msg_1", "index": 0}
    new = [Event(EventType.MESSAGE_DELTA, {**fact, "text": text}) for text in texts]
    await record(run, *new)


async def finish(run: Run) -> None:
    await record(
        run,
        Event(EventType.MESSAGE_COMPLETED, {"message": "msg_1"}),
        Event(EventType.STEP_COMPLETED, {"step": "step_1"}),
        Event(EventType.RUN_COMPLETED),
    )


async def all_of(run: Run, after: int = 0) -> list[live.Logged]:
    async with (
        asyncio.timeout(10),
        contextlib.aclosing(live.follow(run.pk, after)) as log,
    ):
        return [event async for event in log]


async def read_until(run: Run, seq: int, after: int = 0) -> None:
    async with (
        asyncio.timeout(10),
        contextlib.aclosing(live.follow(run.pk, after)) as log,
    ):
        async for event in log:
            if event.seq == seq:
                return


async def test_a_follower_sees_the_past_and_then_what_comes(alice: User) -> None:
    run = await begun(alice)
    following = asyncio.create_task(all_of(run))
    await read_until(run, 5)
    await say(run, "one ", "two ")
    await say(run, "three")
    await finish(run)
    seen = await following
    assert [e.seq for e in seen] == list(range(1, 12))
    assert "".join(e.data.get("text", "") for e in seen) == "one two three"


async def test_many_followers_with_different_cursors_each_see_every_event_once(
    alice: User,
) -> None:
    run = await begun(alice)
    following = [asyncio.create_task(all_of(run, after)) for after in (0, 2, 5, 7)]
    for text in "abcdefgh":
        await say(run, text)
    await finish(run)
    for after, task in zip((0, 2, 5, 7), following, strict=True):
        assert [e.seq for e in await task] == list(range(after + 1, 17))


async def test_a_lost_doorbell_delays_but_loses_nothing(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LOOK_ANYWAY", 0.05)
    monkeypatch.setattr(doorbell.events, "ring", lambda heads: None)
    run = await begun(alice)
    following = asyncio.create_task(all_of(run))
    await read_until(run, 5)
    await say(run, "quiet")
    await finish(run)
    assert len(await following) == 9


async def test_a_follower_far_behind_reads_the_log_in_pages(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PAGE", 7)
    monkeypatch.setattr(live, "KEPT", 3)
    run = await begun(alice)
    await say(run, *"x" * 50)
    following = asyncio.create_task(all_of(run))
    await read_until(run, 55)
    await say(run, *"y" * 50)
    await finish(run)
    assert [e.seq for e in await following] == list(range(1, 109))


async def test_a_cursor_at_the_end_of_a_finished_run_ends_at_once(alice: User) -> None:
    run = await begun(alice)
    await finish(run)
    assert await all_of(run, after=8) == []
    assert await all_of(run, after=99) == []


async def test_a_run_that_does_not_exist_is_over(alice: User) -> None:
    run = Run(pk="run_none")
    assert await all_of(run) == []


async def test_one_reading_serves_all_followers(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await begun(alice)
    waiting = asyncio.Barrier(21)

    async def follower() -> live.Logged:
        async with contextlib.aclosing(live.follow(run.pk)) as log:
            async for event in log:
                if event.seq == 5:
                    await waiting.wait()
                if event.is_terminal:
                    return event
        raise AssertionError("the log has no end")

    following = [asyncio.create_task(follower()) for _ in range(20)]
    await waiting.wait()
    readings: list[object] = []
    real = live._read

    def counted(run_id: str, cursor: int) -> list[live.Logged]:
        readings.append(cursor)
        return real(run_id, cursor)

    monkeypatch.setattr(live, "_read", counted)
    await say(run, "once")
    await finish(run)
    ends = await asyncio.gather(*following)
    assert len(readings) <= 4
    assert len({id(end) for end in ends}) == 1


async def test_following_leaves_nothing_behind(alice: User) -> None:
    run = await begun(alice)
    await read_until(run, 5)
    tailer = live.Tailer.of_this_loop()
    assert tailer._watches == {}
    if tailer._task:
        await tailer._task
    assert doorbell.events._listeners == {}


async def test_a_frame_is_the_event_as_json(alice: User) -> None:
    run = await begun(alice)
    await say(run, 'quo"te\n')
    await finish(run)
    event = (await all_of(run))[5]
    stored = await RunEvent.objects.aget(run=run, seq=6)
    assert event.data == stored.data
    assert '"op":"event"' in event.frame
    assert event.frame is event.frame
