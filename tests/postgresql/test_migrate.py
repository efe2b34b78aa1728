"""Migrating while others read and write."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import psycopg
import pytest

from tests.server_process import environment, manage, running

URL = os.environ.get("TEST_DATABASE_URL", "")


@pytest.fixture
async def database(tmp_path: Path) -> dict[str, str]:
    """The environment of a site whose database is one migration behind."""
    name = f"migrate_{os.getpid()}_{tmp_path.name.replace('-', '_')}"[:60].lower()
    async with await psycopg.AsyncConnection.connect(URL, autocommit=True) as server:
        await server.execute(f'CREATE DATABASE "{name}"')
    env = environment(tmp_path, DATABASE_URL=URL.rsplit("/", 1)[0] + f"/{name}")
    for target in ((), ("runs", "0002")):
        migrated = await manage("migrate", "-v0", *target, env=env)
        assert migrated.code == 0, migrated.err
    return env


async def connect(env: dict[str, str]) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(env["DATABASE_URL"])


async def test_a_migration_gives_way_to_those_who_write(
    database: dict[str, str],
) -> None:
    async with await connect(database) as reader, await connect(database) as writer:
        await reader.execute("SELECT count(*) FROM runs_run")  # and holds its lock
        migrate = ("manage.py", "migrate", "-v1")
        async with running(*migrate, env=database, says="Operations") as migrating:
            waits = [await time_to_read(writer) for _ in range(4)]
            assert migrating.process.returncode is None, migrating.err
            await reader.rollback()
            assert await asyncio.wait_for(migrating.process.wait(), 60) == 0
    assert max(waits) < 3


async def time_to_read(connection: psycopg.AsyncConnection) -> float:
    """Seconds until a change of the runs' table gets its turn."""
    begun = time.monotonic()
    await connection.execute("LOCK TABLE runs_run IN ROW EXCLUSIVE MODE")
    waited = time.monotonic() - begun
    await connection.rollback()
    await asyncio.sleep(0.7)  # Others come now and then, not without a break.
    return waited


async def test_two_machines_that_migrate_at_once_do_it_once(
    database: dict[str, str],
) -> None:
    both = [manage("migrate", "-v0", env=database) for _ in range(2)]
    ended = await asyncio.gather(*both)
    assert [one.code for one in ended] == [0, 0], ended
