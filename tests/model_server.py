"""A model server that answers as it is told: real HTTP, both wire formats, every fault.

In a test: `async with ModelServer() as server:` in the test's own loop, or
`with ModelServer() as server:` (or start and stop) in a thread. By hand:
`python -m tests.model_server --port 9999`, see --help.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import re
import sys
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any, Self

from aiohttp import web

from tests.model_server_answer import Answer, Record
from tests.model_server_script import SCENARIOS, Call, Counts, Script, script_from

__all__ = ["Call", "Counts", "ModelServer", "Record", "Script"]

SCENARIO = re.compile(r"scenario:\s*([\w-]+)")
MAX_REQUEST_BYTES = 50_000_000


class ModelServer:
    """The scripted server. Scripts are used in order, then `default` for ever.

    A user message with `scenario: NAME` in it chooses that scenario when no script is
    queued. `requests` has the records of all requests for an answer, in order.
    """

    def __init__(
        self,
        default: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        models: Iterable[str] = ("scripted",),
    ) -> None:
        self.default = default or Script()
        self.models = list(models)
        self.requests: list[Record] = []
        self._host, self._port = host, port
        self._scripts: deque[Script] = deque()
        self._waiting: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._runner: web.AppRunner | None = None
        self._thread: threading.Thread | None = None
        self._stop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    @property
    def url(self) -> str:
        """The base URL for a client, with /v1."""
        return f"http://{self._host}:{self._port}/v1"

    def enqueue(self, *scripts: Script) -> None:
        """Sets what the next requests get."""
        self._scripts.extend(scripts)

    def forget_scripts(self) -> None:
        """Lets the next requests get what they would without any."""
        self._scripts.clear()

    async def received(self, number: int = 1, within: float = 5) -> Record:
        """Waits for the number-th request (from 1). Raises TimeoutError."""
        if len(self.requests) < number:
            arrived = asyncio.Event()
            self._waiting.append((number, asyncio.get_running_loop(), arrived))
            async with asyncio.timeout(within):
                await arrived.wait()
        return self.requests[number - 1]

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.add_routes(self._routes())
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner
        for record in self.requests:
            record.gone.cancel()
        await self._runner.cleanup()

    def start(self) -> Self:
        """Runs the server in a thread of its own; returns when it listens."""
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(ready)), daemon=True
        )
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("The model server did not start.")
        return self

    def stop(self) -> None:
        """Ends what `start` began."""
        assert self._thread
        assert self._stop
        loop, stopping = self._stop
        loop.call_soon_threadsafe(stopping.set)
        self._thread.join(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _run(self, ready: threading.Event) -> None:
        stopping = asyncio.Event()
        async with self:
            self._stop = asyncio.get_running_loop(), stopping
            ready.set()
            await stopping.wait()

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self._answer),
            web.post("/v1/responses", self._answer),
            web.get("/v1/models", self._models),
            web.post("/_script", self._take_script),
            web.delete("/_script", self._drop_scripts),
            web.get("/_requests", self._list_requests),
        ]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        assert request.transport
        port = request.transport.get_extra_info("peername")[1]
        record = Record(request.path, dict(request.headers), body, port)
        self.requests.append(record)
        for number, loop, arrived in self._waiting:
            if len(self.requests) >= number:
                loop.call_soon_threadsafe(arrived.set)
        answer = Answer(request, record, self._script_for(body), len(self.requests))
        return await answer.send()

    def _script_for(self, body: dict[str, Any]) -> Script:
        if self._scripts:
            return self._scripts.popleft()
        named = SCENARIO.search(_last_user_text(body))
        if named and named[1] in SCENARIOS:
            return SCENARIOS[named[1]][1]
        return self.default

    async def _models(self, _: web.Request) -> web.Response:
        models = [
            {"id": name, "object": "model", "created": 0, "owned_by": "tests"}
            for name in self.models
        ]
        return web.json_response({"object": "list", "data": models})

    async def _take_script(self, request: web.Request) -> web.Response:
        try:
            self.enqueue(script_from(await request.json()))
        except TypeError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"queued": len(self._scripts)})

    async def _drop_scripts(self, _: web.Request) -> web.Response:
        self.forget_scripts()
        return web.json_response({"queued": 0})

    async def _list_requests(self, _: web.Request) -> web.Response:
        return web.json_response([record.as_json() for record in self.requests])


def _last_user_text(body: dict[str, Any]) -> str:
    """The text of the last user message, in either format."""
    messages = body.get("messages") or body.get("input") or []
    if isinstance(messages, str):
        return messages
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content") or ""
            parts = [content] if isinstance(content, str) else content
            return " ".join(
                part if isinstance(part, str) else part.get("text", "")
                for part in parts
            )
    return ""


def _arguments() -> argparse.Namespace:
    names = "\n".join(f"  {name:14} {about}" for name, (about, _) in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.model_server",
        description="A model server that answers as it is told.",
        epilog=f"scenarios:\n{names}\n\n"
        "A message with 'scenario: NAME' in it chooses one for its answer.\n"
        "POST /_script queues a script (JSON), DELETE forgets them, GET /_requests\n"
        "lists what came in.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9999)
    parser.add_argument("--scenario", default="normal", choices=SCENARIOS)
    parser.add_argument("--pace", type=float, help="tokens per second, 0: full speed")
    parser.add_argument("--tokens", type=int, help="how many to send")
    parser.add_argument(
        "--stamp", action="store_true", help="send the clock (ns) as the tokens"
    )
    return parser.parse_args()


async def _main() -> None:
    arguments = _arguments()
    script = SCENARIOS[arguments.scenario][1]
    wanted = {"pace": arguments.pace, "tokens": arguments.tokens}
    given = {name: value for name, value in wanted.items() if value is not None}
    script = dataclasses.replace(script, stamp=arguments.stamp, **given)
    server = ModelServer(script, host=arguments.host, port=arguments.port)
    async with server:
        sys.stdout.write(f"Listening at {server.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(_main())
    except KeyboardInterrupt:
        sys.exit(0)
