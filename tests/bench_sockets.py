"""Idle websockets of the benchmark: opens so many, says so, and holds them open.

The job on standard input is {"url", "cookies", "number"}; its end closes them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp

AT_ONCE = 20


async def hold(url: str, cookies: dict[str, str], number: int) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(
        url,
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=jar,
        cookies=cookies,
    ) as http:
        turn = asyncio.Semaphore(AT_ONCE)

        async def opened() -> aiohttp.ClientWebSocketResponse:
            async with turn:
                socket = await http.ws_connect("/ws", headers={"Origin": url})
                assert (await socket.receive_json())["op"] == "hello"
                return socket

        sockets = await asyncio.gather(*(opened() for _ in range(number)))
        sys.stdout.write(f"{len(sockets)}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(socket.close() for socket in sockets))


def main() -> None:
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    asyncio.run(hold(**job))


if __name__ == "__main__":
    main()
