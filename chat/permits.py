"""Whether those who follow other people's threads still may.

One look for all sockets of the process every few seconds, with one query, and none while
nobody here follows a thread that can be taken away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.db import DatabaseError

from runs import access

log = logging.getLogger(__name__)

LOOK = 3.0  # seconds; what is taken away must be gone within 5

Told = Callable[[str, str], Awaitable[None]]


@dataclass(eq=False, slots=True)
class Permit:
    """What a person may do in a thread, as the socket was told last."""

    user_id: int
    thread_id: str
    level: str
    tell: Told


class Permits:
    """The permits that sockets of this event loop rely on."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Permits] = (
        WeakKeyDictionary()
    )

    def __init__(self) -> None:
        self._permits: set[Permit] = set()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of_this_loop(cls) -> Permits:
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    def watch(self, permit: Permit) -> Callable[[], None]:
        """Call ``tell(thread_id, level)`` when the level changes; returns the undo."""
        self._permits.add(permit)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return lambda: self._permits.discard(permit)

    async def _run(self) -> None:
        while self._permits:
            await asyncio.sleep(LOOK)
            try:
                await self._look()
            except DatabaseError:
                log.warning("Looking for threads no longer shared failed; trying again")

    async def _look(self) -> None:
        permits = list(self._permits)
        asked = {(one.user_id, one.thread_id) for one in permits}
        levels = await database_sync_to_async(access.levels)(asked)
        for one in permits:
            level = levels[one.user_id, one.thread_id]
            if level != one.level and one in self._permits:
                one.level = level
                await one.tell(one.thread_id, level)
