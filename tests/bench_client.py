"""The clients of the benchmark, in a process of their own: a job in, figures out.

The job is a JSON object on standard input; see ``Job``.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
from openai import AsyncOpenAI, OpenAIError

from tests.bench_load import Load, Received, summary
from tests.visitor import token_in

RUN = re.compile(r'id="(run_\w+)"')
END = re.compile(
    r'"type":"thread\.run\.(completed|failed|incomplete|cancelled|expired)"'
)
ACK_EVERY = 50
PATIENCE = 120  # seconds for one answer


@dataclass(frozen=True, slots=True)
class Job:
    """The load, the model server's address, and where else to go, signed in as whom."""

    load: Load
    model_url: str
    url: str = ""
    cookies: dict[str, str] | None = None


Ask = Callable[[Received], Awaitable[None]]


async def measured(job: Job) -> dict[str, Any]:
    """Ask for all answers in time, and say how they came."""
    async with AsyncExitStack() as stack:
        ways = {"openai": openai_client, "relay": relay, "threadmill": threadmill}
        asks = await ways[job.load.through](job, stack)
        await tell_scripts(job)
        answers = [Received() for _ in asks]
        pairs = enumerate(zip(asks, answers, strict=True))
        await asyncio.gather(*(in_turn(job.load, n, *pair) for n, pair in pairs))
    return summary(job.load, answers)


async def in_turn(load: Load, number: int, ask: Ask, answer: Received) -> None:
    await asyncio.sleep(load.asked_at(number))
    try:
        async with asyncio.timeout(PATIENCE):
            await ask(answer)
    except (OpenAIError, aiohttp.ClientError, AssertionError, TimeoutError) as error:
        answer.failed = f"{type(error).__name__}: {error}"[:200]


async def tell_scripts(job: Job) -> None:
    async with aiohttp.ClientSession() as http:
        for script in job.load.scripts():
            url = job.model_url.replace("/v1", "/_script")
            async with http.post(url, json=script) as answer:
                assert answer.status == 200, await answer.text()


async def openai_client(job: Job, stack: AsyncExitStack) -> list[Ask]:
    """The openai package's own typed streams, all of one client."""
    client = AsyncOpenAI(base_url=job.model_url, api_key="none", max_retries=0)
    await stack.enter_async_context(client)

    async def ask(answer: Received) -> None:
        stream = await client.chat.completions.create(
            model="bench", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                answer.note(text)

    return [ask] * job.load.runs


async def relay(job: Job, stack: AsyncExitStack) -> list[Ask]:
    """Websocket frames of bench_relay, one socket for each answer."""
    connector = aiohttp.TCPConnector(limit=0)
    http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))

    async def ask(answer: Received) -> None:
        async with http.ws_connect(job.url) as socket:
            await socket.send_str("Hi")
            async for message in socket:
                answer.note(message.data)

    return [ask] * job.load.runs


async def threadmill(job: Job, stack: AsyncExitStack) -> list[Ask]:
    """Tabs that are open before their message is sent, each with its websocket."""
    jar = aiohttp.CookieJar(unsafe=True)
    http = aiohttp.ClientSession(
        job.url,
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=jar,
        cookies=job.cookies,
    )
    await stack.enter_async_context(http)
    async with http.get("/") as answer:
        token = token_in(await answer.text())
    tabs = [Tab(http, job.url, token) for _ in range(job.load.runs)]
    for tab in tabs:
        await stack.enter_async_context(await tab.opened())
    return [tab.ask for tab in tabs]


class Tab:
    """One page with its websocket, as a browser uses it."""

    def __init__(self, http: aiohttp.ClientSession, base: str, token: str) -> None:
        self._http, self._base, self._token = http, base, token

    async def opened(self) -> aiohttp.ClientWebSocketResponse:
        headers = {"Origin": self._base}
        self._socket = await self._http.ws_connect("/ws", headers=headers)
        hello = await self._socket.receive_json()
        assert hello["op"] == "hello", hello
        return self._socket

    async def ask(self, answer: Received) -> None:
        """Post the message, follow its run to the end and acknowledge as the page does."""
        run = await self._post("Hi")
        await self._socket.send_json({"op": "subscribe", "run": run, "after": 0})
        frames = 0
        async for message in self._socket:
            text: str = message.data
            if '"type":"thread.message.delta"' in text:
                answer.note(text)
            elif ended := END.search(text):
                assert ended[1] == "completed", text
                return
            frames += 1
            if frames % ACK_EVERY == 0 and text.startswith('{"op":"event"'):
                seq = json.loads(text)["seq"]
                await self._socket.send_json({"op": "ack", "run": run, "seq": seq})
        raise AssertionError(f"closed with {self._socket.close_code}")

    async def _post(self, text: str) -> str:
        headers = {"X-CSRFToken": self._token, "HX-Request": "true"}
        form = {"text": text, "key": secrets.token_hex(8)}
        async with self._http.post("/messages", data=form, headers=headers) as answer:
            page = await answer.text()
        assert answer.status == 200, f"{answer.status}: {page[-300:]}"
        found = RUN.search(page)
        assert found, page
        return found[1]


def main() -> None:
    given = json.loads(sys.stdin.readline())
    job = Job(**{**given, "load": Load(**given["load"])})
    json.dump(asyncio.run(measured(job)), sys.stdout)


if __name__ == "__main__":
    main()
