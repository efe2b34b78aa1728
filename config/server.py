"""Daphne with the catches it lacks, run by `manage.py serve`.

Each catch names the behaviour that it is for; those of a single connection are in
connections.py. Twisted's reactor runs on an asyncio loop, and what else lives in this
process, such as the worker, runs on that same loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import os
import random
import signal
import threading
from collections.abc import Callable
from typing import Any, Protocol

import daphne.server
from daphne.ws_protocol import WebSocketFactory
from twisted.internet import defer
from twisted.internet import reactor as twisted_reactor
from twisted.internet.error import CannotListenError
from twisted.logger import STDLibLogObserver, globalLogBeginner

from config.connections import GuardedHTTPFactory, GuardedWebSocket
from config.health import readiness

logger = logging.getLogger(__name__)
reactor: Any = twisted_reactor

MAX_FRAME_BYTES = 65_536
PING_SECONDS = 20
GRACE_SECONDS = 10.0
LAST_RESORT_SECONDS = 20.0  # beyond the grace of the worker
FEW_WEBSOCKETS = 50
SPREAD_SECONDS = 2.0
WAITED_FOR = ("http.response.body", "websocket.send")


class Worker(Protocol):
    """What runs beside the server in its process; stop() makes run() return, a second
    stop() soon."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class CannotListen(Exception):
    """The address cannot be had; the message says why."""


def say_nothing(line: str) -> None:
    pass


def few_megabytes(path: bytes) -> int:
    return 2_621_440  # Django's own default


class Server(daphne.server.Server):
    """One address, one ASGI application, and a worker if there is a way to load one.

    ``grace`` is how many seconds the worker may take to end once it is told to,
    ``body_limit`` gives how many bytes the body of a request for a path may have, and
    ``say`` gets one line for each step of the end.
    """

    def __init__(
        self,
        application: Any,
        load_worker: Callable[[], Worker] | None = None,
        *,
        grace: float = 0,
        body_limit: Callable[[bytes], int] = few_megabytes,
        say: Callable[[str], None] = say_nothing,
    ) -> None:
        super().__init__(
            application,
            endpoints=["listen() makes the only one"],
            # Daphne's own timers go by the wall clock: set forward, it would end every
            # socket, set back, it would stop the pings. The factory below has others.
            websocket_timeout=-1,
            ping_interval=math.inf,
            websocket_max_message_size=MAX_FRAME_BYTES,
            websocket_max_frame_size=MAX_FRAME_BYTES,
            server_name="",
        )
        self.load_worker = load_worker
        self.grace = grace if load_worker else 0
        self.body_limit = body_limit
        self.say = say
        self.worker: Worker | None = None
        self.working: asyncio.Task[None] | None = None
        self.stopping: asyncio.Task[None] | None = None
        self.draining: asyncio.Task[None] | None = None
        self.connections: dict[Any, dict[str, Any]] = {}
        self.signals = 0
        self.exit_code = 0

    @property
    def is_stopping(self) -> bool:
        return self.stopping is not None

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
            self.working = loop.create_task(self._work(self.load_worker))
        reactor.run(installSignalHandlers=False)
        end_tasks(loop)
        return self.exit_code

    def _websocket_factory(self) -> WebSocketFactory:
        factory = WebSocketFactory(self, server="")
        factory.protocol = GuardedWebSocket
        factory.setProtocolOptions(
            autoPingInterval=PING_SECONDS,
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

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """What the application awaits to send: Daphne's own never waits for a client."""
        if message["type"] in WAITED_FOR:
            await protocol.flow.room()
        await super().handle_reply(protocol, message)

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
        """The first signal asks for an orderly end, the second for a quick one, and the
        third gets one at once."""
        self.signals += 1
        if self.signals == 1:
            self._begin_to_stop()
        elif self.signals == 2:
            self._hurry()
        else:
            os._exit(128 + number)

    def _begin_to_stop(self) -> None:
        if self.is_stopping:
            return
        readiness.is_stopping = True
        exit_after(self.grace + LAST_RESORT_SECONDS)
        self.stopping = asyncio.get_running_loop().create_task(self._stop())
        self.say(self._promise())

    def _promise(self) -> str:
        answers = ""
        if self.load_worker and self.grace:
            answers = f", answers being written {self.grace:g} s"
        elif self.load_worker:
            answers = "; answers being written end as interrupted"
        requests = f"requests have {GRACE_SECONDS:g} s to finish"
        return f"Stopping: {requests}{answers}. A second signal ends that time."

    def _hurry(self) -> None:
        """Ends what the orderly end waits for."""
        exit_after(LAST_RESORT_SECONDS)
        if self.draining:
            self.draining.cancel()
        if self.worker:
            self.worker.stop()
        self.say("Ending what still runs. A third signal ends the process at once.")

    async def _stop(self) -> None:
        """The orderly end, in this order, however any part of it fails.

        No new connections; the worker ends its runs; websockets are told to come back
        (1012); requests get GRACE_SECONDS to finish; the worker gets its own grace.
        """
        try:
            self.port.stopListening()
            if self.worker:
                self.worker.stop()
            self.draining = asyncio.create_task(self._drain())
            parts = [task for task in (self.draining, self.working) if task]
            longest = self.grace + 2 * SPREAD_SECONDS + GRACE_SECONDS
            await asyncio.wait(parts, timeout=longest)
        except Exception:
            logger.exception("The orderly stop failed")
        finally:
            reactor.stop()

    async def _drain(self) -> None:
        """Ends all connections; a second signal cancels this."""
        await self._close_websockets()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                # Again and again: a connection that is kept alive may bring another.
                while busy := self._busy():
                    await asyncio.wait(busy)

    async def _close_websockets(self) -> None:
        """Tells browsers to come back: few at once, many spread over SPREAD_SECONDS,
        for they will all sign in elsewhere."""
        sockets = [
            each for each in self.connections if isinstance(each, GuardedWebSocket)
        ]
        random.shuffle(sockets)
        size = max(FEW_WEBSOCKETS, len(sockets) // 20)
        pause = SPREAD_SECONDS * size / max(len(sockets), 1)
        for start in range(0, len(sockets), size):
            if start:
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
            for socket in sockets[start : start + size]:
                socket.serverClose(1012)

    def _busy(self) -> list[asyncio.Future[Any]]:
        """The applications that still run."""
        all_of_them = (
            details.get("application_instance") for details in self.connections.values()
        )
        return [each for each in all_of_them if each and not each.done()]


def end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancels what is left on the loop and lets it clean up, as asyncio.run does.

    Django's handler, when cancelled, leaves the tasks of a streamed response behind;
    Python 3.11 crashes over them when it exits.
    """
    if tasks := asyncio.all_tasks(loop):
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks))
    loop.run_until_complete(loop.shutdown_asyncgens())


def exit_after(seconds: float) -> None:
    """Ends the process then, with status 1, if something like a stuck thread keeps it."""
    last_resort = threading.Timer(seconds, os._exit, (1,))
    last_resort.daemon = True
    last_resort.start()


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
