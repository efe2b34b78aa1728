"""Followers: who reads a run's log as it grows.

One tailer per event loop hears the doorbell, reads each watched run once and keeps
the newest events for all its followers; a follower that is further behind reads the
log itself. A follower pulls: nothing is queued for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection

from runs import doorbell, events, timelines
from runs.models import DELTAS, TERMINAL, TERMINAL_EVENTS, Run, RunEvent
from runs.threads import DatabaseThread

log = logging.getLogger(__name__)

LOOK_ANYWAY = 2.0  # seconds; a doorbell may be lost
AFTER_FAILURE = 0.3  # seconds until the next try
PAGE = 200  # events read at once
KEPT = 500  # newest events kept per watched run

# By hand, because it is read for every commit: the data stays JSON text, undecoded.
READ = """
    WITH head (run_id, seq) AS (VALUES {heads})
    SELECT event.run_id, event.seq, event.type, CAST(event.data AS text),
        CASE WHEN event.type LIKE '%%.delta' THEN NULL ELSE event.created_at END
    FROM head JOIN runs_runevent AS event ON event.run_id = head.run_id
    WHERE event.seq > head.seq AND event.seq <= head.seq + {page}
    ORDER BY event.run_id, event.seq
"""


@dataclass(slots=True)
class Logged:
    """One event as followers get it; ``raw`` is its data as JSON text.

    ``at`` is the time of its recording, as the database gives it; None for deltas.
    """

    run: str
    seq: int
    type: str
    raw: str
    at: dt.datetime | str | None = None
    _frame: str = ""

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.raw))

    @property
    def recorded_at(self) -> dt.datetime | None:
        """``at`` as a time with its zone."""
        if isinstance(self.at, str):  # SQLite keeps times as text, in UTC.
            return dt.datetime.fromisoformat(self.at).replace(tzinfo=dt.UTC)
        return self.at

    @property
    def is_terminal(self) -> bool:
        return self.type in TERMINAL_EVENTS

    @property
    def frame(self) -> str:
        """The websocket frame, encoded once for all followers."""
        if not self._frame:
            self._frame = (
                f'{{"op":"event","run":"{self.run}","seq":{self.seq},'
                f'"type":"{self.type}","data":{self.raw}}}'
            )
        return self._frame


async def follow(run_id: str, after_seq: int = 0) -> AsyncGenerator[Logged, None]:
    """Every event of the run after the cursor, in order, each at least once.

    Ends after the terminal event, and at once when the cursor is already there.
    Close it (``contextlib.aclosing``) when leaving early.
    """
    async with contextlib.aclosing(pages(run_id, after_seq)) as batches:
        async for batch in batches:
            for event in batch:
                yield event


async def pages(
    run_id: str, after_seq: int = 0, patience: float | None = None
) -> AsyncGenerator[Sequence[Logged], None]:
    """As ``follow``, but all events that are there at once.

    After ``patience`` seconds without any, an empty page.
    """
    tailer = Tailer.of_this_loop()
    watch = tailer.join(run_id)  # Join first, read second: nothing falls between.
    cursor, checked = after_seq, False
    try:
        while True:
            batch = watch.since(cursor)
            if batch is None:
                batch = await tailer.read_backlog(watch, cursor)
            if batch:
                cursor = batch[-1].seq
                yield batch
                if batch[-1].is_terminal:
                    return
            elif not checked:
                if await tailer.is_over(run_id, cursor):
                    return
                checked = True
            elif watch.is_gone:
                return
            elif not await watch.grown(cursor, patience):
                yield ()
    finally:
        tailer.leave(watch)


@dataclass(slots=True, eq=False)
class Watch:
    """A run that somebody in this process follows."""

    run_id: str
    followers: int = 0
    head: int | None = None  # seq up to which the tailer has read
    is_gone: bool = False  # deleted with its thread; nothing will come any more
    kept: deque[Logged] = field(default_factory=lambda: deque(maxlen=KEPT))
    _growth: asyncio.Event = field(default_factory=asyncio.Event)

    def since(self, cursor: int) -> Sequence[Logged] | None:
        """The kept events after the cursor; None when they don't reach back so far."""
        if self.head is None or cursor > self.head:
            return None
        if cursor == self.head:
            return ()
        if not self.kept or self.kept[0].seq > cursor + 1:
            return None
        return list(islice(self.kept, cursor + 1 - self.kept[0].seq, None))

    def extend(self, events: Sequence[Logged]) -> None:
        """Take what the tailer read beyond the head and wake the followers."""
        self.kept.extend(events)
        self.head = events[-1].seq
        self._wake_followers()

    def vanish(self) -> None:
        """The run was deleted: let the followers end."""
        self.is_gone = True
        self._wake_followers()

    def _wake_followers(self) -> None:
        growth, self._growth = self._growth, asyncio.Event()
        growth.set()

    async def grown(self, cursor: int, patience: float | None = None) -> bool:
        """Wait for events beyond the cursor; whether they came in time (seconds)."""
        if not self.is_gone and (self.head is None or self.head <= cursor):
            try:
                async with asyncio.timeout(patience):
                    await self._growth.wait()
            except TimeoutError:
                return False
        return True


class Tailer:
    """Reads every watched run of this event loop, once per ring."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Tailer] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._watches: dict[str, Watch] = {}
        self._rung: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._thread = DatabaseThread("tailer")
        self._has_failed = False

    @classmethod
    def of_this_loop(cls) -> Tailer:
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    def join(self, run_id: str) -> Watch:
        watch = self._watches.setdefault(run_id, Watch(run_id))
        watch.followers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return watch

    def leave(self, watch: Watch) -> None:
        watch.followers -= 1
        if not watch.followers:
            self._watches.pop(watch.run_id, None)
            self._wake.set()

    async def read_backlog(self, watch: Watch, cursor: int) -> Sequence[Logged]:
        """A page of the log after the cursor, for one follower that is behind."""
        batch: list[Logged] = await self._thread.call(_read, watch.run_id, cursor)
        if watch.head is None and len(batch) < PAGE:
            watch.head = batch[-1].seq if batch else cursor
            # Whatever was committed since that read is the tailer's from here on.
            self.ring(watch.run_id, 0)
        return batch

    async def is_over(self, run_id: str, cursor: int) -> bool:
        """Whether nothing will ever come after the cursor."""
        return bool(await self._thread.call(_is_over, run_id, cursor))

    def ring(self, run_id: str, seq: int) -> None:
        if run_id in self._watches:
            self._rung.add(run_id)
            self._wake.set()

    async def _run(self) -> None:
        silence = doorbell.events.listen(self.ring)
        try:
            while self._watches:
                await self._wait()
                rung, self._rung = self._rung, set()
                await self._tail([self._watches[r] for r in rung if r in self._watches])
        finally:
            silence()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_ANYWAY):
                await self._wake.wait()
        if not self._wake.is_set():
            self._rung.update(self._watches)
        self._wake.clear()

    async def _tail(self, watches: list[Watch]) -> None:
        heads = {w.run_id: w.head for w in watches if w.head is not None}
        if not heads:
            return
        try:
            batches = await self._thread.call(
                _read_many, heads, afresh=self._has_failed
            )
            self._has_failed = False
        except Exception:
            self._has_failed = True
            # Followers see a pause, not a cut.
            log.exception("Reading the log failed; trying again")
            await asyncio.sleep(AFTER_FAILURE)
            for watch in watches:
                self.ring(watch.run_id, 0)
            return
        for watch in watches:
            if watch.run_id in heads and watch.run_id not in batches:
                watch.vanish()
            elif batch := batches.get(watch.run_id):
                watch.extend(batch)
                if len(batch) == PAGE:
                    self.ring(watch.run_id, 0)

    async def close(self) -> None:
        """End the tailer and its database connection; for the end of a process."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._thread.close()
        Tailer._of_loop.pop(asyncio.get_running_loop(), None)


def _read(run_id: str, cursor: int) -> list[Logged]:
    return _read_many({run_id: cursor}).get(run_id, [])


def _read_many(heads: dict[str, int]) -> dict[str, list[Logged]]:
    """The next page of each run's log after its head, in one query.

    Runs at rest, whose deltas are no longer there, are read again in their own way.
    Runs that were deleted are left out.
    """
    found = _read_rows(heads)
    for run_id in _at_rest(heads, found):
        page = events.after(run_id, heads[run_id], PAGE)
        found[run_id] = [_logged(event) for event in page]
    return found


def _read_rows(heads: dict[str, int]) -> dict[str, list[Logged]]:
    behind = ", ".join(["(%s, %s)"] * len(heads))
    found: dict[str, list[Logged]] = {run_id: [] for run_id in heads}
    with connection.cursor() as cursor:
        cursor.execute(
            READ.format(heads=behind, page=PAGE),
            [value for head in heads.items() for value in head],
        )
        for run_id, seq, kind, raw, at in cursor:
            found[run_id].append(Logged(run_id, seq, kind, raw, at))
    return found


def _at_rest(heads: dict[str, int], found: dict[str, list[Logged]]) -> Iterable[str]:
    """Those of the runs whose page lacks deltas that rest in their timelines.

    The log has no gaps, so a gap tells it. Only where a page is empty, which it may be
    because all of its events were deltas, the run is asked; one that is gone is taken out
    of what was found.
    """
    gaps, empty = [], []
    for run_id, page in found.items():
        if timelines.has_gap((event.seq for event in page), heads[run_id]):
            gaps.append(run_id)
        elif not page:
            empty.append(run_id)
    if empty:
        kept = Run.objects.filter(pk__in=empty, thread__erased_at=None)
        there = dict(kept.values_list("pk", "is_at_rest"))
        gaps += [run_id for run_id, is_at_rest in there.items() if is_at_rest]
        for gone in set(empty).difference(there):
            del found[gone]
    return gaps


def _logged(event: RunEvent) -> Logged:
    raw = json.dumps(event.data, ensure_ascii=False)
    at = None if event.type in DELTAS else event.created_at
    return Logged(event.run_id, event.seq, event.type, raw, at)


def _is_over(run_id: str, cursor: int) -> bool:
    """A run that is gone is over, too."""
    run = Run.objects.filter(pk=run_id).values_list("status", "last_seq").first()
    return run is None or (run[0] in TERMINAL and run[1] <= cursor)
