"""The websocket at /ws: small JSON frames that follow runs. The frames are in README.md.

A consumer handles one frame at a time, so it never streams inside a handler: each
subscription has a pump, which sends no more than a window beyond what was acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.http.request import validate_host

from chat.permits import Permit, Permits
from chat.signin import SignIn, Watchman, identify
from chat.window import Bucket, Slow, Window
from runs import access, live, upcoming
from runs.arrivals import Arrivals, state
from runs.changes import Changes
from runs.lists import Lists
from runs.models import EventType, Thread
from runs.places import Places

log = logging.getLogger(__name__)

PROTOCOL = 1
PING = 20  # seconds; below the idle limit of every proxy
MOST_SUBSCRIPTIONS = 50

BAD_FRAME = 4400
NOT_SIGNED_IN = 4401
WRONG_ORIGIN = 4403
UNKNOWN_PATH = 4404
TOO_SLOW = 4408
TOO_MANY = 4429


class BadFrame(Exception):
    """A frame that no client of ours sends; the message says what is wrong with it."""


class UnknownPath(AsyncWebsocketConsumer):
    """Closes sockets on paths that don't exist; unrouted ones cost a traceback each."""

    async def connect(self) -> None:
        await self.accept()
        await self.close(code=UNKNOWN_PATH)


class RunConsumer(AsyncWebsocketConsumer):
    """One browser tab."""

    sign_in: SignIn

    async def connect(self) -> None:
        # Accepted first: a refused handshake hides the code from the browser.
        await self.accept()
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._unplace: dict[str, Callable[[], None]] = {}
        self._threads: dict[str, str] = {}  # of the runs that are followed
        self._watched = ""  # thread
        self._unpermit: dict[str, Callable[[], None]] = {}
        self._window, self._bucket = Window(), Bucket()
        self._pinging: asyncio.Task[None] | None = None
        self._unwatch: list[Callable[[], None]] = []
        self._unlist: Callable[[], None] = lambda: None
        if not is_own_origin(self.scope):
            await self.close(code=WRONG_ORIGIN)
            return
        sign_in = await database_sync_to_async(identify)(self.scope["session"])
        if sign_in is None:
            await self.close(code=NOT_SIGNED_IN)
            return
        self.sign_in = sign_in
        Watchman.of_this_loop().watch(self, sign_in, self._revoked)
        self._pinging = asyncio.create_task(self._ping())
        await self._say(op="hello", protocol=PROTOCOL, ping=PING)

    async def disconnect(self, code: int) -> None:
        Watchman.of_this_loop().forget(self)
        self._watch_nothing()
        self._unlist()
        for run_id in list(self._unplace):
            self._forget_place(run_id)
        for forget in self._unpermit.values():
            forget()
        tasks = [*self._pumps.values(), *([self._pinging] if self._pinging else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def receive(
        self, text_data: str | None = None, bytes_data: bytes | None = None
    ) -> None:
        if self._pinging is None:  # Refused, and the close is on its way.
            return
        try:
            frame = parsed(text_data)
            # An ack that frees something is no burden: it follows what was sent.
            if not self._acknowledged(frame) and not self._bucket.take():
                await self.close(code=TOO_MANY)
            else:
                await self._obey(frame)
        except BadFrame as error:
            await self._say(op="error", code="bad_frame", message=str(error))
            await self.close(code=BAD_FRAME)

    def _acknowledged(self, frame: dict[str, Any]) -> bool:
        if frame.get("op") != "ack":
            return False
        return self._window.ack(text_of(frame, "run"), count_of(frame, "seq"))

    async def _obey(self, frame: dict[str, Any]) -> None:
        match frame.get("op"):
            case "subscribe":
                await self._subscribe(text_of(frame, "run"), count_of(frame, "after"))
            case "unsubscribe":
                self._unsubscribe(text_of(frame, "run"))
            case "watch":
                await self._watch(text_of(frame, "thread"))
            case "threads":
                self._unlist()
                user = self.sign_in.user.pk
                self._unlist = Lists.of_this_loop().watch(user, self._list_changed)
            case "ping":
                await self._say(op="pong")
            case "pong" | "ack":
                pass
            case _:
                raise BadFrame("Unknown op.")

    async def _subscribe(self, run_id: str, after: int) -> None:
        if len(self._pumps) >= MOST_SUBSCRIPTIONS and run_id not in self._pumps:
            message = f"At most {MOST_SUBSCRIPTIONS} runs can be followed at once."
            await self._say(op="error", code="too_many", run=run_id, message=message)
            return
        try:
            run = await database_sync_to_async(access.run)(self.sign_in.user, run_id)
        except access.NotFound as error:
            message = str(error)
            await self._say(op="error", code="not_found", run=run_id, message=message)
            return
        if after > run.last_seq:
            # The database was restored to an earlier state; the page must be, too.
            message = "The log of this run has no such event any more."
            await self._say(op="error", code="gone", run=run_id, message=message)
            return
        self._unsubscribe(run_id)
        self._threads[run_id] = run.thread_id
        self._rely_on(run.thread)
        self._tell_place(run_id)
        self._pumps[run_id] = asyncio.create_task(self._pump(run_id, after))

    async def _watch(self, thread_id: str) -> None:
        """Tell this tab of what is new in the thread it shows, and at once how it stands."""
        try:
            find = database_sync_to_async(access.thread)
            thread = await find(self.sign_in.user, thread_id)
        except access.NotFound as error:
            await self._say(op="error", code="not_found", message=str(error))
            return
        self._watch_nothing()
        self._watched = thread_id
        self._rely_on(thread)
        self._unwatch = [
            Arrivals.of_this_loop().watch(thread_id, self._new_run),
            Changes.of_this_loop().watch(thread_id, self._line_changed),
        ]
        run_id, tip = await database_sync_to_async(state)(thread_id)
        await self._say(op="run", thread=thread_id, run=run_id)
        await self._say(op="path", thread=thread_id, tip=tip)
        await self._line_changed(thread_id)

    def _watch_nothing(self) -> None:
        for forget in self._unwatch:
            forget()
        self._unwatch = []

    async def _line_changed(self, thread_id: str) -> None:
        """Tell this tab what waits in its thread, by a text that differs if that does."""
        line = await database_sync_to_async(upcoming.version)(thread_id)
        await self._say(op="queued", thread=thread_id, version=line)

    async def _new_run(self, thread_id: str, run_id: str) -> None:
        if run_id:
            await self._say(op="run", thread=thread_id, run=run_id)
        else:
            await self._say(op="path", thread=thread_id, tip="")

    def _rely_on(self, thread: Thread) -> None:
        """Follow the thread only for as long as it is there and shared with this user."""
        used = {self._watched, *self._threads.values()}
        for unused in self._unpermit.keys() - used:
            self._unpermit.pop(unused)()
        level = access.level(self.sign_in.user, thread)
        if thread.pk not in self._unpermit and (level != "own" or thread.is_temporary):
            permit = Permit(self.sign_in.user.pk, thread.pk, level, self._permitted)
            self._unpermit[thread.pk] = Permits.of_this_loop().watch(permit)

    async def _permitted(self, thread_id: str, level: str) -> None:
        """What may be done in the thread has changed; with no level, nothing any more."""
        await self._say(op="access", thread=thread_id, level=level)
        if level:
            return
        self._unpermit.pop(thread_id, lambda: None)()
        if thread_id == self._watched:
            self._watch_nothing()
        for run_id in [run for run, of in self._threads.items() if of == thread_id]:
            self._unsubscribe(run_id)
            message = "This thread is no longer shared with you."
            await self._say(op="error", code="revoked", run=run_id, message=message)

    async def _list_changed(self) -> None:
        await self._say(op="threads")

    def _unsubscribe(self, run_id: str) -> None:
        if pump := self._pumps.pop(run_id, None):
            pump.cancel()
        self._window.forget(run_id)
        self._threads.pop(run_id, None)
        self._forget_place(run_id)

    def _tell_place(self, run_id: str) -> None:
        """Tell this tab where in the line the run is, for as long as it is there."""
        self._forget_place(run_id)
        self._unplace[run_id] = Places.of_this_loop().watch(run_id, self._place)

    def _forget_place(self, run_id: str) -> None:
        if forget := self._unplace.pop(run_id, None):
            forget()

    async def _place(self, run_id: str, place: int) -> None:
        await self._say(op="place", run=run_id, place=place)

    async def _pump(self, run_id: str, after: int) -> None:
        """Send the run's events as far as the window allows, until its end."""
        try:
            async with contextlib.aclosing(live.pages(run_id, after)) as pages:
                async for page in pages:
                    for event in page:
                        await self._send_on(event)
        except Slow:
            await self.close(code=TOO_SLOW)
        except Exception:
            log.exception("Following %s failed", run_id)
            await self.close(code=1011)
        if self._pumps.get(run_id) is asyncio.current_task():
            del self._pumps[run_id]

    async def _send_on(self, event: live.Logged) -> None:
        await self._window.room()
        self._window.sent(event.run, event.seq, len(event.frame))
        await self.send(text_data=event.frame)
        if event.type == EventType.RUN_QUEUED:
            self._tell_place(event.run)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING)
            await self._say(op="ping")

    async def _revoked(self) -> None:
        await self.close(code=NOT_SIGNED_IN)

    async def _say(self, **frame: Any) -> None:
        await self.send(text_data=json.dumps(frame))


def parsed(text: str | None) -> dict[str, Any]:
    """The JSON object of a frame. Raises BadFrame."""
    try:
        frame = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise BadFrame("Not JSON.") from error
    if not isinstance(frame, dict):
        raise BadFrame("Not a JSON object.")
    return frame


def text_of(frame: dict[str, Any], key: str) -> str:
    value = frame.get(key)
    if not isinstance(value, str) or len(value) > 64:
        raise BadFrame(f"'{key}' must be an id.")
    return value


def count_of(frame: dict[str, Any], key: str) -> int:
    value = frame.get(key)
    if type(value) is not int or not 0 <= value < 2**31:
        raise BadFrame(f"'{key}' must be a number from 0.")
    return value


def is_own_origin(scope: Mapping[str, Any]) -> bool:
    """Whether a page of ours opened the socket: exact scheme, host and port.

    Behind a public address that is PUBLIC_URL. Without one, it is the host that the
    browser itself asked for, as long as that is allowed.
    """
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin1")
    if settings.PUBLIC_URL:
        return bool(origin == settings.PUBLIC_URL)
    host = headers.get(b"host", b"").decode("latin1")
    name = urlsplit(f"//{host}").hostname or ""
    bare = f"[{name}]" if ":" in name else name
    return origin == f"http://{host}" and validate_host(bare, settings.ALLOWED_HOSTS)
