"""Keys of open streams: one look for all of them, so that a revoked key ends them soon."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections import Counter
from collections.abc import Collection, Iterator
from weakref import WeakKeyDictionary

from django.db import DatabaseError

from runs.models import ApiKey
from runs.threads import DatabaseThread

log = logging.getLogger(__name__)

LOOK = 2.0  # seconds; streams ask as often, and what is revoked must end within 5


class Revocations:
    """The keys that streams of this event loop were opened with."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Revocations] = (
        WeakKeyDictionary()
    )

    def __init__(self) -> None:
        self._streams: Counter[str] = Counter()
        self._revoked: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of_this_loop(cls) -> Revocations:
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    @contextlib.contextmanager
    def watching(self, key_id: str) -> Iterator[None]:
        """Look after this key for as long as a stream is open."""
        self._streams[key_id] += 1
        if self._task is None or self._task.done():
            # In a context of its own, for it outlives the request that began it.
            context = contextvars.Context()
            self._task = asyncio.create_task(self._run(), context=context)
        try:
            yield
        finally:
            self._streams[key_id] -= 1
            self._streams += Counter()  # drops what is at zero

    def has(self, key_id: str) -> bool:
        """Whether the key was revoked, or its time or its owner's account ended."""
        return key_id in self._revoked

    async def _run(self) -> None:
        thread = DatabaseThread("keys")
        try:
            while self._streams:
                await asyncio.sleep(LOOK)
                try:
                    watched = set(self._streams)
                    usable = await thread.call(usable_of, watched)
                    self._revoked = watched - usable
                except DatabaseError:
                    log.warning("Looking for revoked keys failed; trying again")
        finally:
            await thread.close()


def usable_of(key_ids: Collection[str]) -> set[str]:
    """Those of these keys that are still good."""
    usable = ApiKey.objects.usable().filter(pk__in=key_ids)
    return set(usable.values_list("pk", flat=True))
