"""The clients of the API's benchmark, in a process of their own: a job in, figures out.

A job is a JSON object on standard input: streams, see ``Job`` in bench_client, or, with
``requests``, how often one request is answered in a time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import warnings
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
from openai import AsyncOpenAI

from tests.bench_client import Ask, Job, in_turn, openai_client, tell_scripts
from tests.bench_load import Load, Received, at, in_ms, summary

DELTA = b"event: thread.message.delta"


@dataclass(frozen=True, slots=True)
class ApiJob(Job):
    """The same, with the key and the assistant of whoever asks."""

    key: str = ""
    assistant: str = ""


async def streamed(job: ApiJob) -> dict[str, Any]:
    """Ask for all answers in time, and say how they came."""
    async with AsyncExitStack() as stack:
        ways = {"openai": openai_client, "client": official, "sse": raw}
        asks = await ways[job.load.through](job, stack)
        await tell_scripts(job)
        answers = [Received() for _ in asks]
        pairs = enumerate(zip(asks, answers, strict=True))
        await asyncio.gather(*(in_turn(job.load, n, *pair) for n, pair in pairs))
    return summary(job.load, answers)


async def official(job: ApiJob, stack: AsyncExitStack) -> list[Ask]:
    """The openai package's helper for streams of runs, each on a thread of its own."""
    client = AsyncOpenAI(base_url=f"{job.url}/v1", api_key=job.key, max_retries=0)
    await stack.enter_async_context(client)
    threads = await new_threads(client, job.load.runs)

    def asking(thread: str) -> Ask:
        async def ask(answer: Received) -> None:
            runs = client.beta.threads.runs
            async with runs.stream(
                thread_id=thread, assistant_id=job.assistant
            ) as stream:
                async for text in stream.text_deltas:
                    answer.note(text)

        return ask

    return [asking(thread) for thread in threads]


async def raw(job: ApiJob, stack: AsyncExitStack) -> list[Ask]:
    """The lines of the stream, nothing made of them."""
    async with AsyncOpenAI(base_url=f"{job.url}/v1", api_key=job.key) as client:
        threads = await new_threads(client, job.load.runs)
    http = await stack.enter_async_context(session(job.url, job.key))
    body = {"assistant_id": job.assistant, "stream": True}

    def asking(thread: str) -> Ask:
        async def ask(answer: Received) -> None:
            path = f"/v1/threads/{thread}/runs"
            async with http.post(path, json=body) as response:
                assert response.status == 200, await response.text()
                is_delta = False
                async for line in response.content:
                    if is_delta:
                        answer.note(line.decode())
                    is_delta = line.startswith(DELTA)

        return ask

    return [asking(thread) for thread in threads]


async def new_threads(client: AsyncOpenAI, number: int) -> list[str]:
    question: Any = {"role": "user", "content": "Hi"}
    return [
        (await client.beta.threads.create(messages=[question])).id
        for _ in range(number)
    ]


def session(url: str, key: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        url,
        connector=aiohttp.TCPConnector(limit=0),
        headers={"Authorization": f"Bearer {key}"},
    )


async def requested(job: dict[str, Any]) -> dict[str, Any]:
    """One request, again and again, by some clients at once, for so many seconds."""
    took: list[int] = []
    async with session(job["url"], job["key"]) as http:
        end = time.monotonic() + job["seconds"]

        async def one_client() -> None:
            while time.monotonic() < end:
                begun = time.monotonic_ns()
                asked = http.request(job["method"], job["path"], json=job["body"])
                async with asked as answer:
                    text = await answer.text()
                assert answer.status == 200, text
                took.append(time.monotonic_ns() - begun)

        await asyncio.gather(*(one_client() for _ in range(job["clients"])))
    return {
        "per_second": round(len(took) / job["seconds"]),
        "requests": len(took),
        "p50": in_ms(at(0.5, took)),
        "p99": in_ms(at(0.99, took)),
    }


def main() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # of the whole protocol
    given = json.loads(sys.stdin.readline())
    if "requests" in given:
        result = asyncio.run(requested(given["requests"]))
    else:
        job = ApiJob(**{**given, "load": Load(**given["load"])})
        result = asyncio.run(streamed(job))
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
