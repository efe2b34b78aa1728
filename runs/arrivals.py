"""Who is told that a thread has a new run: tabs that show the thread and are idle.

A new run rings the queue's doorbell in every process; one query for all of them finds
whose threads they are in, and only if somebody here watches at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async

from runs import doorbell
from runs.models import Run

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
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of_this_loop(cls) -> Arrivals:
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    def watch(self, thread_id: str, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher(thread_id, run_id)`` at each new run; returns the undo."""
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

    async def _run(self) -> None:
        silence = doorbell.queue.listen(self._rang)
        try:
            while self._watchers:
                await self._wake.wait()
                self._wake.clear()
                rung, self._rung = self._rung, set()
                if rung:
                    await self._tell(rung)
        finally:
            silence()

    async def _tell(self, rung: set[str]) -> None:
        try:
            arrived = await database_sync_to_async(threads_of)(rung)
            for run_id, thread_id in arrived.items():
                for watcher in list(self._watchers.get(thread_id, ())):
                    await watcher(thread_id, run_id)
        except Exception:
            # A tab that hears nothing shows the run when it is next looked at.
            log.exception("Telling of new runs failed")


def threads_of(run_ids: set[str]) -> dict[str, str]:
    """The thread of each of these runs."""
    return dict(Run.objects.filter(pk__in=run_ids).values_list("pk", "thread_id"))


def newest(thread_id: str) -> str:
    """The newest run of a thread; empty when it has none."""
    runs = Run.objects.filter(thread=thread_id).order_by("-created_at", "-pk")
    return runs.values_list("pk", flat=True).first() or ""
