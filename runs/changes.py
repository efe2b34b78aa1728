"""Who is told that what waits in a thread has changed: tabs that show the thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from runs import doorbell

log = logging.getLogger(__name__)

Watcher = Callable[[str], Awaitable[None]]


class Changes:
    """The watched threads of this event loop."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Changes] = (
        WeakKeyDictionary()
    )

    def __init__(self) -> None:
        self._watchers: dict[str, set[Watcher]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._silence: Callable[[], None] | None = None

    @classmethod
    def of_this_loop(cls) -> Changes:
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    def watch(self, thread_id: str, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher(thread_id)`` at each change; returns the undo."""
        self._watchers.setdefault(thread_id, set()).add(watcher)
        self._silence = self._silence or doorbell.threads.listen(self._rang)
        return lambda: self._forget(thread_id, watcher)

    def _forget(self, thread_id: str, watcher: Watcher) -> None:
        watchers = self._watchers.get(thread_id, set())
        watchers.discard(watcher)
        if not watchers:
            self._watchers.pop(thread_id, None)
        if self._silence and not self._watchers:
            self._silence()
            self._silence = None

    def _rang(self, thread_id: str, seq: int) -> None:
        for watcher in self._watchers.get(thread_id, ()):
            task = asyncio.create_task(self._tell(watcher, thread_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, watcher: Watcher, thread_id: str) -> None:
        try:
            await watcher(thread_id)
        except Exception:
            # A tab that hears nothing shows the change when it is next loaded.
            log.exception("Telling of a change in %s failed", thread_id)
