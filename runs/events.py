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
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from runs import clock, doorbell, fold, lists, timelines
from runs.course import (
    STEP_ENDS,
    Course,
    Entry,
    IllegalTransition,
    changes,
    load_open,
    locked,
    state,
)
from runs.models import (
    HELD,
    EventType,
    Run,
    RunEvent,
    RunStatus,
)
from runs.models.fields import without_nul
from runs.rows import Change, Logged, store

STATE = ("pk", "attempt", "status", "last_seq")
GROW = """
    UPDATE runs_run SET last_seq = %s, first_token_at = COALESCE(first_token_at, %s)
    WHERE id = %s
"""
# On PostgreSQL all of them are one statement: the fence is its condition, and it takes
# the rows as one JSON text, which costs less than a parameter for each value.
APPEND_ALL = """
    WITH batch AS (
        SELECT * FROM jsonb_to_recordset(%(batches)s::jsonb)
            AS batch (run text, attempt int, events jsonb)
        LIMIT %(runs)s -- tells how few they are, so that no plan reads the whole table
    ), grown AS (
        UPDATE runs_run AS run
        SET last_seq = run.last_seq + jsonb_array_length(batch.events),
            first_token_at = COALESCE(run.first_token_at, %(now)s)
        FROM batch
        WHERE run.id = batch.run AND run.attempt = batch.attempt
            AND run.status = 'in_progress'
        RETURNING run.id, run.attempt, run.last_seq, batch.events
    ), added AS (
        INSERT INTO runs_runevent (run_id, seq, attempt, type, data, created_at)
        SELECT grown.id,
            grown.last_seq - jsonb_array_length(grown.events) + new.place,
            grown.attempt, new.event ->> 0, new.event -> 1, %(now)s
        FROM grown, jsonb_array_elements(grown.events)
            WITH ORDINALITY AS new (event, place)
    )
    SELECT id, last_seq FROM grown
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
class NewEvents:
    """The events that one attempt adds to the log of its run; people have no attempt."""

    run_id: str
    attempt: int | None
    events: Sequence[Event]


def record(run_id: str, events: Sequence[Event], *, attempt: int | None = None) -> int:
    """Append events to the run's log and fold them into its rows; returns the last seq.

    A worker passes its ``attempt``; Fenced is raised, and nothing written, when the
    run has gone on without it. People's actions pass none. Raises IllegalTransition
    where the run's status forbids an event.
    """
    with transaction.atomic():
        result = record_all([NewEvents(run_id, attempt, events)])[run_id]
        if isinstance(result, Exception):
            raise result
    return result


def record_all(batches: Sequence[NewEvents]) -> dict[str, int | Exception]:
    """As ``record``, for many runs in one transaction, which the caller has begun.

    Gives for each run its last seq, or why nothing was written for it. Only what the
    database says is raised, and then nothing was written at all.
    """
    now, runs = timezone.now(), _locked(batches)
    results: dict[str, int | Exception] = {}
    written: list[Change] = []
    entries: list[Logged] = []
    ended: list[str] = []  # threads whose run has ended
    for batch in batches:
        try:
            course, known, before = _folded(batch, runs.get(batch.run_id), now)
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001 - refused, or a mistake: others go on
            results[batch.run_id] = error
            continue
        results[batch.run_id] = course.run.last_seq
        written += changes(course, known, before)
        if course.run.is_terminal and course.run.status != before["status"]:
            ended.append(course.run.thread_id)
        entries += _entries(batch, course.run.attempt, before["last_seq"], now)
    grown = {run_id: seq for run_id, seq in results.items() if isinstance(seq, int)}
    if grown:
        store(written, entries)
        doorbell.events.ring(grown)
        lists.answered(ended, now)
    return results


def _holds(run: Run, attempt: int) -> bool:
    """Not once it is over, and not while it waits for its next attempt."""
    return run.attempt == attempt and run.status in HELD


def claim(run_id: str, *, worker: str) -> Run | None:
    """Take a queued run for this worker; None when somebody was faster."""
    with transaction.atomic():
        run = Run.objects.select_for_update().filter(pk=run_id).first()
        if run is None or run.status != RunStatus.QUEUED:
            return None
        fact = {"attempt": run.attempt + 1, "worker": worker}
        record(run_id, [Event(EventType.RUN_IN_PROGRESS, fact)])
        renew([run_id], worker=worker)
    run = Run.objects.select_related("setup", "assistant").get(pk=run_id)
    if run.expires_at:
        run.seconds_left = (run.expires_at - clock.now()).total_seconds()
    return run


def renew(run_ids: Iterable[str], *, worker: str) -> None:
    """Prolong the leases of this worker's runs, by the database's clock."""
    Run.objects.filter(pk__in=list(run_ids), worker=worker).update(lease_until=_lease())


def after(run_id: str, seq: int, limit: int | None = None) -> list[RunEvent]:
    """The events of a run beyond seq, in order, also those that rest in its timeline."""
    rows = list(RunEvent.objects.filter(run_id=run_id, seq__gt=seq)[:limit])
    # The end of a log is never folded, so whatever is folded shows as a gap before it.
    if not timelines.has_gap((row.seq for row in rows), seq):
        return rows
    return [*timelines.events_after(run_id, seq), *rows][:limit]


def replay(run: Run, entries: Iterable[RunEvent]) -> Course:
    """What a run's whole log makes of a run that has only what it was created with."""
    course = Course(run)
    for entry in entries:
        if entry.seq != course.run.last_seq + 1:
            raise ValueError(f"gap in the log of {run.pk} before {entry.seq}")
        fold.apply(course, Entry(entry.seq, entry.type, entry.data, entry.created_at))
    return course


def append_deltas(batches: Sequence[NewEvents]) -> dict[str, int | Refusal]:
    """The path of a token: the deltas of many runs, in as few statements as can be.

    Gives for each run its last seq, or why nothing was written for it. The statements
    are plain SQL, since the ORM would cost more than all the rest of a token's way.
    """
    if not batches:
        return {}
    append = _append_all if connection.vendor == "postgresql" else _append_each
    # No savepoint: it is two round trips, and refusals are given and not raised.
    with transaction.atomic(savepoint=False):
        grown = append(batches)
        doorbell.events.ring(grown)
        missing = [batch for batch in batches if batch.run_id not in grown]
        return {**grown, **(_refusals(missing) if missing else {})}


def _append_all(batches: Sequence[NewEvents]) -> dict[str, int]:
    """In one statement, on PostgreSQL; the last seq of each run that took its deltas."""
    given = [
        {
            "run": batch.run_id,
            "attempt": batch.attempt,
            "events": _pairs(batch),
        }
        for batch in batches
    ]
    text = json.dumps(given, ensure_ascii=False)
    with connection.cursor() as cursor:
        cursor.execute(
            APPEND_ALL,
            {"batches": text, "runs": len(given), "now": timezone.now()},
        )
        return dict(cursor.fetchall())


def _append_each(batches: Sequence[NewEvents]) -> dict[str, int]:
    """The same where the database has one writer at a time anyway."""
    grown: dict[str, int] = {}
    entries: list[Logged] = []
    now = timezone.now()
    states = _states(batches)
    for batch in batches:
        attempt, status, last_seq = states.get(batch.run_id, (None, None, 0))
        if attempt == batch.attempt and status == RunStatus.IN_PROGRESS:
            entries += _entries(batch, attempt, last_seq, now)
            grown[batch.run_id] = last_seq + len(batch.events)
    with connection.cursor() as cursor:
        moment = connection.ops.adapt_datetimefield_value(now)
        cursor.executemany(GROW, [(seq, moment, key) for key, seq in grown.items()])
    store([], entries)
    return grown


def _refusals(batches: Sequence[NewEvents]) -> dict[str, Refusal]:
    """Why these runs took nothing."""
    states = _states(batches)
    refusals: dict[str, Refusal] = {}
    for batch in batches:
        attempt, status, _ = states.get(batch.run_id, (None, None, 0))
        if attempt == batch.attempt and status == RunStatus.CANCELLING:
            # A person's Stop came first.
            refusals[batch.run_id] = IllegalTransition("output while cancelling")
        else:
            refusals[batch.run_id] = Fenced(batch.run_id)
    return refusals


def _states(batches: Sequence[NewEvents]) -> dict[str, tuple[Any, ...]]:
    """Attempt, status and last seq of each run."""
    runs = Run.objects.filter(pk__in=[batch.run_id for batch in batches])
    return {row[0]: row[1:] for row in runs.values_list(*STATE)}


def _entries(
    batch: NewEvents, attempt: int, before: int, now: dt.datetime
) -> Iterable[Logged]:
    """The events as the log takes them, after seq ``before``."""
    for seq, event in enumerate(batch.events, before + 1):
        data = without_nul(event.data)
        yield Logged(batch.run_id, seq, attempt, str(event.type), data, now)


def _lease() -> Any:
    return Now() + dt.timedelta(seconds=settings.RUN_LEASE_SECONDS)


def _locked(batches: Sequence[NewEvents]) -> dict[str, Run]:
    """The rows of the runs; those of their threads are locked with them for a message."""
    keys = [batch.run_id for batch in batches]
    return locked(keys, for_message=any(map(creates_message, batches)))


def creates_message(batch: NewEvents) -> bool:
    return any(event.type == EventType.MESSAGE_CREATED for event in batch.events)


def _folded(
    batch: NewEvents, run: Run | None, now: dt.datetime
) -> tuple[Course, set[str], dict[str, Any]]:
    """The rows with these events, which of them are stored, and the run's state before.

    Raises Fenced and IllegalTransition.
    """
    if run is None:
        raise Fenced(batch.run_id)  # its thread was deleted
    if batch.attempt is not None and not _holds(run, batch.attempt):
        raise Fenced(batch.run_id)
    before = state(run)
    if creates_message(batch):
        _number_messages(run, batch.events)
    course = _course(run, batch.events)
    known = {*course.steps, *course.messages}
    for seq, event in enumerate(batch.events, run.last_seq + 1):
        event.data = without_nul(event.data)
        fold.apply(course, Entry(seq, event.type, event.data, now))
    return course, known, before


def _number_messages(run: Run, events: Sequence[Event]) -> None:
    """Give new messages their number and parent."""
    number = run.newest_number or 0
    # A message of this run, if there is one, is the newest.
    parent = run.newest_id if run.newest_run == run.pk else run.answers_id
    for event in events:
        if event.type == EventType.MESSAGE_CREATED:
            number += 1
            event.data.update(number=number, parent=parent)
            parent = event.data["message"]


def _course(run: Run, events: Sequence[Event]) -> Course:
    """The run, with its open rows if any event speaks of one of them.

    A step that ends takes what its turn reasoned, which may be older than the step.
    """
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
    if spoken_of - made_here or any(event.type in STEP_ENDS for event in events):
        load_open(course)
    return course


def _pairs(batch: NewEvents) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of each event, as the statements for PostgreSQL take them."""
    return [(event.type, without_nul(event.data)) for event in batch.events]


__all__ = [
    "Event",
    "Fenced",
    "IllegalTransition",
    "NewEvents",
    "Refusal",
    "after",
    "append_deltas",
    "claim",
    "record",
    "record_all",
    "renew",
    "replay",
]
