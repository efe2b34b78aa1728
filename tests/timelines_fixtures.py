"""Runs whose logs come to rest: written by a Turn, their deltas spread over time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from itertools import cycle
from typing import Any

from runs import actions, events
from runs.events import Event
from runs.models import DELTAS, EventType, Run, RunEvent, User
from runs.providers import TextDelta, ToolCallDelta, Value
from runs.turn import Turn
from runs.writer import merged
from tests.scripts import WELL

EACH = (True,)  # A commit after each value.


class Log:
    """A run's log for a Turn: commits now and then, adjacent deltas merged or not."""

    def __init__(self, run: Run, *, merges: bool) -> None:
        self.run, self.merges = run, merges
        self.pending: list[Event] = []

    def add(self, event: Event) -> None:
        is_merged = self.merges and self.pending and merged(self.pending[-1], event)
        if not is_merged:
            self.pending.append(event)

    def commit(self) -> None:
        new, self.pending = self.pending, []
        if new:
            events.record(self.run.pk, new, attempt=self.run.attempt)


def write(
    run: Run, values: Iterable[Value], *, merges: bool, commits: Iterable[bool] = EACH
) -> Turn:
    """One model turn of the run; ``commits`` says after which values, over and over."""
    claimed = events.claim(run.pk, worker="w:1")
    assert claimed
    steps = list(claimed.steps.values_list("turn", flat=True))
    log = Log(claimed, merges=merges)
    stand_in: Any = log
    turn = Turn(stand_in, number=max(steps, default=0) + 1, next_index=len(steps))
    for value, is_last in zip(values, cycle(commits), strict=False):
        turn.take(value)
        if is_last:
            log.commit()
    turn.take(WELL)
    end = Event(EventType.RUN_COMPLETED)
    if turn.tool_step:
        end = Event(EventType.RUN_REQUIRES_ACTION, {"step": turn.tool_step})
    for event in [*turn.completed(), end]:
        log.add(event)
    log.commit()
    return turn


def call_values(calls: list[list[str]]) -> list[Value]:
    return [
        ToolCallDelta(index, "" if n else f"call_{index}", "" if n else "now", piece)
        for index, pieces in enumerate(calls)
        for n, piece in enumerate(pieces)
    ]


def spread_over_time(run: Run) -> None:
    """Give the deltas times as a stream has them; the first is the row's first token."""
    rows = list(RunEvent.objects.filter(run=run, type__in=DELTAS))
    for number, row in enumerate(rows):
        later = dt.timedelta(microseconds=number * 33_217)
        row.created_at = rows[0].created_at + later
    RunEvent.objects.bulk_update(rows, ["created_at"], batch_size=100)


def answered(user: User, *texts: str) -> Run:
    run = actions.post_message(user=user, text="Hi")
    write(run, map(TextDelta, texts), merges=False)
    spread_over_time(run)
    run.refresh_from_db()
    return run
