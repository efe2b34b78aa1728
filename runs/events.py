"""The log: the only writer of run state.

``record`` checks the fence, appends, folds the events into the rows, rings the
doorbell and commits, all in one transaction.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils import timezone

from runs import doorbell, fold
from runs.course import Course, Entry, IllegalTransition, load_open, save
from runs.models import (
    EventType,
    Run,
    RunEvent,
    RunStatus,
    Thread,
)
from runs.models.fields import without_nul

STATE = ("pk", "attempt", "status", "last_seq")
GROW = """
    UPDATE runs_run SET last_seq = %s, first_token_at = COALESCE(first_token_at, %s)
    WHERE id = %s
"""
INSERT = """
    INSERT INTO runs_runevent (run_id, seq, attempt, type, data, created_at)
    VALUES (%s, %s, %s, %s, %s, %s)
"""
CREATES: dict[str, str] = {
    EventType.STEP_CREATED: "step",
    EventType.MESSAGE_CREATED: "message",
}


class Fenced(Exception):
    """This attempt no longer owns the run; its writer must stop at once."""


Refusal = Fenced | IllegalTransition


@dataclass(slots=True)
class Event:
    """An event still to be recorded: its type and the small fact it states."""

    type: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Deltas:
    """The deltas that one attempt adds to its run."""

    run_id: str
    attempt: int
    events: Sequence[Event]


def record(run_id: str, events: Sequence[Event], *, attempt: int | None = None) -> int:
    """Append events to the run's log and fold them into its rows; returns the last seq.

    A worker passes its ``attempt``; Fenced is raised, and nothing written, when the
    run has gone on without it. People's actions pass none. Raises IllegalTransition
    where the run's status forbids an event.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run_id)
        if attempt is not None and (run.attempt != attempt or run.is_terminal):
            raise Fenced(run_id)
        now, before = timezone.now(), run.last_seq
        _number_messages(run, events)
        course = _course(run, events)
        known = {*course.steps, *course.messages}
        for seq, event in enumerate(events, before + 1):
            event.data = without_nul(event.data)
            fold.apply(course, Entry(seq, event.type, event.data, now))
        save(course, known)
        RunEvent.objects.bulk_create(_entries(run_id, events, run.attempt, before, now))
        doorbell.events.ring({run_id: run.last_seq})
    return run.last_seq


def claim(run_id: str, *, worker: str) -> Run | None:
    """Take a queued run for this worker; None when somebody else was faster."""
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run_id)
        if run.status != RunStatus.QUEUED:
            return None
        fact = {"attempt": run.attempt + 1, "worker": worker}
        record(run_id, [Event(EventType.RUN_IN_PROGRESS, fact)])
        renew([run_id], worker=worker)
    return Run.objects.select_related("setup", "assistant").get(pk=run_id)


def renew(run_ids: Iterable[str], *, worker: str) -> None:
    """Prolong the leases of this worker's runs, by the database's clock."""
    Run.objects.filter(pk__in=list(run_ids), worker=worker).update(lease_until=_lease())


def after(run_id: str, seq: int, limit: int | None = None) -> list[RunEvent]:
    """The events of a run beyond seq, in order."""
    return list(RunEvent.objects.filter(run_id=run_id, seq__gt=seq)[:limit])


def replay(run: Run, entries: Iterable[RunEvent]) -> Course:
    """What a run's whole log makes of a run that has only what it was created with."""
    course = Course(run)
    for entry in entries:
        if entry.seq != course.run.last_seq + 1:
            raise ValueError(f"gap in the log of {run.pk} before {entry.seq}")
        fold.apply(course, Entry(entry.seq, entry.type, entry.data, entry.created_at))
    return course


def append_deltas(batches: Sequence[Deltas]) -> dict[str, int | Refusal]:
    """The path of a token: the deltas of many runs in three statements, however many.

    Gives for each run its last seq, or why nothing was written for it. The statements
    are plain SQL, since the ORM would cost more than all the rest of a token's way.
    """
    results: dict[str, int | Refusal] = {}
    rows: list[tuple[Any, ...]] = []
    with transaction.atomic():
        locked = Run.objects.select_for_update().filter(
            pk__in=[batch.run_id for batch in batches]
        )
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        states = {row[0]: row[1:] for row in locked.values_list(*STATE)}
        for batch in batches:
            attempt, status, last_seq = states.get(batch.run_id, (None, None, 0))
            if attempt == batch.attempt and status == RunStatus.IN_PROGRESS:
                rows += _rows(batch, last_seq, now)
                results[batch.run_id] = last_seq + len(batch.events)
            elif attempt == batch.attempt and status == RunStatus.CANCELLING:
                # A person's Stop came first.
                results[batch.run_id] = IllegalTransition("output while cancelling")
            else:
                results[batch.run_id] = Fenced(batch.run_id)
        grown = {k: seq for k, seq in results.items() if isinstance(seq, int)}
        with connection.cursor() as cursor:
            cursor.executemany(GROW, [(seq, now, key) for key, seq in grown.items()])
            cursor.executemany(INSERT, rows)
        doorbell.events.ring(grown)
    return results


def _rows(batch: Deltas, before: int, now: Any) -> Iterable[tuple[Any, ...]]:
    for seq, event in enumerate(batch.events, before + 1):
        data = json.dumps(without_nul(event.data), ensure_ascii=False)
        yield batch.run_id, seq, batch.attempt, str(event.type), data, now


def _lease() -> Any:
    return Now() + dt.timedelta(seconds=settings.RUN_LEASE_SECONDS)


def _number_messages(run: Run, events: Sequence[Event]) -> None:
    """Give new messages their number and parent, under the thread's row lock."""
    new = [event for event in events if event.type == EventType.MESSAGE_CREATED]
    if not new:
        return
    thread = Thread.objects.select_for_update().get(pk=run.thread_id)
    number = thread.messages.aggregate(last=Max("number"))["last"] or 0
    parent = run.messages.order_by("-number").values_list("pk", flat=True).first()
    for event in new:
        number += 1
        parent = parent or run.answers_id
        event.data.update(number=number, parent=parent)
        parent = event.data["message"]


def _course(run: Run, events: Sequence[Event]) -> Course:
    """The run, with its open rows if any event speaks of one of them."""
    course = Course(run)
    spoken_of = {
        event.data[key]
        for event in events
        for key in ("step", "message")
        if event.data.get(key)
    }
    made_here = {
        event.data[CREATES[event.type]] for event in events if event.type in CREATES
    }
    if spoken_of - made_here:
        load_open(course)
    return course


def _entries(
    run_id: str,
    events: Sequence[Event],
    attempt: int,
    before: int,
    now: dt.datetime,
) -> list[RunEvent]:
    """The rows of the log for these events, which follow seq ``before``."""
    return [
        RunEvent(
            run_id=run_id,
            seq=seq,
            attempt=attempt,
            type=event.type,
            data=without_nul(event.data),
            created_at=now,
        )
        for seq, event in enumerate(events, before + 1)
    ]


__all__ = [
    "Deltas",
    "Event",
    "Fenced",
    "IllegalTransition",
    "Refusal",
    "after",
    "append_deltas",
    "claim",
    "record",
    "renew",
    "replay",
]
