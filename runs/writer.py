"""A worker's one writer: commits whatever its runs produced since the last commit.

While one commit is under way the next batch gathers, so a first token waits for no
timer and batches grow by themselves under load.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from runs import upcoming
from runs.events import (
    Event,
    Fenced,
    NewEvents,
    Refusal,
    after,
    append_deltas,
    record_all,
)
from runs.models import DELTAS, EventType, Run
from runs.threads import DatabaseThread

log = logging.getLogger(__name__)

# A stream that outruns the database waits once so many characters are unwritten.
MOST_UNWRITTEN = 256 * 1024
TRIES = 3  # of a commit that the database refuses; while it is away, a lease's time
FIRST_PAUSE, LAST_PAUSE = 0.1, 1.0  # seconds between tries, doubling
LONGEST_PAUSE = 0.1  # seconds between two commits
PAUSE_PER_RUN = 0.00015  # that took part in the commit before

# One event is one frame for every follower, so it stops growing at so many characters.
MOST_MERGED = 16 * 1024

# What a delta belongs to, and which of its facts is text that grows.
BELONGS_TO: dict[str, tuple[str, ...]] = {
    EventType.MESSAGE_DELTA: ("message", "index"),
    EventType.REASONING_DELTA: ("turn",),
    EventType.STEP_DELTA: ("step", "index"),
}
GROWING = ("text", "refusal", "arguments")
# What is no growing text: begin, result and output of a call, and a citation.
WHOLE = frozenset({"id", "annotation", "output"})


class RunLog:
    """The log of one run as its attempt writes it."""

    def __init__(self, writer: Writer, run: Run) -> None:
        self.run_id, self.thread_id = run.pk, run.thread_id
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
        for key in GROWING:
            if key in event.data:
                self.unwritten += len(event.data[key])
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
        self.before = log.last_seq
        self.error: Exception | None = None

    @property
    def is_delta_only(self) -> bool:
        return all(event.type in DELTAS for event in self.events)

    @property
    def completes(self) -> bool:
        return any(event.type == EventType.RUN_COMPLETED for event in self.events)

    @property
    def new(self) -> NewEvents:
        return NewEvents(self.log.run_id, self.log.attempt, self.events)

    def take(self, result: int | Exception) -> None:
        """Keep the last seq, before the commit, so that the doorbell finds it there."""
        if isinstance(result, int):
            self.error, self.log.last_seq = None, result
        else:
            self.error = result

    def find(self) -> bool:
        """Whether a commit whose answer was lost has stored the events after all."""
        first = self.events[0]
        rows = after(self.log.run_id, self.before)
        if not any((row.type, row.data) == (first.type, first.data) for row in rows):
            return False
        self.take(rows[-1].seq)
        return True

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
        self._thread = DatabaseThread("writer")
        self._reader = DatabaseThread("reader")

    def open(self, run: Run) -> RunLog:
        return RunLog(self, run)

    def wake(self, run_log: RunLog) -> None:
        self._dirty[run_log.run_id] = run_log
        self._wake.set()

    async def run(self) -> None:
        """Commit until cancelled.

        After a commit it rests for as long as that took, or longer if many runs took
        part: what comes meanwhile shares the next one, and a frame costs the same
        whatever it carries. When there is little to do, nothing waits.
        """
        clock = asyncio.get_running_loop().time
        while True:
            await self._wake.wait()
            begin = clock()
            self._wake.clear()
            dirty, self._dirty = self._dirty, {}
            batches = [run_log.take() for run_log in dirty.values()]
            await self._store([batch for batch in batches if batch.events])
            for batch in batches:
                batch.settle()
            rest = max(clock() - begin, len(batches) * PAUSE_PER_RUN)
            await asyncio.sleep(min(rest, LONGEST_PAUSE))

    async def _store(self, batches: list[Batch]) -> None:
        function = _write_together
        for attempt, pause in enumerate(pauses(settings.RUN_LEASE_SECONDS)):
            try:
                await self._thread.call(function, batches, afresh=attempt > 0)
                return
            except DatabaseError as error:
                problem = error
                is_away = isinstance(error, OperationalError | InterfaceError)
                if attempt + 1 == TRIES and not is_away:
                    break
                log.warning("Commit failed, trying again: %s", error)
                await asyncio.sleep(pause)
                function = _write_what_is_missing
        log.error("Commit of %d runs given up", len(batches), exc_info=problem)
        for batch in batches:
            batch.error = problem

    async def call(self, function: Any, *args: Any) -> Any:
        """Run a database function in the writer's own thread."""
        return await self._thread.call(function, *args)

    async def write(self, function: Any, *args: Any) -> Any:
        """As ``call``, and tried again for a lease's time while the database is away."""
        return await patiently(self._thread, function, *args)

    async def read(self, function: Any, *args: Any) -> Any:
        """As ``write``, in a thread beside, so that no token waits for it."""
        return await patiently(self._reader, function, *args)

    async def close(self) -> None:
        await self._thread.close()
        await self._reader.close()


async def patiently(thread: DatabaseThread, function: Any, *args: Any) -> Any:
    """What the function gives, once the database can be reached."""
    for pause in pauses(settings.RUN_LEASE_SECONDS):
        try:
            return await thread.call(function, *args)
        except (OperationalError, InterfaceError) as error:
            log.warning("The database is away, trying again: %s", error)
            await asyncio.sleep(pause)
    return await thread.call(function, *args)


def pauses(seconds: float) -> Iterator[float]:
    """Growing pauses that take so many seconds in all."""
    pause = FIRST_PAUSE
    while seconds > 0:
        yield pause
        seconds -= pause
        pause = min(pause * 2, LAST_PAUSE)


def merged(last: Event, new: Event) -> bool:
    """Let ``last`` absorb an adjacent delta of the same text; whether it did."""
    belongs_to = BELONGS_TO.get(new.type)
    if last.type != new.type or not belongs_to:
        return False
    old, added = last.data, new.data
    if not WHOLE.isdisjoint(added):
        return False
    for key in belongs_to:
        if old[key] != added[key]:
            return False
    grows = [key for key in GROWING if key in added]
    for key in grows:
        if key not in old or len(old[key]) >= MOST_MERGED:
            return False
    for key in grows:
        old[key] += added[key]
    return True


def _write_together(batches: Sequence[Batch]) -> None:
    deltas = [batch for batch in batches if batch.is_delta_only]
    others = [batch for batch in batches if not batch.is_delta_only]
    # What is one transaction already needs none around it, which would make it a savepoint:
    # that costs a first token two round trips.
    with transaction.atomic() if deltas and others else contextlib.nullcontext():
        if others:
            _write_others(others)
        results = append_deltas([batch.new for batch in deltas])
        for batch in deltas:
            batch.take(results[batch.log.run_id])


def _write_others(batches: Sequence[Batch]) -> None:
    """All at once; one by one where they can't be written together."""
    try:
        with transaction.atomic():
            results = record_all([batch.new for batch in batches])
            _send_what_waits(batches, results)
    except (OperationalError, InterfaceError):
        raise  # The database is away, for every run alike.
    except Exception as error:  # noqa: BLE001 - of one run, and logged below
        if len(batches) > 1:
            for batch in batches:
                _write_others([batch])
            return
        results = {batches[0].log.run_id: error}
    for batch in batches:
        result = results[batch.log.run_id]
        if isinstance(result, Exception) and not isinstance(result, Refusal):
            # Its engine ends the run with it; the other runs of this commit go on.
            log.error("Recording %s failed", batch.log.run_id, exc_info=result)
        batch.take(result)


def _send_what_waits(
    batches: Sequence[Batch], results: dict[str, int | Exception]
) -> None:
    """With the end of a run, what waits for it: both are stored, or neither."""
    for batch in batches:
        if batch.completes and isinstance(results[batch.log.run_id], int):
            upcoming.send_next(batch.log.thread_id)


def _write_what_is_missing(batches: Sequence[Batch]) -> None:
    """After a failed commit: the connection may have been lost behind its success.

    That commit may even be under way still, and holds its runs until it is decided.
    """
    with transaction.atomic():
        run_ids = sorted(batch.log.run_id for batch in batches)
        locked = Run.objects.select_for_update().filter(pk__in=run_ids)
        list(locked.order_by("pk").values_list("pk"))
        _write_together([batch for batch in batches if not batch.find()])
