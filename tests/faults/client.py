"""A browser tab as the fault suite plays it: asks, follows, comes back, never gives up.

Its times are those of static/js/socket.js.
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import time
from collections.abc import Callable

import aiohttp

from tests.faults.tale import Cut, Tale

Heard = Callable[[], None]

SILENCE = 45.0  # seconds without a frame: the connection is dead
CONNECTING = 10.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds before connecting again
ACK_EVERY, ACK_EVENTS, ACK_BYTES = 0.1, 50, 65_536  # seconds, and what else is due
POSTS_FOR = 120.0  # seconds until a question that is never taken is given up
REPLY_WITHIN = 10.0  # seconds until a request counts as lost
CLOSED = (
    aiohttp.WSMsgType.CLOSE,
    aiohttp.WSMsgType.CLOSING,
    aiohttp.WSMsgType.CLOSED,
    aiohttp.WSMsgType.ERROR,
)
ABNORMAL = 1006
BRIEF = aiohttp.ClientWSTimeout(ws_close=0.1)
LOST = (aiohttp.ClientError, TimeoutError, OSError)


class Client:
    """Somebody who is signed in; use it as an async context manager."""

    def __init__(
        self,
        base: str,
        session: str,
        chance: random.Random,
        *,
        patience: float = SILENCE,
        heard: Heard = lambda: None,
    ) -> None:
        self.base, self.patience = base, patience
        self.session, self._chance, self._heard = session, chance, heard
        self._token = secrets.token_hex(16)
        cookies = {"sessionid": session, "csrftoken": self._token}
        limit = aiohttp.ClientTimeout(total=REPLY_WITHIN)
        # As in a browser, a websocket never takes over the connection of a request.
        self._http, self._sockets = (
            aiohttp.ClientSession(
                base,
                cookies=cookies,
                cookie_jar=aiohttp.CookieJar(unsafe=True),
                timeout=limit,
            )
            for _ in range(2)
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._sockets.close()

    async def live(self, tale: Tale) -> Tale:
        """Asks the question and follows its run to the end."""
        await self.ask(tale)
        if tale.run:
            await self.follow(tale)
        return tale

    async def ask(self, tale: Tale) -> None:
        """Posts the question, again with the same key until it is taken."""
        tale.session = self.session
        form = {"text": tale.question, "key": tale.key}
        until = time.monotonic() + POSTS_FOR
        while not tale.run and time.monotonic() < until:
            try:
                status, page = await self.post("/messages", form)
            except LOST as error:
                tale.refusals.append(type(error).__name__)
            else:
                found = re.search(r'id="(run_\w+)"', page) if status == 200 else None
                if found:
                    tale.run, tale.asked_at = found[1], time.monotonic()
                    return
                tale.refusals.append(str(status))
                if status < 500:
                    return
            await asyncio.sleep(self._pause(len(tale.refusals), most=2.0))

    async def post(self, path: str, form: dict[str, str]) -> tuple[int, str]:
        """The status and the page. Raises what is in LOST."""
        headers = {"X-CSRFToken": self._token, "HX-Request": "true"}
        async with self._http.post(path, data=form, headers=headers) as answer:
            return answer.status, await answer.text()

    async def stop(self, tale: Tale) -> int:
        """Presses Stop; returns the status."""
        tale.stopped_at = time.monotonic()
        return (await self.post(f"/runs/{tale.run}/cancel", {}))[0]

    async def text_of(self, run: str) -> str:
        """The answer as the page offers it to be copied."""
        async with self._http.get(f"/runs/{run}/text") as answer:
            return await answer.text() if answer.status == 200 else f"{answer.status}"

    async def socket(self) -> aiohttp.ClientWebSocketResponse:
        """A websocket that is open. Raises what is in LOST."""
        async with asyncio.timeout(CONNECTING):
            return await self._sockets.ws_connect(
                "/ws", headers={"Origin": self.base}, timeout=BRIEF, max_msg_size=0
            )

    async def follow(self, tale: Tale) -> None:
        """Follows the run to its end, over as many connections as it takes."""
        failures = 0
        while not tale.kind and not tale.errors:
            try:
                code, said_hello = await self._connection(tale)
            except LOST as error:
                code, said_hello = ABNORMAL, False
                tale.tries.append(type(error).__name__)
            if tale.kind:
                return
            failures = 1 if said_hello else failures + 1
            if said_hello or not tale.cuts:
                tale.cuts.append(Cut(time.monotonic(), code))
            await asyncio.sleep(self._pause(failures))

    async def _connection(self, tale: Tale) -> tuple[int, bool]:
        """One connection to its end: the close code, and whether it ever worked."""
        socket = await self.socket()
        said_hello, acked_at, unread = False, 0.0, 0
        async with socket:
            while True:
                patience = self.patience if said_hello else CONNECTING
                message = await socket.receive(patience)
                if message.type in CLOSED:
                    return socket.close_code or ABNORMAL, said_hello
                frame = message.json()
                if frame["op"] == "hello":
                    said_hello = True
                    self._greeted(tale)
                    ask = {"op": "subscribe", "run": tale.run, "after": tale.seq}
                    await socket.send_json(ask)
                elif frame["op"] == "error":
                    tale.errors.append(frame["message"])
                    return ABNORMAL, said_hello
                elif frame["op"] == "event":
                    self._heard()
                    if tale.kind or not tale.take(frame) or tale.kind:
                        return ABNORMAL, said_hello
                    unread += len(message.data)
                    is_due = unread > ACK_BYTES or tale.seq % ACK_EVENTS == 0
                    if is_due or time.monotonic() - acked_at > ACK_EVERY:
                        acked_at, unread = time.monotonic(), 0
                        ack = {"op": "ack", "run": tale.run, "seq": tale.seq}
                        await socket.send_json(ack)

    def _greeted(self, tale: Tale) -> None:
        if tale.cuts and not tale.cuts[-1].back_at:
            tale.cuts[-1].back_at = time.monotonic()

    def _pause(self, failures: int, most: float = LONGEST_PAUSE) -> float:
        ceiling = min(most, FIRST_PAUSE * 2 ** max(failures - 1, 0))
        return float(ceiling * (0.5 + self._chance.random() / 2))
