"""Daphne with the catches it lacks, run by `manage.py serve`.

Each catch names the behaviour that it is for. Twisted's reactor runs on an asyncio loop,
and what else lives in this process, such as the worker, runs on that same loop.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any, Protocol

import daphne.server
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import defer
from twisted.internet import reactor as twisted_reactor
from twisted.internet.error import CannotListenError
from twisted.logger import STDLibLogObserver, globalLogBeginner

logger = logging.getLogger(__name__)
reactor: Any = twisted_reactor

MAX_FRAME_BYTES = 65_536
MAX_WAITING_FRAMES = 64
GRACE_SECONDS = 10.0
LAST_RESORT_SECONDS = 15.0


class Worker(Protocol):
    """What runs beside the server in its process; stop() makes run() return."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class CannotListen(Exception):
    """The address cannot be had; the message says why."""


class GuardedRequest(WebRequest):
    """An HTTP request whose application may raise at any moment."""

    def handle_exception(self, exception: BaseException) -> None:
        """An error page while that is possible; after that, a cut the client can see.

        A second response start would raise, which ends Daphne's reaper for good and
        leaves the client of the broken response waiting for ever.
        """
        if self._response_started:
            self.transport.abortConnection()
        else:
            super().handle_exception(exception)


class GuardedHTTPFactory(HTTPFactory):
    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = GuardedRequest
        return protocol


class GuardedWebSocket(WebSocketProtocol):
    """A websocket with a bound on the frames that wait for its consumer."""

    is_flooded = False

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Hands a frame on. Daphne's queue has no bound: a flood would fill memory."""
        if self.is_flooded:
            return
        if self.application_queue.qsize() >= MAX_WAITING_FRAMES:
            self.is_flooded = True
            self.serverClose(4429)
            return
        super().onMessage(payload, isBinary)

    def serverSend(self, content: Any, binary: bool = False) -> None:
        """Sends while the socket is open. After that autobahn would raise in a consumer
        that has not heard of the end yet, though nothing is wrong."""
        if self.state not in (self.STATE_CLOSING, self.STATE_CLOSED):
            super().serverSend(content, binary)

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


class Server(daphne.server.Server):
    """One address, one ASGI application, and a worker if there is a way to load one."""

    def __init__(
        self, application: Any, load_worker: Callable[[], Worker] | None = None
    ) -> None:
        super().__init__(
            application,
            endpoints=["listen() makes the only one"],
            # Daphne ends a socket after a day of wall clock, so a clock that is set
            # forward would end them all.
            websocket_timeout=-1,
            websocket_max_message_size=MAX_FRAME_BYTES,
            websocket_max_frame_size=MAX_FRAME_BYTES,
            server_name="",
        )
        self.load_worker = load_worker
        self.worker: Worker | None = None
        self.connections: dict[Any, dict[str, Any]] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.is_stopping = False
        self.exit_code = 0

    def listen(self, host: str, port: int) -> int:
        """Takes the address; returns the port, chosen if 0. Raises CannotListen.

        From here on clients may connect and signals may come; both are answered once
        run() is reached.
        """
        self.http_factory = GuardedHTTPFactory(self)
        self.ws_factory = self._websocket_factory()
        try:
            self.port = reactor.listenTCP(port, self.http_factory, interface=host)
        except CannotListenError as error:
            raise CannotListen(_reason(host, port, error.socketError)) from error
        for number in (signal.SIGINT, signal.SIGTERM):
            reactor._asyncioEventloop.add_signal_handler(
                number, self._signalled, number
            )
        return int(self.port.getHost().port)

    def run(self) -> int:
        """Serves until a signal, or until the worker ends; returns the exit status."""
        loop = reactor._asyncioEventloop
        asyncio.set_event_loop(loop)
        observer: Any = STDLibLogObserver("twisted")
        globalLogBeginner.beginLoggingTo(
            [observer], discardBuffer=True, redirectStandardIO=False
        )
        reactor.addSystemEventTrigger("before", "shutdown", self.kill_all_applications)
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        if self.load_worker:
            self.tasks.add(loop.create_task(self._work(self.load_worker)))
        reactor.run(installSignalHandlers=False)
        return self.exit_code

    def _websocket_factory(self) -> WebSocketFactory:
        factory = WebSocketFactory(self, server="")
        factory.protocol = GuardedWebSocket
        factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            allowNullOrigin=True,  # the application itself looks at the origin
            openHandshakeTimeout=self.websocket_handshake_timeout,
            maxMessagePayloadSize=self.websocket_max_message_size,
            maxFramePayloadSize=self.websocket_max_frame_size,
            failByDrop=False,  # so that too large a frame gets its close code, 1009
        )
        return factory

    # Catches

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Starts the application. Any client could set the root path by a header."""
        return super().create_application(
            protocol, {**scope, "root_path": self.root_path}
        )

    def application_checker(self) -> None:
        self._checked(super().application_checker, self.application_checker)

    def timeout_checker(self) -> None:
        self._checked(super().timeout_checker, self.timeout_checker)

    def _checked(self, check: Callable[[], None], again: Callable[[], None]) -> None:
        """Runs a check, which sets its own timer at its end, if it gets that far."""
        try:
            check()
        except Exception:
            logger.exception("A check of the connections failed")
            reactor.callLater(1, again)

    def kill_all_applications(self) -> defer.Deferred[Any]:
        """Cancels what still runs.

        Daphne's own raises for a connection in its handshake, which has no application
        yet, and then cancels none at all.
        """
        nothing = asyncio.get_running_loop().create_future()
        nothing.set_result(None)
        for details in self.connections.values():
            details.setdefault("application_instance", nothing)
        deferred: defer.Deferred[Any] = super().kill_all_applications()
        return deferred

    # The worker, and the end

    async def _work(self, load_worker: Callable[[], Worker]) -> None:
        """Runs the worker; if that ends by itself, so does the process, with status 1.

        Loading it takes a second, mostly for the model clients, so that happens in a
        thread while pages are served already.
        """
        try:
            self.worker = await asyncio.to_thread(load_worker)
            if not self.is_stopping:
                await self.worker.run()
        except Exception:
            logger.exception("The worker crashed")
        else:
            if self.is_stopping:
                return
            logger.error("The worker ended without being told to")
        self.exit_code = 1
        self._begin_to_stop()

    def _signalled(self, number: int) -> None:
        """The first signal asks for an orderly end, the second gets one at once."""
        if self.is_stopping:
            os._exit(128 + number)
        self._begin_to_stop()

    def _begin_to_stop(self) -> None:
        if self.is_stopping:
            return
        self.is_stopping = True
        last_resort = threading.Timer(LAST_RESORT_SECONDS, os._exit, (1,))
        last_resort.daemon = True  # ends a process that a stuck thread would keep
        last_resort.start()
        self.tasks.add(asyncio.get_running_loop().create_task(self._stop()))

    async def _stop(self) -> None:
        """The orderly end, in this order, however any part of it fails.

        No new connections; the worker ends its runs; websockets are told to come back
        (1012); requests get GRACE_SECONDS to finish.
        """
        try:
            self.port.stopListening()
            busy = self._busy()
            if self.worker:
                self.worker.stop()
            for protocol in list(self.connections):
                if isinstance(protocol, GuardedWebSocket):
                    protocol.serverClose(1012)
            if busy:
                await asyncio.wait(busy, timeout=GRACE_SECONDS)
        except Exception:
            logger.exception("The orderly stop failed")
        finally:
            reactor.stop()

    def _busy(self) -> list[asyncio.Future[Any]]:
        """The worker and the applications of all connections."""
        busy: list[asyncio.Future[Any]] = [
            task for task in self.tasks if task is not asyncio.current_task()
        ]
        for details in self.connections.values():
            if application := details.get("application_instance"):
                busy.append(application)
        return busy


def _reason(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is taken by another program. Choose a free --port."
        )
    if error.errno == errno.EACCES:
        return (
            f"Port {port} may not be used by this account. Choose a --port above 1023."
        )
    return f"Cannot listen on {host}, port {port}: {error.strerror or error}."
