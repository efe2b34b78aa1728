"""The product as a team runs it, for measuring: PostgreSQL, one web, one worker process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.bench_process import parent
from tests.cluster import cluster
from tests.server_process import ROOT, Running, environment, manage, running
from tests.visitor import Visitor

MANY = {"RUN_CONCURRENCY": "256", "RUNS_PER_USER": "1000", "QUEUED_PER_USER": "1000"}


@dataclass(frozen=True, slots=True)
class Product:
    """Its processes, its database and somebody who is signed in."""

    web: Running
    worker: Running
    visitor: Visitor
    database_url: str
    env: Mapping[str, str]
    postmaster: int

    @property
    def pids(self) -> dict[str, int]:
        pids = {"web": self.web.process.pid, "worker": self.worker.process.pid}
        return {**pids, "postgres": self.postmaster}

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie["name"]: cookie["value"] for cookie in self.visitor.cookies}


@contextlib.asynccontextmanager
async def product(model_url: str) -> AsyncIterator[Product]:
    """Started, with the first account made; stopped at the end."""
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        url = stack.enter_context(cluster(fsync=True))
        settings = {"OPENAI_BASE_URL": model_url, "OPENAI_API": "chat_completions"}
        env = environment(
            Path(folder), DATABASE_URL=url, OPENAI_MODEL="bench", **settings, **MANY
        )
        migrated = await manage("migrate", "-v0", env=env)
        assert migrated.code == 0, migrated.err
        serve = ("manage.py", "serve", "--no-worker", "--port", "0")
        web = await stack.enter_async_context(running(*serve, env=env))
        work = running("manage.py", "work", env=env, says="orker")
        worker = await stack.enter_async_context(work)
        visitor = await stack.enter_async_context(Visitor(web.base))
        await visitor.set_up(await set_up_link(web))
        yield Product(web, worker, visitor, url, env, postmaster_of(url))


def postmaster_of(database_url: str) -> int:
    """The process that all of PostgreSQL's come from."""
    with psycopg.connect(database_url) as opened:
        return parent(opened.info.backend_pid)


async def set_up_link(web: Running) -> str:
    while not (link := re.search(r"http\S+/setup/\S+", web.lines[-1])):
        await web.read_line()
    return link[0]


def asked(database_url: str, query: str) -> Any:
    """The one value that a query gives."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        row = opened.execute(query).fetchone()
    assert row
    return row[0]


@contextlib.asynccontextmanager
async def model_server(pace: float = 30) -> AsyncIterator[str]:
    """The scripted model server in a process of its own; gives its base URL.

    ``pace`` is in tokens per second of an answer."""
    command = ["-m", "tests.model_server", "--port", "0", "--stamp"]
    command += ["--pace", str(pace), "--tokens", "200"]
    async with running(*command, env={**os.environ}) as server:
        yield server.base


@contextlib.asynccontextmanager
async def bare_relay(model_url: str) -> AsyncIterator[Running]:
    relay = running("-m", "tests.bench_relay", model_url, env={**os.environ})
    async with relay as server:
        yield server


@contextlib.asynccontextmanager
async def client(module: str, job: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of clients, told its job; its output is the caller's to read."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    process.stdin.write(json.dumps(job).encode() + b"\n")
    await process.stdin.drain()
    try:
        yield process
    finally:
        process.stdin.close()
        await process.wait()
