"""The real product for browser tests: a server process and its model server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.model_server import ModelServer
from tests.server_process import Running, environment, manage, running
from tests.visitor import PASSWORD

LOOK = 0.05  # seconds between looks at another process's database

MAKE_PEOPLE = f"""
from runs.models import User
User.objects.create_superuser("alice", password="{PASSWORD}")
User.objects.create_user("bob", password="{PASSWORD}")
"""


async def installed(data: Path, *, people: bool = True) -> Path:
    """A data folder with its database; alice administers, bob does not."""
    env = environment(data)
    ended = await manage("migrate", "--verbosity", "0", env=env)
    assert ended.code == 0, ended.err
    if people:
        ended = await manage("shell", "--verbosity", "0", "-c", MAKE_PEOPLE, env=env)
        assert ended.code == 0, ended.err
    return data


@dataclass
class Site:
    """A running server, the model server behind it and the data folder under it."""

    server: Running
    data: Path
    model: ModelServer

    @property
    def base(self) -> str:
        return self.server.base

    @property
    def port(self) -> int:
        return int(self.base.rsplit(":", 1)[1])

    def errors(self) -> list[str]:
        """What the server has logged as an error."""
        return [line for line in self.server.err if is_error(line)]

    def rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        """Read the database behind the server's back."""
        address = f"file:{self.data / 'threadmill.sqlite3'}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=20)) as db:
            return db.execute(query, values).fetchall()

    def status(self, run: str) -> str:
        return str(self.rows("SELECT status FROM runs_run WHERE id = ?", run)[0][0])

    def logged_text(self, run: str) -> str:
        """The answer rebuilt from the run's log."""
        deltas = self.rows(
            "SELECT data FROM runs_runevent WHERE run_id = ?"
            " AND type = 'thread.message.delta' ORDER BY seq",
            run,
        )
        return "".join(json.loads(data)["text"] for (data,) in deltas)

    def message_text(self, run: str) -> str:
        """The answer as its message stores it; empty without one."""
        contents = self.rows("SELECT content FROM runs_message WHERE run_id = ?", run)
        parts = [part for (content,) in contents for part in json.loads(content)]
        return "".join(part["text"]["value"] for part in parts)

    async def until(self, is_so: Callable[[], bool], within: float = 15) -> None:
        """Wait for something in the database. Nothing rings for another process."""
        async with asyncio.timeout(within):
            while not is_so():  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(LOOK)


def is_error(line: str) -> bool:
    return " ERROR " in line or " CRITICAL " in line or "Traceback" in line


@contextlib.asynccontextmanager
async def serving(
    data: Path, model: ModelServer, *, port: int = 0, **variables: str
) -> AsyncIterator[Site]:
    """A server of its own that gets its answers from this model server."""
    own = {
        "OPENAI_BASE_URL": model.url,
        "OPENAI_API_KEY": "sk-tests-0123456789",
        "OPENAI_MODEL": "scripted",
    }
    env = environment(data, **(own | variables))
    async with running("manage.py", "serve", f"--port={port}", env=env) as server:
        yield Site(server, data, model)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def plain(text: str) -> str:
    return " ".join(text.split())


def numbered(count: int, start: int = 0) -> list[str]:
    """Tokens with a word of their own each, so that any loss or double shows."""
    return [f"word{number} " for number in range(start, start + count)]
