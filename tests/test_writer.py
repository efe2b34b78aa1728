"""The writer, where the database gives no answer."""

from __future__ import annotations

import pytest

from runs import actions, events
from runs.events import Event
from runs.models import EventType, RunEvent, User
from runs.writer import (
    MOST_MERGED,
    Writer,
    _write_together,
    _write_what_is_missing,
    merged,
)

pytestmark = pytest.mark.django_db


def thought(text: str) -> Event:
    return Event(EventType.REASONING_DELTA, {"turn": 1, "text": text})


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
