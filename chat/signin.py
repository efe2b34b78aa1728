"""Who is behind an open socket, and whether that still holds.

A socket is authenticated once, when it opens; sign-out, a new password and deactivation
reach it because one task of the process looks at all sign-ins every few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from runs.models import User

log = logging.getLogger(__name__)

LOOK = 4.0  # seconds; what is revoked must be closed within 5


@dataclass(frozen=True, slots=True)
class SignIn:
    """A session of a user, and the password's mark in it."""

    session_key: str
    user: User
    password_mark: str


def identify(session: Any) -> SignIn | None:
    """The sign-in of a Django session, None if there is none. Changes nothing."""
    user = User.objects.filter(pk=session.get(SESSION_KEY), is_active=True).first()
    mark = session.get(HASH_SESSION_KEY, "")
    if user is None or not _is_mark_of(user, mark):
        return None
    return SignIn(session.session_key, user, mark)


def still_valid(sign_ins: Iterable[SignIn]) -> set[str]:
    """The session keys, of these sign-ins, that are still good. Two queries."""
    known = {sign_in.session_key: sign_in for sign_in in sign_ins}
    alive = Session.objects.filter(
        session_key__in=known, expire_date__gt=timezone.now()
    ).values_list("session_key", flat=True)
    users = User.objects.filter(is_active=True).in_bulk(
        {sign_in.user.pk for sign_in in known.values()}
    )
    return {
        key
        for key in alive
        if (user := users.get(known[key].user.pk))
        and _is_mark_of(user, known[key].password_mark)
    }


def _is_mark_of(user: User, mark: str) -> bool:
    # The fallbacks are for a secret key that was replaced and is still accepted.
    marks = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(mark, good) for good in marks)


class Watchman:
    """Ends the open sockets whose sign-in has been revoked; one per event loop."""

    _of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Watchman] = (
        WeakKeyDictionary()
    )

    def __init__(self) -> None:
        self._sockets: dict[Any, tuple[SignIn, Callable[[], Awaitable[None]]]] = {}
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def of_this_loop(cls) -> Watchman:
        return cls._of_loop.setdefault(asyncio.get_running_loop(), cls())

    def watch(
        self, socket: Any, sign_in: SignIn, end: Callable[[], Awaitable[None]]
    ) -> None:
        """Call ``end`` once the sign-in of this socket is revoked."""
        self._sockets[socket] = (sign_in, end)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())

    def forget(self, socket: Any) -> None:
        self._sockets.pop(socket, None)
        if not self._sockets and self._task:
            self._task.cancel()
            self._task = None

    async def _look(self) -> None:
        while self._sockets:
            await asyncio.sleep(LOOK)
            with contextlib.suppress(DatabaseError):
                await self._end_revoked()

    async def _end_revoked(self) -> None:
        watched = list(self._sockets.values())
        good = await database_sync_to_async(still_valid)([s for s, _ in watched])
        for sign_in, end in watched:
            if sign_in.session_key not in good:
                await end()
