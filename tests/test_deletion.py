"""Threads deleted while somebody writes to them or follows them."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import sync_to_async

from runs import actions, conversations, endings, events, housekeeping, live
from runs.events import Event, Fenced
from runs.models import EventType, Message, Run, Thread, User
from runs.worker import unwanted


@pytest.fixture
def run(transactional_db: None, alice: User) -> Run:
    """Queued."""
    return actions.post_message(user=alice, text="Hello")


def test_a_worker_of_a_deleted_run_is_fenced_off(run: Run) -> None:
    claimed = events.claim(run.pk, worker="w")
    assert claimed is not None
    assert unwanted([run.pk]) == []
    Thread.objects.all().delete()
    assert unwanted([run.pk]) == [run.pk]
    with pytest.raises(Fenced):
        events.record(run.pk, [Event(EventType.RUN_COMPLETED)], attempt=1)
    for end in (endings.cancelled, endings.expired, endings.lost, endings.interrupted):
        with pytest.raises(Fenced):
            end(run.pk, attempt=1)
    batch = events.NewEvents(run.pk, 1, [Event(EventType.REASONING_DELTA, {})])
    assert isinstance(events.append_deltas([batch])[run.pk], Fenced)


def test_a_deleted_run_is_not_taken(run: Run) -> None:
    Thread.objects.all().delete()
    assert events.claim(run.pk, worker="w") is None


def test_a_sweep_passes_over_what_is_deleted_meanwhile(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def delete_first(run_id: str) -> None:
        Thread.objects.all().delete()
        endings.expired(run_id)

    housekeeping._each(Run.objects.filter(pk=run.pk), delete_first)
    assert "failed" not in caplog.text


def test_a_deleted_thread_leaves_nothing(run: Run, alice: User) -> None:
    conversations.delete_thread(run.thread, user=alice)
    for model in (Thread, Message, Run):
        assert not model.objects.exists()
    with pytest.raises(conversations.ThreadIsGone):
        conversations.delete_thread(run.thread, user=alice)


@pytest.mark.django_db(transaction=True)
async def test_followers_of_a_run_that_vanishes_come_to_an_end(run: Run) -> None:
    seen: list[str] = []
    caught_up = asyncio.Event()

    async def follow() -> None:
        async for event in live.follow(run.pk):
            seen.append(event.type)
            if len(seen) == 2:
                caught_up.set()

    following = asyncio.create_task(follow())
    await asyncio.wait_for(caught_up.wait(), 5)
    await sync_to_async(Thread.objects.all().delete)()
    await asyncio.wait_for(following, 3 * live.LOOK_ANYWAY)
    assert seen == [EventType.RUN_CREATED, EventType.RUN_QUEUED]
