"""A server of ours around an application that misbehaves on request, as a process."""

from __future__ import annotations

import asyncio
import json
import logging.config
import sys
from typing import Any

from config.server import Server
from config.settings import LOGGING

OK = {"type": "http.response.start", "status": 200, "headers": []}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Does what the path says."""
    kinds = {"http": HTTP, "websocket": WEBSOCKET}
    await kinds[scope["type"]][scope["path"]](scope, receive, send)


async def show_scope(scope: dict[str, Any], receive: Any, send: Any) -> None:
    shown = {name: scope[name] for name in ("path", "root_path")}
    await send(OK)
    await send({"type": "http.response.body", "body": json.dumps(shown).encode()})


async def raise_at_once(scope: dict[str, Any], receive: Any, send: Any) -> None:
    raise RuntimeError("before the headers")


async def raise_midway(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send(OK)
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    raise RuntimeError("after the headers")


async def take_a_second(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send(OK)
    await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
    await asyncio.sleep(1)
    await send({"type": "http.response.body", "body": b"done"})


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        if "text" in message:
            await send({"type": "websocket.send", "text": message["text"]})


async def chatter(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Says so much that it must still be speaking when the client has closed."""
    await send({"type": "websocket.accept"})
    await receive()  # the connection itself
    ending = asyncio.create_task(receive())
    while not ending.done():
        await send({"type": "websocket.send", "text": "x" * 60_000})
        await asyncio.sleep(0.001)
    say(f"chatter heard {ending.result()['type']}")


async def accept_and_raise(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    raise RuntimeError("in a consumer")


async def accept_and_close(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": int(scope["query_string"])})


async def accept_and_sleep(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


async def never_accept(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


HTTP = {
    "/scope": show_scope,
    "/raise": raise_at_once,
    "/raise-midway": raise_midway,
    "/slow": take_a_second,
}
WEBSOCKET = {
    "/echo": echo,
    "/chatter": chatter,
    "/raise": accept_and_raise,
    "/raise-first": raise_at_once,
    "/close": accept_and_close,
    "/sleep": accept_and_sleep,
    "/never": never_accept,
}


class Worker:
    """Waits to be stopped, or does what its name says."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopped = asyncio.Event()

    def stop(self) -> None:
        self.stopped.set()

    async def run(self) -> None:
        if self.name == "crash":
            raise RuntimeError("in the worker")
        if self.name == "return":
            return
        await self.stopped.wait()
        say("the worker was stopped")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    logging.config.dictConfig(LOGGING)
    name = sys.argv[1] if len(sys.argv) > 1 else "wait"
    server = Server(application, lambda: Worker(name))
    port = server.listen("127.0.0.1", 0)
    say(f"http://127.0.0.1:{port}")
    return server.run()


if __name__ == "__main__":
    sys.exit(main())
