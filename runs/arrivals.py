"""Who is told that a thread has a new run or shows another branch: idle tabs on it.

A new run rings the queue's doorbell in every process; one query for all of them finds
whose threads they are in, and only if somebody here watches at all. A branch rings for
its thread, and is told as a run without an id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async

from runs import doorbell
from runs.models import Message, Run

log = logging.getLogger(__name__)

Watcher = Callable[[str, str], Awaitable[None]]


class Arrivals:
    """The watched threads of this event loop."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Arrivals] = (
        WeakKeyDictionary()
    )

    def __init__(self) -> None:
        self._watchers: dict[str, set[Watcher]] = {}
        self._rung: set[str] = set()
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of_this_loop(cls) -> Arrivals:
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    def watch(self, thread_id: str, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher(thread_id, run_id)`` at each new run; returns the undo.

        Without a run it is the shown path that has changed.
        """
        self._watchers.setdefault(thread_id, set()).add(watcher)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return lambda: self._forget(thread_id, watcher)

    def _forget(self, thread_id: str, watcher: Watcher) -> None:
        watchers = self._watchers.get(thread_id, set())
        watchers.discard(watcher)
        if not watchers:
            self._watchers.pop(thread_id, None)
            self._wake.set()

    def _rang(self, run_id: str, seq: int) -> None:
        self._rung.add(run_id)
        self._wake.set()

    def _branched(self, thread_id: str, _: int) -> None:
        if thread_id in self._watchers:
            self._changed.add(thread_id)
            self._wake.set()

    async def _run(self) -> None:
        silence = doorbell.queue.listen(self._rang)
        hush = doorbell.paths.listen(self._branched)
        try:
            while self._watchers:
                await self._wake.wait()
                self._wake.clear()
                rung, self._rung = self._rung, set()
                changed, self._changed = self._changed, set()
                if rung or changed:
                    await self._tell(rung, changed)
        finally:
            silence()
            hush()

    async def _tell(self, rung: set[str], changed: set[str]) -> None:
        try:
            news = [(thread_id, "") for thread_id in changed]
            if rung:
                arrived = await database_sync_to_async(threads_of)(rung)
                news += [(thread_id, run_id) for run_id, thread_id in arrived.items()]
            for thread_id, run_id in news:
                for watcher in list(self._watchers.get(thread_id, ())):
                    await watcher(thread_id, run_id)
        except Exception:
            # A tab that hears nothing shows the run when it is next looked at.
            log.exception("Telling of new runs failed")


def threads_of(run_ids: set[str]) -> dict[str, str]:
    """The thread of each of these runs."""
    return dict(Run.objects.filter(pk__in=run_ids).values_list("pk", "thread_id"))


def state(thread_id: str) -> tuple[str, str]:
    """The newest run of a thread and its last shown message; empty when it has none."""
    runs = Run.objects.filter(thread=thread_id).order_by("-created_at", "-pk")
    shown = Message.objects.filter(thread=thread_id, on_path=True).order_by("-number")
    newest, last = (rows.values_list("pk", flat=True).first() for rows in (runs, shown))
    return newest or "", last or ""
