"""Web and worker processes of their own on one PostgreSQL, and what their ends do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from tests.model_server import ModelServer
from tests.model_server_script import Script
from tests.server_process import Running, environment, manage, running
from tests.visitor import Visitor

URL = os.environ.get("TEST_DATABASE_URL", "")


class Site:
    """One web process, any number of worker processes, one scripted model server."""

    def __init__(self, env: dict[str, str], model: ModelServer) -> None:
        self.env, self.model = env, model
        self._stack = contextlib.AsyncExitStack()

    async def worker(self) -> Running:
        return await self._start("work", "Worker")

    async def _start(self, command: str, word: str, *options: str) -> Running:
        started = running("manage.py", command, *options, env=self.env, says=word)
        return await self._stack.enter_async_context(started)

    async def open(self) -> Visitor:
        web = await self._start("serve", "http", "--port", "0", "--no-worker")
        while "/setup/" not in web.lines[-1]:
            await web.read_line()
        link = re.search(r"http\S+/setup/\S+", web.lines[-1])
        assert link
        visitor = await self._stack.enter_async_context(Visitor(web.base))
        await visitor.set_up(link[0])
        return visitor

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    name = f"site_{os.getpid()}_{tmp_path.name.replace('-', '_')}"[:60].lower()
    async with await psycopg.AsyncConnection.connect(URL, autocommit=True) as server:
        await server.execute(f'CREATE DATABASE "{name}"')
    async with ModelServer() as model:
        env = environment(
            tmp_path,
            DATABASE_URL=URL.rsplit("/", 1)[0] + f"/{name}",
            OPENAI_BASE_URL=model.url,
            OPENAI_MODEL="m",
            RUN_LEASE_SECONDS="6",
        )
        migrated = await manage("migrate", "-v0", env=env)
        assert migrated.code == 0, migrated.err
        site = Site(env, model)
        try:
            yield site
        finally:
            await site.close()


async def answer(visitor: Visitor, run: str) -> tuple[str, str]:
    """The text of a run, and the name of its end."""
    text, kind = "", ""
    async for event in visitor.follow(run):
        text += event["data"].get("text", "")
        kind = event["type"]
    return text, kind.removeprefix("thread.run.")


async def first_word(visitor: Visitor, run: str) -> None:
    async for event in visitor.follow(run):
        if event["type"] == "thread.message.delta":
            return


async def test_a_message_is_answered_by_a_worker_of_another_process(site: Site) -> None:
    visitor = await site.open()
    await site.worker()
    site.model.enqueue(Script(tokens=["From ", "afar."]))
    run = await visitor.post("Hello")
    assert await answer(visitor, run) == ("From afar.", "completed")


async def test_a_run_waits_for_the_first_worker_to_come(site: Site) -> None:
    visitor = await site.open()
    site.model.enqueue(Script(tokens=["Late."]))
    run = await visitor.post("Hello")
    await site.worker()
    assert await answer(visitor, run) == ("Late.", "completed")


async def test_a_worker_told_to_stop_finishes_its_run_and_says_so(site: Site) -> None:
    visitor = await site.open()
    worker = await site.worker()
    site.model.enqueue(Script(tokens=40, pace=40))
    run = await visitor.post("Hello")
    await first_word(visitor, run)
    stopping = asyncio.create_task(worker.stop(signal.SIGTERM))
    assert (await answer(visitor, run))[1] == "completed"
    assert await stopping == 0


async def test_a_second_signal_ends_a_worker_and_its_run_is_interrupted(
    site: Site,
) -> None:
    visitor = await site.open()
    worker = await site.worker()
    site.model.enqueue(Script(tokens=4000, pace=20))
    run = await visitor.post("Hello")
    await first_word(visitor, run)
    worker.process.send_signal(signal.SIGTERM)
    assert "Taking nothing new" in await worker.read_line()
    assert await worker.stop(signal.SIGTERM) == 0
    assert (await answer(visitor, run))[1] == "failed"


async def test_runs_of_a_killed_worker_end_interrupted_with_their_text(
    site: Site,
) -> None:
    visitor = await site.open()
    worker = await site.worker()
    site.model.enqueue(Script(tokens=4000, pace=20))
    run = await visitor.post("Hello")
    await first_word(visitor, run)
    await site.worker()
    await worker.stop(signal.SIGKILL)
    async with asyncio.timeout(45):
        text, kind = await answer(visitor, run)
    assert kind == "failed"
    assert text


async def test_a_run_whose_worker_was_killed_before_any_output_is_tried_again(
    site: Site,
) -> None:
    visitor = await site.open()
    worker = await site.worker()
    site.model.enqueue(Script(fault="hang"))
    site.model.enqueue(Script(tokens=["Second ", "try."]))
    run = await visitor.post("Hello")
    await site.model.received(1)
    await site.worker()
    await worker.stop(signal.SIGKILL)
    async with asyncio.timeout(45):
        assert await answer(visitor, run) == ("Second try.", "completed")
