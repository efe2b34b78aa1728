"""What the doctor sees of PostgreSQL, straight and through what lies before it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.server_process import environment, manage, running
from tests.test_doctor import doctor

URL = os.environ.get("TEST_DATABASE_URL", "")
NOTICE = b"A"  # the type of PostgreSQL's NotificationResponse


@contextlib.asynccontextmanager
async def losing_notices(port: int) -> AsyncIterator[int]:
    """A port that passes all on but notices, as a pooler does that lends a connection
    for no longer than a transaction."""

    taken: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        taken.add(task)
        there, answer = await asyncio.open_connection("127.0.0.1", port)
        asking = asyncio.create_task(pass_on(reader, answer))
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await pass_on_messages(there, writer)
        asking.cancel()
        for one in (writer, answer):
            one.close()
            with contextlib.suppress(OSError):
                await one.wait_closed()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    # Whoever connected has gone, so that PostgreSQL ends each connection, too.
    await asyncio.gather(*taken)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
        await writer.drain()
    writer.close()


async def pass_on_messages(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """A server's messages: a type, a length that counts itself, and the rest."""
    while True:
        head = await reader.readexactly(5)
        rest = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
        if head[:1] != NOTICE:
            writer.write(head + rest)
            await writer.drain()


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """A migrated database of its own."""
    name = f"doctor_{os.getpid()}_{abs(hash(tmp_path))}"[:60]
    async with await psycopg.AsyncConnection.connect(URL, autocommit=True) as server:
        await server.execute(f'CREATE DATABASE "{name}"')
    own = urlsplit(URL)._replace(path=f"/{name}").geturl()
    ended = await manage(
        "migrate", "-v", "0", env=environment(tmp_path, DATABASE_URL=own)
    )
    assert ended.code == 0, ended.err
    yield own
    async with await psycopg.AsyncConnection.connect(URL, autocommit=True) as server:
        await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


async def test_a_healthy_database_and_a_worker_pass(url: str, tmp_path: Path) -> None:
    env = environment(tmp_path, DATABASE_URL=url)
    async with running("manage.py", "work", env=env, says="Worker"):
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as own:
            await until_a_beat(own)
        report = await doctor(tmp_path, DATABASE_URL=url)

    assert report.code == 0, report.out
    assert "PostgreSQL 1" in report.found("Database")
    assert "1 worker alive" in report.found("Workers")
    for check in ("Migrations", "Notices", "Connections", "Database clock", "Queue"):
        assert report.verdict(check) == "ok", report.out


async def test_a_pooler_that_loses_notices_is_found(url: str, tmp_path: Path) -> None:
    async with losing_notices(urlsplit(url).port or 5432) as port:
        there = urlsplit(url)._replace(netloc=f"postgres@127.0.0.1:{port}").geturl()
        plain = f"{there}?sslmode=disable&gssencmode=disable"
        report = await doctor(tmp_path, DATABASE_URL=plain)

    assert report.verdict("Database") == "ok", report.out
    assert report.verdict("Notices") == "failed", report.out
    assert "did not arrive" in report.found("Notices")
    assert "pgbouncer" in report.mend("Notices")


async def test_a_silent_worker_is_not_counted_as_alive(
    url: str, tmp_path: Path
) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as own:
        await own.execute(
            "INSERT INTO runs_workerbeat (name, started_at, beat_at, running, capacity)"
            " VALUES ('gone', now(), now() - interval '21 s', 3, 64),"
            " ('here', now(), now() - interval '2 s', 5, 64)"
        )
    report = await doctor(tmp_path, DATABASE_URL=url)

    assert report.found("Workers").startswith(
        "1 worker alive, executing 5 of at most 64"
    )


async def until_a_beat(own: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    async with asyncio.timeout(20):
        while True:
            cursor = await own.execute("SELECT 1 FROM runs_workerbeat")
            if await cursor.fetchone():
                return
            await asyncio.sleep(0.05)
