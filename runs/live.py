"""Followers: who reads a run's log as it grows.

One tailer per event loop hears the doorbell, reads each watched run once and keeps
the newest events for all its followers; a follower that is further behind reads the
log itself. A follower pulls: nothing is queued for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from weakref import WeakKeyDictionary

from django.db import (
    close_old_connections,
    connection,
    connections,
)

from runs import doorbell
from runs.models import TERMINAL, TERMINAL_EVENTS, Run

log = logging.getLogger(__name__)

LOOK_ANYWAY = 2.0  # seconds; a doorbell may be lost
PAGE = 200  # events read at once
KEPT = 500  # newest events kept per watched run

# By hand, because it is read for every commit: the data stays JSON text, undecoded.
READ = """
    WITH head (run_id, seq) AS (VALUES {heads})
    SELECT event.run_id, event.seq, event.type, CAST(event.data AS text)
    FROM head JOIN runs_runevent AS event ON event.run_id = head.run_id
    WHERE event.seq > head.seq AND event.seq <= head.seq + {page}
    ORDER BY event.run_id, event.seq
"""


@dataclass(slots=True)
class Logged:
    """One event as followers get it; ``raw`` is its data as JSON text."""

    run: str
    seq: int
    type: str
    raw: str
    _frame: str = ""

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.raw))

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
    tailer = Tailer.of_this_loop()
    watch = tailer.join(run_id)  # Join first, read second: nothing falls between.
    cursor, checked = after_seq, False
    try:
        while True:
            batch = watch.since(cursor)
            if batch is None:
                batch = await tailer.read_backlog(watch, cursor)
            for event in batch:
                cursor = event.seq
                yield event
                if event.is_terminal:
                    return
            if not batch and not checked:
                if await tailer.is_over(run_id, cursor):
                    return
                checked = True
            elif not batch:
                await watch.grown(cursor)
    finally:
        tailer.leave(watch)


@dataclass(slots=True, eq=False)
class Watch:
    """A run that somebody in this process follows."""

    run_id: str
    followers: int = 0
    head: int | None = None  # seq up to which the tailer has read
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
        growth, self._growth = self._growth, asyncio.Event()
        growth.set()

    async def grown(self, cursor: int) -> None:
        if self.head is None or self.head <= cursor:
            await self._growth.wait()


class Tailer:
    """Reads every watched run of this event loop, once per ring."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Tailer] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._watches: dict[str, Watch] = {}
        self._rung: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tailer")

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
        batch: list[Logged] = await self._call(_read, watch.run_id, cursor)
        if watch.head is None and len(batch) < PAGE:
            watch.head = batch[-1].seq if batch else cursor
            # Whatever was committed since that read is the tailer's from here on.
            self.ring(watch.run_id, 0)
        return batch

    async def is_over(self, run_id: str, cursor: int) -> bool:
        """Whether nothing will ever come after the cursor."""
        return bool(await self._call(_is_over, run_id, cursor))

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
            batches = await self._call(_read_many, heads)
        except Exception:
            # Followers see a pause, not a cut; the next look tries again.
            log.exception("Reading the log failed; trying again")
            return
        for watch in watches:
            if batch := batches.get(watch.run_id):
                watch.extend(batch)
                if len(batch) == PAGE:
                    self.ring(watch.run_id, 0)

    async def _call(self, function: Any, *args: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *args)

    async def close(self) -> None:
        """End the tailer and its database connection; for the end of a process."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._call(connections.close_all)
        self._thread.shutdown()
        Tailer._of_loop.pop(asyncio.get_running_loop(), None)


def _read(run_id: str, cursor: int) -> list[Logged]:
    return _read_many({run_id: cursor})[run_id]


def _read_many(heads: dict[str, int]) -> dict[str, list[Logged]]:
    """The next page of each run's log after its head, in one query."""
    close_old_connections()
    behind = ", ".join(["(%s, %s)"] * len(heads))
    found: dict[str, list[Logged]] = {run_id: [] for run_id in heads}
    with connection.cursor() as cursor:
        cursor.execute(
            READ.format(heads=behind, page=PAGE),
            [value for head in heads.items() for value in head],
        )
        for run_id, seq, kind, raw in cursor:
            found[run_id].append(Logged(run_id, seq, kind, raw))
    return found


def _is_over(run_id: str, cursor: int) -> bool:
    """A run that is gone is over, too."""
    run = Run.objects.filter(pk=run_id).values_list("status", "last_seq").first()
    return run is None or (run[0] in TERMINAL and run[1] <= cursor)
