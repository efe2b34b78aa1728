"""Content-free notices, to every process: "run R has events up to N", and the like.

On PostgreSQL a ring is a NOTIFY inside the transaction that it tells of, and each
process has one LISTEN connection; with SQLite there is only this process. A notice may
be lost, doubled or merged; whoever listens also looks by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from django.db import connection, transaction

log = logging.getLogger(__name__)

Listener = Callable[[str, int], None]

NOTICES_PER_PAYLOAD = 100  # PostgreSQL takes 8,000 bytes; an id has up to 64
PAUSE = 1.0  # seconds between tries to reach the database again


class Doorbell:
    """Rung from any thread; listeners are called on the event loop they came from."""

    by_channel: ClassVar[dict[str, Doorbell]] = {}

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.by_channel[channel] = self
        self._listeners: dict[Listener, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(run_id, seq)`` on this loop at each ring; returns the undo."""
        with self._lock:
            self._listeners[listener] = asyncio.get_running_loop()
        ear = Ear.of_this_loop()
        ear.open()

        def forget() -> None:
            self._forget(listener)
            ear.close()

        return forget

    def ring(self, heads: Mapping[str, int]) -> None:
        """Tell of these runs once the current transaction is committed."""
        if connection.vendor == "postgresql":
            self._notify(list(heads.items()))
        else:
            transaction.on_commit(lambda: self.ring_here(heads))

    def ring_here(self, heads: Mapping[str, int]) -> None:
        """Tell the listeners in this process."""
        with self._lock:
            listeners = list(self._listeners.items())
        for listener, loop in listeners:
            try:
                loop.call_soon_threadsafe(_tell, listener, heads)
            except RuntimeError:  # Its loop is closed: nobody is left to hear.
                self._forget(listener)

    def _notify(self, heads: list[tuple[str, int]]) -> None:
        with connection.cursor() as cursor:
            for start in range(0, len(heads), NOTICES_PER_PAYLOAD):
                page = heads[start : start + NOTICES_PER_PAYLOAD]
                payload = " ".join(f"{run_id}:{seq}" for run_id, seq in page)
                cursor.execute("SELECT pg_notify(%s, %s)", [self.channel, payload])

    def _forget(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.pop(listener, None)


def _tell(listener: Listener, heads: Mapping[str, int]) -> None:
    for run_id, seq in heads.items():
        listener(run_id, seq)


events = Doorbell("threadmill_events")
queue = Doorbell("threadmill_queue")
threads = Doorbell("threadmill_threads")  # by thread: what waits in it has changed
paths = Doorbell("threadmill_paths")  # by thread: another branch is shown
lists = Doorbell("threadmill_lists")  # by person: the list of threads has changed


class Ear:
    """The one LISTEN connection of an event loop, open while anybody listens."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Ear] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of_this_loop(cls) -> Ear:
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    def open(self) -> None:
        self._listeners += 1
        if connection.vendor == "postgresql" and self._task is None:
            self._task = asyncio.create_task(self._hear())

    def close(self) -> None:
        self._listeners -= 1
        if not self._listeners and self._task:
            self._task.cancel()
            self._task = None

    async def _hear(self) -> None:
        """Hand on what the database says; after a cut, connect again."""
        # Loaded here, since SQLite needs no PostgreSQL driver.
        import psycopg  # noqa: PLC0415

        while True:
            with contextlib.suppress(psycopg.Error):
                await self._hear_until_cut(psycopg)
            log.warning("The connection for doorbells is gone; connecting again")
            await asyncio.sleep(PAUSE)

    async def _hear_until_cut(self, psycopg: Any) -> None:
        # Autocommit, and not from the pool: it is held for as long as the process lives.
        opened = await psycopg.AsyncConnection.connect(
            **direct_parameters(), autocommit=True
        )
        async with opened:
            for channel in Doorbell.by_channel:
                await opened.execute(f"LISTEN {channel}")
            async for notice in opened.notifies():
                Doorbell.by_channel[notice.channel].ring_here(parsed(notice.payload))


def parsed(payload: str) -> dict[str, int]:
    """The notices of a payload, ``run_1:7 run_2:3``."""
    pairs = (notice.rsplit(":", 1) for notice in payload.split())
    return {run_id: int(seq) for run_id, seq in pairs}


def direct_parameters() -> dict[str, Any]:
    """How Django connects, without what is Django's own: for a connection besides it."""
    parameters = connection.get_connection_params()
    own = ("cursor_factory", "context", "prepare_threshold", "pool")
    return {key: value for key, value in parameters.items() if key not in own}
