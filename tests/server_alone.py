"""Our server around the misbehaving application, as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import logging.config
import math
import sys
import time
from typing import Any

from config import connections, server
from config.health import with_health
from config.settings import LOGGING
from tests.server_app import application, say


class Worker:
    """Waits to be stopped, or does what its name says."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stops = 0
        self.stopped = asyncio.Event()

    def stop(self) -> None:
        self.stops += 1
        if self.stops == {"finish": 2, "never": math.inf}.get(self.name, 1):
            self.stopped.set()

    async def run(self) -> None:
        if self.name == "crash":
            raise RuntimeError("in the worker")
        if self.name == "return":
            return
        say("the worker runs")
        await self.stopped.wait()
        say(f"the worker was stopped by {self.stops}")


def set_clock_back() -> None:
    """As an administrator would, an hour."""
    real = time.time
    time.time = lambda: real() - 3600


def with_paths_of_health(application: Any) -> Any:
    """/readyz too, as in the site; websockets have no such path."""
    site = with_health(application)

    async def outer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        to = site if scope["type"] == "http" else application
        await to(scope, receive, send)

    return outer


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", default="wait")
    parser.add_argument("--grace", type=float, default=0)
    parser.add_argument("--ping", type=float, default=server.PING_SECONDS)
    parser.add_argument("--stalled", type=float, default=connections.STALLED_SECONDS)
    parser.add_argument("--clock-back", action="store_true")
    options = parser.parse_args()
    logging.config.dictConfig(LOGGING)
    connections.STALLED_SECONDS = options.stalled
    server.PING_SECONDS = options.ping
    if options.clock_back:
        server.reactor.callLater(0.5, set_clock_back)
    ours = server.Server(
        with_paths_of_health(application),
        lambda: Worker(options.worker),
        grace=options.grace,
        say=say,
    )
    port = ours.listen("127.0.0.1", 0)
    say(f"http://127.0.0.1:{port}")
    return ours.run()


if __name__ == "__main__":
    sys.exit(main())
