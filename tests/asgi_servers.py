"""The misbehaving application under our server, plain Daphne and uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cluster import free_port
from tests.server_process import ROOT, Running, environment, running

OURS = ("-m", "tests.server_alone")
APPLICATION = "tests.server_app:application"
COMMANDS = {
    "daphne": ("-m", "daphne", "-v0", "-b127.0.0.1", "-p{port}", APPLICATION),
    "daphne behind a proxy": (
        *("-m", "daphne", "-v0", "-b127.0.0.1", "-p{port}", "--proxy-headers"),
        APPLICATION,
    ),
    "uvicorn": (
        *("-m", "uvicorn", "--lifespan=off", "--no-access-log", "--port={port}"),
        APPLICATION,
    ),
}


def but_not(name: str, *errors: type[BaseException]) -> object:
    """A server on which the test must fail, and how: that is why ours is not it."""
    mark = pytest.mark.xfail(strict=True, raises=errors or AssertionError)
    return pytest.param(name, marks=mark)


@contextlib.asynccontextmanager
async def running_under(name: str, folder: Path) -> AsyncIterator[Running]:
    """The process, once it listens. What it prints goes to err."""
    env = environment(folder)
    if name == "ours":
        async with running(*OURS, env=env) as server:
            yield server
        return
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(part.format(port=port) for part in COMMANDS[name]),
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    server = Running(process, lines=[f"http://127.0.0.1:{port}"])
    keeping = asyncio.create_task(server.keep_err())
    try:
        await until_it_listens(server, port)
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await keeping
        await asyncio.sleep(0)


async def until_it_listens(server: Running, port: int) -> None:
    async with asyncio.timeout(30):
        while server.process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.05)
    raise AssertionError("".join(server.err))


def resident(process: asyncio.subprocess.Process) -> int:
    """Bytes of memory that a process holds now."""
    pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextlib.asynccontextmanager
async def raw(
    server: Running, path: str, *headers: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which this was asked, and nothing is read by itself."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(server.base.rsplit(":", 1)[1])
    )
    lines = (f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", "")
    writer.write("\r\n".join(lines).encode())
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
