"""An application that misbehaves on request, for any ASGI server."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

CHUNK = b"x" * 62_500
CHUNKS = 3_200  # 200 MB in all


class Progress:
    """How far a long stream has come."""

    def __init__(self) -> None:
        self.chunks = 0
        self.ended = asyncio.Event()


sent: dict[str, Progress] = {}

LONG_WORD = 1_000_000  # characters; more than a client may send at once
OK = {"type": "http.response.start", "status": 200, "headers": []}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Does what the path says."""
    kinds = {"http": HTTP, "websocket": WEBSOCKET}
    await kinds[scope["type"]][scope["path"]](scope, receive, send)


async def show_scope(scope: dict[str, Any], receive: Any, send: Any) -> None:
    names = ("path", "root_path", "scheme", "client")
    await reply(send, json.dumps({name: scope[name] for name in names}))


async def reply(send: Any, text: str) -> None:
    await send(OK)
    await send({"type": "http.response.body", "body": text.encode()})


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


async def send_much(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Streams until the client leaves, as Django does."""
    progress = sent[scope["path"]] = Progress()
    tasks = [
        asyncio.create_task(stream(send, progress)),
        asyncio.create_task(disconnect(receive)),
    ]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    progress.ended.set()


async def stream(send: Any, progress: Progress) -> None:
    await send(OK)
    for _ in range(CHUNKS):
        part = {"type": "http.response.body", "body": CHUNK, "more_body": True}
        await send(part)
        progress.chunks += 1
    await send({"type": "http.response.body"})


async def disconnect(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def show_sent(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """How many chunks of a path's stream the application could send so far."""
    progress = sent.get(scope["query_string"].decode(), Progress())
    await reply(send, str(progress.chunks))


async def await_end(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers when the application has ended a path's stream."""
    await sent[scope["query_string"].decode()].ended.wait()
    await reply(send, "ended")


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


async def speak_much(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    progress = sent[scope["path"]] = Progress()
    try:
        for _ in range(CHUNKS):
            await send({"type": "websocket.send", "bytes": CHUNK})
            progress.chunks += 1
        await send({"type": "websocket.close", "code": 1000})
    finally:
        progress.ended.set()


async def say_a_long_word(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "x" * LONG_WORD})
    await send({"type": "websocket.close", "code": 1000})


async def accept_and_raise(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    raise RuntimeError("in a consumer")


async def accept_and_close(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": int(scope["query_string"])})


async def accept_and_sleep(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


async def clean_up(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Has something to do when it ends, and awaits in doing so."""
    await send({"type": "websocket.accept"})
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        await asyncio.sleep(0.05)
        say("cleaned up")


async def never_accept(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


HTTP = {
    "/scope": show_scope,
    "/raise": raise_at_once,
    "/raise-midway": raise_midway,
    "/slow": take_a_second,
    "/much": send_much,
    "/sent": show_sent,
    "/ended": await_end,
}
WEBSOCKET = {
    "/echo": echo,
    "/chatter": chatter,
    "/raise": accept_and_raise,
    "/raise-first": raise_at_once,
    "/close": accept_and_close,
    "/sleep": accept_and_sleep,
    "/never": never_accept,
    "/much-said": speak_much,
    "/long-word": say_a_long_word,
    "/clean-up": clean_up,
}


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
