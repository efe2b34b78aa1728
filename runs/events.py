"""The log: the only writer of run state.

``record`` checks the fence, appends, folds the events into the rows, rings the
doorbell and commits, all in one transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from django.db import connection, transaction
from django.db.models import F, Max
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from runs import doorbell
from runs.fold import (
    MESSAGE_FIELDS,
    RUN_FIELDS,
    STEP_FIELDS,
    Course,
    Entry,
    IllegalTransition,
)
from runs.models import (
    DELTAS,
    EventType,
    Message,
    MessageStatus,
    Run,
    RunEvent,
    RunStatus,
    RunStep,
    StepStatus,
    Thread,
)
from runs.models.fields import without_nul

# How long a worker may be silent before its runs are taken from it.
LEASE = dt.timedelta(seconds=30)


CREATES: dict[str, str] = {
    EventType.STEP_CREATED: "step",
    EventType.MESSAGE_CREATED: "message",
}
PHASES: dict[str, str] = {
    EventType.RUN_QUEUED: "queued",
    EventType.RUN_IN_PROGRESS: "started",
    EventType.RUN_SENT: "sent",
    EventType.REASONING_DELTA: "answering",
    EventType.STEP_CREATED: "answering",
}


class Fenced(Exception):
    """This attempt no longer owns the run; its writer must stop at once."""


@dataclass(slots=True)
class Event:
    """An event still to be recorded: its type and the small fact it states."""

    type: str
    data: dict[str, Any] = field(default_factory=dict)


def record(run_id: str, events: Sequence[Event], *, attempt: int | None = None) -> int:
    """Append events to the run's log and fold them into its rows; returns the last seq.

    A worker passes its ``attempt``; Fenced is raised, and nothing written, when the
    run has gone on without it. People's actions pass none. Raises IllegalTransition
    where the run's status forbids an event.
    """
    with transaction.atomic():
        if attempt is not None and all(event.type in DELTAS for event in events):
            seq = _append_deltas(run_id, events, attempt)
        else:
            seq = _append_and_fold(run_id, events, attempt)
        transaction.on_commit(lambda: doorbell.events.ring(run_id, seq))
    return seq


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


def fold(run: Run, entries: Iterable[RunEvent]) -> Course:
    """What a run's whole log makes of a bare run that has only what it was created with."""
    course = Course(run)
    for entry in entries:
        if entry.seq != course.run.last_seq + 1:
            raise ValueError(f"gap in the log of {run.pk} before {entry.seq}")
        course.apply(Entry(entry.seq, entry.type, entry.data, entry.created_at))
    return course


@dataclass(slots=True)
class Snapshot:
    """What a page rendered now shows of an active run; followers go on after ``seq``."""

    seq: int = 0
    text: str = ""
    reasoning: str = ""
    phase: str = "queued"
    started: dt.datetime | None = None


def snapshot(run: Run) -> Snapshot:
    """The text so far of the message being written, and the phase since when."""
    shot = Snapshot()
    text: list[str] = []
    reasoning: list[str] = []
    entries = RunEvent.objects.filter(run=run).order_by("seq")
    for seq, kind, data, at in entries.values_list("seq", "type", "data", "created_at"):
        shot.seq = seq
        if kind in PHASES:
            shot.phase, shot.started = PHASES[kind], at
        if kind == EventType.MESSAGE_CREATED:
            text = []
        elif kind == EventType.RUN_SENT:
            text, reasoning = [], []
        elif kind == EventType.MESSAGE_DELTA:
            text.append(data.get("text") or data.get("refusal", ""))
        elif kind == EventType.REASONING_DELTA:
            reasoning.append(data["text"])
    shot.text, shot.reasoning = "".join(text), "".join(reasoning)
    return shot


def _lease() -> Any:
    return Now() + LEASE


def _append_deltas(run_id: str, events: Sequence[Event], attempt: int) -> int:
    """The path of a token: one UPDATE that is fence, lease and seq, and the inserts."""
    now = timezone.now()
    mine = Run.objects.filter(pk=run_id, attempt=attempt, status=RunStatus.IN_PROGRESS)
    owned = mine.update(
        last_seq=F("last_seq") + len(events),
        first_token_at=Coalesce("first_token_at", now),
        lease_until=_lease(),
    )
    if not owned:
        _refuse(run_id, attempt)
    last = Run.objects.values_list("last_seq", flat=True).get(pk=run_id)
    _insert(run_id, events, attempt, first=last - len(events) + 1, now=now)
    return last


def _refuse(run_id: str, attempt: int) -> NoReturn:
    """Say why a delta can't be appended: somebody asked to stop, or took the run."""
    status = Run.objects.filter(pk=run_id, attempt=attempt).values_list("status")
    if status.first() == (RunStatus.CANCELLING,):
        raise IllegalTransition("output while cancelling")
    raise Fenced(run_id)


def _append_and_fold(run_id: str, events: Sequence[Event], attempt: int | None) -> int:
    run = Run.objects.select_for_update(of=_own_row()).get(pk=run_id)
    if attempt is not None and (run.attempt != attempt or run.is_terminal):
        raise Fenced(run_id)
    now, first = timezone.now(), run.last_seq + 1
    _number_messages(run, events)
    course = _open_course(run, events)
    known = {*course.steps, *course.messages}
    for seq, event in enumerate(events, first):
        event.data = without_nul(event.data)
        course.apply(Entry(seq, event.type, event.data, now))
    _save(course, known)
    _insert(run_id, events, run.attempt, first=first, now=now)
    return run.last_seq


def _own_row() -> tuple[str, ...]:
    return ("self",) if connection.features.has_select_for_update_of else ()


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


def _open_course(run: Run, events: Sequence[Event]) -> Course:
    """The run with its rows still in progress, if any event speaks of them.

    What such rows gained by deltas is only in the log, so it is read from there.
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
    if not spoken_of - made_here:
        return course
    steps = list(run.steps.all())
    for step in steps:
        if step.status == StepStatus.IN_PROGRESS:
            step.tool_calls = []
            course.steps[step.pk] = step
    for message in run.messages.filter(status=MessageStatus.IN_PROGRESS):
        message.content = []
        course.messages[message.pk] = message
    # A turn's reasoning went to its first step.
    _grow_from_log(course, {s.turn for s in steps if s.pk not in course.steps})
    return course


def _grow_from_log(course: Course, told_turns: set[int]) -> None:
    deltas = RunEvent.objects.filter(run=course.run, type__in=DELTAS).order_by("seq")
    for kind, data in deltas.values_list("type", "data"):
        owner = data.get("message") or data.get("step")
        if (
            owner in course.messages
            or owner in course.steps
            or (not owner and data["turn"] not in told_turns)
        ):
            course.grow(kind, data)


def _save(course: Course, known: set[str]) -> None:
    course.run.save(update_fields=RUN_FIELDS)
    # Messages first: a step points at the message it made.
    Message.objects.bulk_create(m for k, m in course.messages.items() if k not in known)
    RunStep.objects.bulk_create(s for k, s in course.steps.items() if k not in known)
    for key in known & course.messages.keys():
        course.messages[key].save(update_fields=MESSAGE_FIELDS)
    for key in known & course.steps.keys():
        course.steps[key].save(update_fields=STEP_FIELDS)


def _insert(
    run_id: str,
    events: Sequence[Event],
    attempt: int,
    *,
    first: int,
    now: dt.datetime,
) -> None:
    RunEvent.objects.bulk_create(
        RunEvent(
            run_id=run_id,
            seq=seq,
            attempt=attempt,
            type=event.type,
            data=event.data,
            created_at=now,
        )
        for seq, event in enumerate(events, first)
    )


__all__ = [
    "Event",
    "Fenced",
    "IllegalTransition",
    "after",
    "claim",
    "fold",
    "record",
    "renew",
    "snapshot",
]
