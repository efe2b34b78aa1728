"""Who is told their place in the line: followers of queued runs, as the line moves.

One look for all of them in this process every few seconds, and none while no run that
is followed here waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.db import DatabaseError

from runs import queue

log = logging.getLogger(__name__)

LOOK = 2.0  # seconds; whoever is taken sooner is told of no place

Watcher = Callable[[str, int], Awaitable[None]]


@dataclass(eq=False, slots=True)
class Watch:
    """One follower of one run, and the place that it was told last."""

    run_id: str
    tell: Watcher
    told: int = 0


class Places:
    """The watched runs of this event loop."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Places] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of_this_loop(cls) -> Places:
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    def watch(self, run_id: str, tell: Watcher) -> Callable[[], None]:
        """Call ``tell(run_id, place)`` as the place changes, until the run is taken.

        Returns the undo.
        """
        watch = Watch(run_id, tell)
        self._watches.add(watch)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return lambda: self._watches.discard(watch)

    async def _run(self) -> None:
        while self._watches:
            await asyncio.sleep(LOOK)
            try:
                await self._look()
            except DatabaseError:
                log.warning("Looking for places in the line failed; trying again")

    async def _look(self) -> None:
        watches = list(self._watches)
        run_ids = {watch.run_id for watch in watches}
        places = await database_sync_to_async(queue.places)(run_ids)
        for watch in watches:
            place = places.get(watch.run_id)
            if place is None:
                self._watches.discard(watch)
            elif place != watch.told:
                watch.told = place
                await watch.tell(watch.run_id, place)
