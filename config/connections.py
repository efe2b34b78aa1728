"""Daphne's connections with the catches they lack: one HTTP request, one websocket.

Each catch names the behaviour that it is for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from io import BytesIO
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketProtocol

logger = logging.getLogger(__name__)

MAX_WAITING_FRAMES = 64
STALLED_SECONDS = 60.0
UNHEARD = 32
TOO_LARGE = (
    b'{"error": {"message": "The request is too large.", '
    b'"type": "invalid_request_error", "param": null, "code": "request_too_large"}}'
)


class FlowControl:
    """Makes an application wait while its client reads slower than it is sent to.

    A push producer in Twisted's words: the transport pauses it when more than 64 KiB
    are unsent and resumes it when all of them are sent. Without one, whatever the
    client does not read piles up in memory.
    """

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_over = False
        self._unheard = 0
        self._mark = (0, 0)
        self._moved_at = time.monotonic()

    @property
    def is_paused(self) -> bool:
        return not self._has_room.is_set()

    def pauseProducing(self) -> None:
        """Called by every write while too much is unsent."""
        if not self.is_paused:
            self._moved_at = time.monotonic()
        self._has_room.clear()

    def resumeProducing(self) -> None:
        self._has_room.set()

    def stopProducing(self) -> None:
        """The client is gone or has all, so nobody has to wait for it any more."""
        self._is_over = True
        self._has_room.set()

    async def room(self) -> None:
        """Waits until the client has taken what was sent, or has gone.

        After that the loop gets a turn now and then: an application that does nothing
        but send would not hear that its client is gone, and send all to nobody. Not at
        once, for Django would be cancelled here, and not in the generator that it
        streams, which then cleans up only when it is collected as garbage.
        """
        await self._has_room.wait()
        if self._is_over:
            self._unheard += 1
            if self._unheard % UNHEARD == 0:
                await asyncio.sleep(0)

    def has_stalled(self) -> bool:
        """Whether the client has taken not one byte of what waits for it for
        STALLED_SECONDS. To be asked every few seconds."""
        mark = (len(self.transport.dataBuffer), self.transport.offset)
        if mark != self._mark:
            self._mark, self._moved_at = mark, time.monotonic()
        waits = self.is_paused or mark[0] > mark[1]
        return waits and time.monotonic() - self._moved_at > STALLED_SECONDS

    def cut_if_stalled(self) -> None:
        """Nothing else would: an HTTP client is never pinged, and a websocket whose
        client sends but does not read passes for alive."""
        if self.has_stalled():
            logger.info("Cut a client that read nothing for %g s", STALLED_SECONDS)
            self.transport.abortConnection()


class GuardedRequest(WebRequest):
    """An HTTP request whose application may raise at any moment."""

    content: Any  # the body, a file

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.flow = FlowControl(self.transport)
        self.received = 0  # bytes of the body
        self.is_too_large = False

    def handleContentChunk(self, data: bytes) -> None:
        """Keeps a part of the body, as long as it is within its bound. Daphne has none,
        and puts the whole body into memory before an application can look at it."""
        self.received += len(data)
        limit = self.server.body_limit(self.channel._path)
        self.is_too_large = self.received > limit
        if not self.is_too_large:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Hides the body from Twisted, which would read a whole form at once, with 13
        times its size in memory, for arguments that nobody asks for."""
        self.body, self.content = self.content, BytesIO()
        super().requestReceived(command, path, version)

    def process(self) -> Any:
        self.content = self.body
        self.registerProducer(self.flow, True)
        if self.is_too_large:
            self._refuse_body()
            return None
        return super().process()

    def _refuse_body(self) -> None:
        """All of it was read and thrown away, or the client would not hear this."""
        self.request_start = time.time()
        headers = [(b"Content-Type", b"application/json"), (b"Connection", b"close")]
        start = {"type": "http.response.start", "status": 413, "headers": headers}
        self.handle_reply(start)
        self.handle_reply({"type": "http.response.body", "body": TOO_LARGE})

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Writes a part of the response. One that begins while the server stops is the
        last of its connection, and says so."""
        super().handle_reply(message)
        is_start = message["type"] == "http.response.start"
        if is_start and self.server.is_stopping and not self.finished:
            self.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            self.channel.persistent = False

    def finish(self) -> None:
        self.flow.stopProducing()
        self.unregisterProducer()
        super().finish()

    def connectionLost(self, reason: Any) -> None:
        self.flow.stopProducing()
        super().connectionLost(reason)

    def check_timeouts(self) -> None:
        super().check_timeouts()
        self.flow.cut_if_stalled()

    def handle_exception(self, exception: BaseException) -> None:
        """An error page while that is possible; after that, a cut the client can see.

        A second response start would raise, which ends Daphne's reaper for good and
        leaves the client of the broken response waiting for ever.
        """
        if self._response_started:
            self.flow.transport.abortConnection()
        else:
            super().handle_exception(exception)


class GuardedHTTPFactory(HTTPFactory):
    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = GuardedRequest
        return protocol


class GuardedWebSocket(WebSocketProtocol):
    """A websocket with a bound on the frames that wait for its consumer, and one on the
    bytes that wait for its client."""

    maxMessagePayloadSize: int  # autobahn's
    is_flooded = False

    def connectionMade(self) -> None:
        super().connectionMade()
        self.flow = FlowControl(self.transport)
        self.transport.unregisterProducer()  # the HTTP channel that this was
        self.transport.registerProducer(self.flow, True)

    def onOpen(self) -> None:
        super().onOpen()
        if self.server.is_stopping:
            self.serverClose(1012)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Hands a frame on. Daphne's queue has no bound: a flood would fill memory."""
        if self.is_flooded:
            return
        if self.application_queue.qsize() >= MAX_WAITING_FRAMES:
            self.is_flooded = True
            self.serverClose(4429)
            return
        super().onMessage(payload, isBinary)

    def onPing(self, payload: bytes) -> None:
        """Answers, unless earlier answers have not been read: they would pile up."""
        if not self.flow.is_paused:
            super().onPing(payload)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.flow.stopProducing()
        super().onClose(wasClean, code, reason)

    def check_timeouts(self) -> None:
        super().check_timeouts()
        self.flow.cut_if_stalled()

    def serverSend(self, content: Any, binary: bool = False) -> None:
        """Sends while the socket is open. After that autobahn would raise in a consumer
        that has not heard of the end yet, though nothing is wrong."""
        if self.state not in (self.STATE_CLOSING, self.STATE_CLOSED):
            super().serverSend(content, binary)

    def sendData(
        self, data: bytes, sync: bool = False, chopsize: int | None = None
    ) -> None:
        """Writes to the socket at once, as far as it takes it.

        Twisted's own write asks the reactor to be called when the socket is ready: two
        system calls and a turn of the loop, a fifth of what a frame costs.
        """
        is_plain = not sync and not chopsize and not self.send_queue
        rest = data[self._written(data) :] if is_plain else data
        if rest:
            super().sendData(rest, sync, chopsize)

    def _written(self, data: bytes) -> int:
        """How many bytes the socket took; none while earlier ones wait, or at an error,
        which the write of the rest meets again."""
        transport = self.transport
        if transport.dataBuffer or transport._tempDataBuffer or transport.disconnecting:
            return 0
        sent = transport.writeSomeData(data)
        return sent if isinstance(sent, int) else 0

    def sendMessage(self, *args: Any, **options: Any) -> None:
        """Sends a message of any length. The bound is for what clients send; autobahn
        holds the server to it as well, and would raise in a consumer."""
        bound, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(*args, **options)
        finally:
            self.maxMessagePayloadSize = bound

    def handle_exception(self, exception: BaseException) -> None:
        """Closes with 1011, or refuses the handshake; never raises into the reaper."""
        try:
            super().handle_exception(exception)
        except Exception:
            logger.exception("A websocket could not be closed")
            self.transport.abortConnection()

    def serverClose(self, code: int | None = None) -> None:
        """Closes with any code. Daphne's own raises for 1011, 1012 and the like."""
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=code or 1000)
