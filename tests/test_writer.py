"""The writer, where the database gives no answer."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs import actions, events
from runs.events import Event
from runs.models import EventType, Message, Run, RunEvent, User
from runs.providers import TextDelta
from runs.turn import Turn
from runs.writer import (
    MOST_MERGED,
    Batch,
    Writer,
    _write_together,
    _write_what_is_missing,
    merged,
)

pytestmark = pytest.mark.django_db


def thought(text: str) -> Event:
    return Event(EventType.REASONING_DELTA, {"turn": 1, "text": text})


def opening(alice: User, text: str) -> Batch:
    """What a claimed run commits when its answer begins with this text."""
    run = events.claim(actions.post_message(user=alice, text="Hi").pk, worker="w")
    assert run
    turn = Turn(Writer().open(run), number=1, next_index=0)
    turn.take(TextDelta(text))
    return turn.log.take()


def answers(*batches: Batch) -> list[int]:
    """How many answers each of the runs has, in its place in the thread."""
    runs = [Message.objects.filter(run=batch.log.run_id) for batch in batches]
    return [run.filter(number=2, parent__number=1).count() for run in runs]


def test_many_answers_open_in_as_few_statements_as_one(alice: User) -> None:
    counts = []
    for number in (1, 3):
        batches = [opening(alice, f"Word {n}") for n in range(number)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            _write_together(batches)
        counts.append(len(queries))
        assert answers(*batches) == [1] * number
        assert not any(batch.error for batch in batches)
    if connection.vendor == "postgresql":
        assert counts == [5, 5]  # read, write, ring, in the savepoint of a test


def test_a_run_that_has_gone_on_elsewhere_does_not_stop_the_others(
    alice: User, bob: User
) -> None:
    gone, other = opening(alice, "Old"), opening(bob, "New")
    Run.objects.filter(pk=gone.log.run_id).update(attempt=2)
    _write_together([gone, other])
    assert isinstance(gone.error, events.Fenced)
    assert not other.error
    assert answers(gone, other) == [0, 1]


def test_a_run_that_the_database_refuses_does_not_stop_the_others(
    alice: User, bob: User, caplog: pytest.LogCaptureFixture
) -> None:
    broken, other = opening(alice, "\ud800"), opening(bob, "New")
    _write_together([broken, other])
    assert broken.error
    assert "Recording" in caplog.text
    assert not other.error
    assert answers(broken, other) == [0, 1]


def test_a_commit_whose_answer_was_lost_is_not_written_twice(alice: User) -> None:
    run = events.claim(actions.post_message(user=alice, text="Hi").pk, worker="w")
    assert run
    log = Writer().open(run)
    log.add(thought("Hm"))
    lost = log.take()
    _write_together([lost])
    # The answer to that commit is lost, so the writer tries again.
    _write_what_is_missing([lost])
    log.add(thought("Yes"))
    _write_together([log.take()])
    rows = RunEvent.objects.filter(run=run, type=EventType.REASONING_DELTA)
    written = rows.order_by("seq").values_list("seq", "data__text")
    assert list(written) == [(run.last_seq + 1, "Hm"), (run.last_seq + 2, "Yes")]


def test_a_commit_that_failed_is_written_when_it_is_tried_again(alice: User) -> None:
    run = events.claim(actions.post_message(user=alice, text="Hi").pk, worker="w")
    assert run
    log = Writer().open(run)
    log.add(thought("Hm"))
    _write_what_is_missing([log.take()])
    assert log.last_seq == run.last_seq + 1
    assert RunEvent.objects.get(run=run, seq=log.last_seq).data["text"] == "Hm"


def test_an_event_stops_growing_before_it_is_too_long_for_a_frame() -> None:
    def delta() -> Event:
        fact = {"message": "msg_1", "index": 0, "text": "x" * 1_000}
        return Event(EventType.MESSAGE_DELTA, fact)

    grown, taken = delta(), 1
    while merged(grown, delta()):
        taken += 1

    assert len(grown.data["text"]) == taken * 1_000
    assert MOST_MERGED <= len(grown.data["text"]) < MOST_MERGED + 1_000
