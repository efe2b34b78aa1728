"""A worker's one writer: commits whatever its runs produced since the last commit.

While one commit is under way the next batch gathers, so a first token waits for no
timer and batches grow by themselves under load.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import (
    DatabaseError,
    OperationalError,
    close_old_connections,
    connections,
    transaction,
)

from runs.events import (
    Deltas,
    Event,
    Fenced,
    IllegalTransition,
    append_deltas,
    record,
)
from runs.models import DELTAS, EventType, Run

log = logging.getLogger(__name__)

# A stream that outruns the database waits once so many characters are unwritten.
MOST_UNWRITTEN = 256 * 1024
TRIES = 6  # of a commit, with pauses from 0.1 s doubling, 3 s in all

# What a delta belongs to, and which of its facts is text that grows.
BELONGS_TO: dict[str, tuple[str, ...]] = {
    EventType.MESSAGE_DELTA: ("message", "index"),
    EventType.REASONING_DELTA: ("turn",),
    EventType.STEP_DELTA: ("step", "index"),
}
GROWING = ("text", "refusal", "arguments")


class RunLog:
    """The log of one run as its attempt writes it."""

    def __init__(self, writer: Writer, run: Run) -> None:
        self.run_id = run.pk
        self.attempt = run.attempt
        self.pending: list[Event] = []
        self.unwritten = 0
        self.waiting: list[asyncio.Future[None]] = []
        self.closed: Exception | None = None
        self.last_seq = run.last_seq
        self._writer = writer

    def add(self, event: Event) -> None:
        """Append without waiting. Raises Fenced once the run has gone on elsewhere."""
        if self.closed:
            raise self.closed
        self.unwritten += sum(len(event.data.get(key, "")) for key in GROWING)
        if not (self.pending and merged(self.pending[-1], event)):
            self.pending.append(event)
        self._writer.wake(self)

    async def commit(self, *events: Event) -> None:
        """Append and wait until it is stored.

        Raises Fenced, IllegalTransition and DatabaseError.
        """
        for event in events:
            self.add(event)
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(stored)
        self._writer.wake(self)
        await stored

    async def room(self) -> None:
        """Wait while too much is unwritten."""
        if self.unwritten > MOST_UNWRITTEN:
            await self.commit()

    def drop_pending(self) -> None:
        """Forget what nobody has seen yet."""
        self.pending.clear()
        self.unwritten = 0

    def take(self) -> Batch:
        batch = Batch(self, self.pending, self.waiting)
        self.pending, self.waiting, self.unwritten = [], [], 0
        return batch


class Batch:
    """What one run adds to one commit."""

    def __init__(
        self, log: RunLog, events: list[Event], waiting: list[asyncio.Future[None]]
    ) -> None:
        self.log, self.events, self.waiting = log, events, waiting
        self.error: Exception | None = None

    @property
    def is_delta_only(self) -> bool:
        return all(event.type in DELTAS for event in self.events)

    def write(self) -> None:
        """Record the events, or keep why this run can't take them."""
        try:
            with transaction.atomic():
                self.take(
                    record(self.log.run_id, self.events, attempt=self.log.attempt)
                )
        except (Fenced, IllegalTransition) as refusal:
            self.take(refusal)
        except OperationalError:
            raise  # The database is away, for every run alike.
        except Exception as error:
            # Its engine ends the run with it; the other runs of this commit go on.
            log.exception("Recording %s failed", self.log.run_id)
            self.take(error)

    def take(self, result: int | Exception) -> None:
        """Keep the last seq, before the commit, so that the doorbell finds it there."""
        if isinstance(result, int):
            self.error, self.log.last_seq = None, result
        else:
            self.error = result

    def settle(self) -> None:
        """Tell whoever waits; a refused run takes nothing more."""
        if isinstance(self.error, Fenced):
            self.log.closed = self.error
        for stored in self.waiting:
            if stored.done():
                continue
            if self.error:
                stored.set_exception(self.error)
            else:
                stored.set_result(None)


class Writer:
    """Gathers the events of all runs of a worker and commits them together."""

    def __init__(self) -> None:
        self._dirty: dict[str, RunLog] = {}
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")

    def open(self, run: Run) -> RunLog:
        return RunLog(self, run)

    def wake(self, run_log: RunLog) -> None:
        self._dirty[run_log.run_id] = run_log
        self._wake.set()

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            dirty, self._dirty = self._dirty, {}
            batches = [run_log.take() for run_log in dirty.values()]
            await self._store(batches)
            for batch in batches:
                batch.settle()

    async def _store(self, batches: list[Batch]) -> None:
        for attempt in range(TRIES):
            try:
                await self.call(_write_together, batches)
                return
            except DatabaseError as error:
                log.warning("Commit failed, trying again: %s", error)
                problem = error
                await asyncio.sleep(0.1 * 2**attempt)
        log.error("Commit of %d runs given up", len(batches), exc_info=problem)
        for batch in batches:
            batch.error = problem

    async def call(self, function: Any, *args: Any) -> Any:
        """Run a database function in the writer's own thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *args)

    async def close(self) -> None:
        await self.call(connections.close_all)
        self._thread.shutdown()


def merged(last: Event, new: Event) -> bool:
    """Let ``last`` absorb an adjacent delta of the same text; whether it did."""
    belongs_to = BELONGS_TO.get(new.type, ())
    grows = [key for key in GROWING if key in new.data]
    if (
        last.type != new.type
        or not belongs_to
        or "id" in new.data  # a tool call begins
        or any(last.data[key] != new.data[key] for key in belongs_to)
        or any(key not in last.data for key in grows)
    ):
        return False
    for key in grows:
        last.data[key] += new.data[key]
    return True


def _write_together(batches: Sequence[Batch]) -> None:
    close_old_connections()
    deltas = [batch for batch in batches if batch.events and batch.is_delta_only]
    with transaction.atomic():
        for batch in batches:
            if batch.events and not batch.is_delta_only:
                batch.write()
        results = append_deltas(
            [Deltas(b.log.run_id, b.log.attempt, b.events) for b in deltas]
        )
        for batch in deltas:
            batch.take(results[batch.log.run_id])
