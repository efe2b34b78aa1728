"""Whose list of threads has changed: told to every process, and there to open tabs.

A list changes when a thread comes, goes, is renamed or filed, when a run in it begins
or ends, and when its owner has seen the end.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Sequence
from weakref import WeakKeyDictionary

from django.db import connection

from runs import doorbell

log = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two tellings, so that a busy list costs a tab little
ANSWERED = """
    UPDATE runs_thread SET answered_at = %s WHERE id IN ({keys}) RETURNING owner_id
"""

Watcher = Callable[[], Awaitable[None]]


def changed(*user_ids: int) -> None:
    """The lists of these people are other ones once the transaction is committed."""
    doorbell.lists.ring({str(user_id): 0 for user_id in user_ids})


def answered(thread_ids: Sequence[str], at: dt.datetime) -> None:
    """A run has ended in each of these threads; one statement, as every run pays for it."""
    if not thread_ids:
        return
    moment = connection.ops.adapt_datetimefield_value(at)
    sql = ANSWERED.format(keys=", ".join(["%s"] * len(thread_ids)))
    with connection.cursor() as cursor:
        cursor.execute(sql, [moment, *thread_ids])
        changed(*(row[0] for row in cursor.fetchall()))


class Lists:
    """The people of this event loop who want to be told."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Lists] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._watchers: dict[str, set[Watcher]] = {}
        self._rung: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of_this_loop(cls) -> Lists:
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    def watch(self, user_id: int, watcher: Watcher) -> Callable[[], None]:
        """Call ``watcher()`` when the user's list changes; returns the undo."""
        key = str(user_id)
        self._watchers.setdefault(key, set()).add(watcher)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return lambda: self._forget(key, watcher)

    def _forget(self, key: str, watcher: Watcher) -> None:
        watchers = self._watchers.get(key, set())
        watchers.discard(watcher)
        if not watchers:
            self._watchers.pop(key, None)
            self._wake.set()

    def _rang(self, key: str, seq: int) -> None:
        if key in self._watchers:
            self._rung.add(key)
            self._wake.set()

    async def _run(self) -> None:
        silence = doorbell.lists.listen(self._rang)
        try:
            while self._watchers:
                await self._wake.wait()
                self._wake.clear()
                rung, self._rung = self._rung, set()
                if rung:
                    await self._tell(rung)
                    await asyncio.sleep(PAUSE)
        finally:
            silence()

    async def _tell(self, rung: set[str]) -> None:
        for key in rung:
            for watcher in list(self._watchers.get(key, ())):
                try:
                    await watcher()
                except Exception:
                    # A tab that hears nothing is fresh again when it is looked at.
                    log.exception("Telling of a changed list failed")
