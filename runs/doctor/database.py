"""Checks of the database: reachable, new enough, migrated, and able to ring a bell."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from runs.doctor.finding import (
    Finding,
    failed,
    in_a_line,
    ok,
    skipped,
    warning,
    with_orm,
)

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 3
NOTICE_SECONDS = 2.0
MOST_SKEW = 2.0  # seconds between the clocks of this machine and the database
SLOW_MS = 50.0
MOST_IN_USE = 0.8  # of the connections that the database allows


async def reachable() -> Finding:
    """The one check that the others of the database stand on."""
    if connection.vendor == "sqlite":
        return await with_orm(sqlite_reachable)()
    # Loaded here, since SQLite needs no PostgreSQL driver.
    import psycopg  # noqa: PLC0415

    try:
        async with await direct_connection() as opened:
            took = await round_trip_ms(opened)
            version = opened.info.server_version
            place = f"{opened.info.host}:{opened.info.port}"
    except psycopg.Error as error:
        return failed(
            f"PostgreSQL cannot be reached: {in_a_line(error)}",
            "Start PostgreSQL, or correct DATABASE_URL: host, port, name, password.",
        )
    shown = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    found = f"{shown} at {place} answers in {took:.1f} ms."
    least = connection.features.minimum_database_version or (0,)
    if version // 10_000 < least[0]:
        return failed(found, f"Upgrade PostgreSQL to {least[0]} or newer.")
    if took > SLOW_MS:
        return warning(found, "Run the server and PostgreSQL close to each other.")
    return ok(found)


def sqlite_reachable() -> Finding:
    place = connection.settings_dict["NAME"]
    started = time.perf_counter()
    try:
        with connection.cursor() as cursor:
            # Opening the file reads nothing of it; the schema is at its beginning.
            cursor.execute("SELECT count(*) FROM sqlite_master")
            took = (time.perf_counter() - started) * 1000
            cursor.execute("PRAGMA journal_mode")
            mode = cursor.fetchone()[0]
    except DatabaseError as error:
        return failed(
            f"SQLite cannot use {place}: {in_a_line(error)}",
            "Correct DATA_DIR or the rights on it, or put a backup in its place.",
        )
    shown = ".".join(map(str, sqlite3.sqlite_version_info))
    found = f"SQLite {shown} answers in {took:.1f} ms, journal {mode.upper()}, {place}."
    if sqlite3.sqlite_version_info < (
        connection.features.minimum_database_version or (0,)
    ):
        return failed(found, "Upgrade Python's SQLite, or use PostgreSQL.")
    if mode != "wal":
        return warning(found, "Put DATA_DIR on a local disk: WAL works on no other.")
    return ok(found)


@with_orm
def migrations() -> Finding:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    applied = executor.loader.applied_migrations
    unknown = [
        f"{app}.{name}" for app, name in applied if is_newer(executor, app, name)
    ]
    if unknown:
        return warning(
            f"The database has {unknown[0]}, which this version does not know.",
            "Upgrade this process to the version that migrated the database.",
        )
    if not plan:
        return ok(f"All {len(applied)} are applied.")
    first = plan[0][0]
    return failed(
        f"{len(plan)} not applied, the first is {first.app_label}.{first.name}.",
        "Run manage.py migrate, then start the server and the workers again.",
    )


def is_newer(executor: MigrationExecutor, app: str, name: str) -> bool:
    return app == "runs" and (app, name) not in (executor.loader.disk_migrations or {})


async def notices() -> Finding:
    """LISTEN on one connection and NOTIFY on another, as workers and servers do."""
    if connection.vendor == "sqlite":
        return skipped("SQLite needs none: there is one process only.")
    channel, sent = f"threadmill_doctor_{secrets.token_hex(4)}", time.perf_counter()
    async with await direct_connection() as ear, await direct_connection() as bell:
        await ear.execute(f'LISTEN "{channel}"')
        sent = time.perf_counter()
        await bell.execute("SELECT pg_notify(%s, '')", [channel])
        async for _ in ear.notifies(timeout=NOTICE_SECONDS, stop_after=1):
            took = (time.perf_counter() - sent) * 1000
            return ok(f"A notice arrives after {took:.1f} ms.")
    return failed(
        f"A notice did not arrive within {NOTICE_SECONDS:g} s, so answers come late.",
        "Let DATABASE_URL reach PostgreSQL directly: pgbouncer passes LISTEN on only"
        " with pool_mode = session.",
    )


async def clock() -> Finding:
    if connection.vendor == "sqlite":
        return skipped("SQLite uses the clock of this machine.")
    async with await direct_connection() as opened:
        before = time.time()
        there = await value(opened, "extract(epoch FROM clock_timestamp())::float8")
        here = (before + time.time()) / 2
    found = (
        f"{abs(there - here):.2f} s between the database's clock and this machine's."
    )
    if abs(there - here) > MOST_SKEW:
        return warning(found, "Let both machines set their clocks by NTP.")
    return ok(found)


async def connections() -> Finding:
    if connection.vendor == "sqlite":
        return skipped("SQLite has no limit of connections.")
    async with await direct_connection() as opened:
        backends = "FROM pg_stat_activity WHERE backend_type = 'client backend'"
        used = await value(opened, f"(SELECT count(*) {backends})")
        most = await value(opened, "current_setting('max_connections')::int")
    found = f"{used} of at most {most} are in use."
    if used > MOST_IN_USE * most:
        return warning(
            found, "Raise max_connections in postgresql.conf, or run fewer processes."
        )
    return ok(found)


async def direct_connection() -> AbstractAsyncContextManager[
    psycopg.AsyncConnection[Any]
]:
    """A connection that is not the pool's. Raises psycopg.Error within seconds."""
    import psycopg  # noqa: PLC0415

    own = ("cursor_factory", "context", "prepare_threshold", "pool")
    parameters = await asyncio.to_thread(connection.get_connection_params)
    parameters = {name: it for name, it in parameters.items() if name not in own}
    parameters["connect_timeout"] = CONNECT_SECONDS
    return await psycopg.AsyncConnection.connect(**parameters, autocommit=True)


async def round_trip_ms(opened: psycopg.AsyncConnection[Any]) -> float:
    """The quickest of three: the first also pays for what both ends load."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        await opened.execute("SELECT 1")
        times.append((time.perf_counter() - started) * 1000)
    return min(times)


async def value(opened: psycopg.AsyncConnection[Any], expression: str) -> Any:
    """What PostgreSQL makes of an expression of this file."""
    cursor = await opened.execute(f"SELECT {expression}".encode())
    row = await cursor.fetchone()
    return row[0] if row else None
