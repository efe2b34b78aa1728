"""What open streams rely on, the key and the thread: one look for all of them, so that
what is revoked ends them soon."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections import Counter
from collections.abc import Collection, Iterator
from weakref import WeakKeyDictionary

from django.db import DatabaseError

from runs.models import ApiKey, Run, sharing
from runs.threads import DatabaseThread

log = logging.getLogger(__name__)

LOOK = 2.0  # seconds; streams ask as often, and what is revoked must end within 5


# The key a stream was opened with, and the run that it tells of.
Stream = tuple[str, str]


class Revocations:
    """The streams of this event loop."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Revocations] = (
        WeakKeyDictionary()
    )

    def __init__(self) -> None:
        self._streams: Counter[Stream] = Counter()
        self._revoked: set[str] = set()
        self._hidden: set[Stream] = set()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of_this_loop(cls) -> Revocations:
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    @contextlib.contextmanager
    def watching(self, key_id: str, run_id: str) -> Iterator[None]:
        """Look after this key and this run for as long as a stream is open."""
        self._streams[key_id, run_id] += 1
        if self._task is None or self._task.done():
            # In a context of its own, for it outlives the request that began it.
            context = contextvars.Context()
            self._task = asyncio.create_task(self._run(), context=context)
        try:
            yield
        finally:
            self._streams[key_id, run_id] -= 1
            self._streams += Counter()  # drops what is at zero

    def has(self, key_id: str) -> bool:
        """Whether the key was revoked, or its time or its owner's account ended."""
        return key_id in self._revoked

    def hides(self, key_id: str, run_id: str) -> bool:
        """Whether the run's thread is no longer shared with the key's owner."""
        return (key_id, run_id) in self._hidden

    async def _run(self) -> None:
        thread = DatabaseThread("keys")
        try:
            while self._streams:
                await asyncio.sleep(LOOK)
                try:
                    watched = set(self._streams)
                    keys = {key for key, _ in watched}
                    usable = await thread.call(usable_of, keys)
                    self._revoked = keys - usable
                    self._hidden = await thread.call(hidden_of, watched)
                except DatabaseError:
                    log.warning("Looking for revoked keys failed; trying again")
        finally:
            await thread.close()


def usable_of(key_ids: Collection[str]) -> set[str]:
    """Those of these keys that are still good."""
    usable = ApiKey.objects.usable().filter(pk__in=key_ids)
    return set(usable.values_list("pk", flat=True))


def hidden_of(streams: Collection[Stream]) -> set[Stream]:
    """Those of these streams whose run the key's owner may no longer see.

    Runs that are deleted are not among them: their streams end by themselves.
    """
    owners = dict(
        ApiKey.objects.filter(pk__in={key for key, _ in streams}).values_list(
            "pk", "owner_id"
        )
    )
    found = Run.objects.filter(pk__in={run for _, run in streams})
    threads = {run.pk: run.thread for run in found.select_related("thread")}
    return {
        (key, run)
        for key, run in streams
        if run in threads and not sharing.level(threads[run], owners.get(key, 0))
    }
