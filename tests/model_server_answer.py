"""One answer of the scripted model server: its course, its faults and its record."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.model_server_chat import ChatWire
from tests.model_server_responses import ResponsesWire
from tests.model_server_script import AT_END, BEFORE_STREAM, PAGE, Script
from tests.model_server_wire import Wire

YIELD_EVERY = 16
COMMENT_EVERY = 0.05
# A reset must not overtake the bytes before it.
SETTLING_TIME = 0.02
HUGE_PIECE = b"x" * 65536


@dataclass
class Record:
    """What came in, and what became of it. Times by the monotonic clock."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    port: int = 0
    """The client's: the same for requests over the same connection."""
    at: float = field(default_factory=time.monotonic)
    sent: list[int] = field(default_factory=list)
    """When each token was sent, in ns."""
    gone: Future[float] = field(default_factory=Future)
    """Done, with the time, when the client goes away before the end."""

    async def client_gone(self, within: float = 2) -> float:
        """Waits until the client has gone away, and gives the time of that."""
        async with asyncio.timeout(within):
            return await asyncio.wrap_future(self.gone)

    def as_json(self) -> dict[str, Any]:
        """The record without its keys."""
        hidden = ("authorization", "cookie")
        headers = {
            name: "[hidden]" if name.lower() in hidden else value
            for name, value in self.headers.items()
        }
        is_gone = self.gone.done() and not self.gone.cancelled()
        return {
            "path": self.path,
            "headers": headers,
            "body": self.body,
            "tokens_sent": len(self.sent),
            "client_went_away_after": self.gone.result() - self.at if is_gone else None,
        }


class _EndedByScript(Exception):
    """The connection was ended on purpose; there is nothing left to send."""


class Answer:
    """Plays a script to one request."""

    def __init__(
        self, request: web.Request, record: Record, script: Script, number: int
    ) -> None:
        self._request = request
        self._record = record
        self._script = script
        self._number = number
        model = str(record.body.get("model") or "scripted")
        is_responses = request.path.endswith("/responses")
        wire = ResponsesWire if is_responses else ChatWire
        self._wire: Wire = wire(script, model, number)
        self._response = web.StreamResponse()

    async def send(self) -> web.StreamResponse:
        """The whole course. Notes when the client leaves before its end."""
        try:
            return await self._send()
        except _EndedByScript:
            return self._response
        except (asyncio.CancelledError, ConnectionError):
            if not self._record.gone.done():
                self._record.gone.set_result(time.monotonic())
            raise

    async def _send(self) -> web.StreamResponse:
        script = self._script
        await asyncio.sleep(script.delay_headers)
        if script.fault in BEFORE_STREAM:
            return await self._other_response()
        if not self._record.body.get("stream"):
            await asyncio.sleep(script.delay_first_token)
            return web.json_response(self._wire.whole(), headers=self._headers())
        await self._begin_stream("text/event-stream; charset=utf-8")
        await self._write(self._wire.begin())
        await self._content()
        await self._end()
        return self._response

    async def _begin_stream(self, content_type: str) -> None:
        headers = {"Content-Type": content_type, "Cache-Control": "no-cache"}
        self._response.headers.update({**headers, **self._headers()})
        await self._response.prepare(self._request)
        self._write: Callable[[bytes], Awaitable[None]] = self._response.write

    def _headers(self) -> dict[str, str]:
        return {"x-request-id": f"req_{self._number}", **self._script.headers}

    async def _content(self) -> None:
        script, wire = self._script, self._wire
        await asyncio.sleep(script.delay_first_token)
        for text in script.reasoning:
            await self._write(wire.reasoning(text))
        if script.count or script.refusal or script.fault:
            await self._write(wire.begin_message())
        for text in script.refusal:
            await self._write(wire.refusal(text))
        if script.pace:
            await self._paced()
        else:
            await self._at_full_speed()
        for index, call in enumerate(script.tool_calls):
            await self._write(wire.call(index, call))

    async def _paced(self) -> None:
        """By an absolute schedule: what comes late does not delay what follows."""
        clock = asyncio.get_running_loop().time
        interval, start = 1 / self._script.pace, clock()
        for number in range(self._before_fault()):
            wait = start + number * interval - clock()
            if wait > 0:
                await asyncio.sleep(wait)
            await self._write(self._token(number))
        await self._fault()

    async def _at_full_speed(self) -> None:
        count, batch = self._before_fault(), self._script.batch
        for number in range(0, count, batch):
            several = range(number, min(number + batch, count))
            await self._write(b"".join(map(self._token, several)))
            if number // batch % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        await self._fault()

    def _token(self, number: int) -> bytes:
        now = time.monotonic_ns()
        self._record.sent.append(now)
        text = f"{now} " if self._script.stamp else self._script.token(number)
        return self._wire.token(text)

    def _before_fault(self) -> int:
        """How many tokens are sent before what goes wrong, or in all."""
        script = self._script
        if not script.fault or script.fault in AT_END:
            return script.count
        return min(script.after, script.count)

    async def _fault(self) -> None:
        fault = self._script.fault
        if fault and fault not in AT_END:
            await getattr(self, f"_fault_{fault}")()
            raise _EndedByScript

    async def _end(self) -> None:
        fault = self._script.fault
        if fault != "done_without_finish":
            await self._write(self._wire.end())
        if fault == "no_end":
            await self._fault_stall()
        if fault == "reset_at_end":
            await self._fault_reset()
            raise _EndedByScript
        await self._write(self._wire.done())
        await self._response.write_eof()

    async def _other_response(self) -> web.StreamResponse:
        script = self._script
        if script.fault == "hang":
            await self._fault_stall()
        if script.fault == "html_in_stream":
            await self._begin_stream("text/event-stream")
            await self._write(PAGE.encode())
            return self._response
        if script.fault == "html":
            return web.Response(text=PAGE, content_type="text/html")
        status = {"json": 200, "redirect": 307}.get(script.fault, script.status)
        if isinstance(script.body, str):
            headers = {"Content-Type": "text/plain", **self._headers()}
            return web.Response(text=script.body, status=status, headers=headers)
        return web.json_response(script.body, status=status, headers=self._headers())

    async def _fault_stall(self) -> None:
        await asyncio.Event().wait()

    async def _fault_keepalive(self) -> None:
        while True:
            await self._write(b": keep-alive\n\n")
            await asyncio.sleep(COMMENT_EVERY)

    async def _fault_empty_deltas(self) -> None:
        while True:
            await self._write(self._wire.token(""))
            await asyncio.sleep(COMMENT_EVERY)

    async def _fault_eof(self) -> None:
        await self._response.write_eof()

    async def _fault_error(self) -> None:
        await self._write(self._wire.error(failed=False))

    async def _fault_failed(self) -> None:
        await self._write(self._wire.error(failed=True))

    async def _fault_garbage(self) -> None:
        await self._write(b'data: {"choices": [{"delta": {"content": oops\n\n')
        await asyncio.sleep(SETTLING_TIME)

    async def _fault_huge_line(self) -> None:
        await self._write(b"data: ")
        for _ in range(self._script.size // len(HUGE_PIECE) + 1):
            await self._write(HUGE_PIECE)

    async def _fault_cut(self) -> None:
        """Without the chunk that says that there are no more."""
        await asyncio.sleep(SETTLING_TIME)
        assert self._request.transport
        self._request.transport.close()

    async def _fault_reset(self) -> None:
        await asyncio.sleep(SETTLING_TIME)
        transport = self._request.transport
        assert transport
        at_once = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, at_once
        )
        assert isinstance(transport, asyncio.Transport)
        transport.abort()
