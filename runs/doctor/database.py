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
from django.utils.formats import number_format
from django.utils.translation import gettext as _

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
            _("PostgreSQL cannot be reached: %(error)s") % {"error": in_a_line(error)},
            _("Start PostgreSQL, or correct DATABASE_URL: host, port, name, password."),
        )
    shown = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    found = _("%(name)s at %(place)s answers in %(took)s ms.") % {
        "name": shown,
        "place": place,
        "took": number_format(took, 1),
    }
    least = connection.features.minimum_database_version or (0,)
    if version // 10_000 < least[0]:
        return failed(
            found,
            _("Upgrade PostgreSQL to %(least)s or newer.") % {"least": least[0]},
        )
    if took > SLOW_MS:
        return warning(found, _("Run the server and PostgreSQL close to each other."))
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
            _("SQLite cannot use %(place)s: %(error)s")
            % {"place": place, "error": in_a_line(error)},
            _("Correct DATA_DIR or the rights on it, or put a backup in its place."),
        )
    shown = ".".join(map(str, sqlite3.sqlite_version_info))
    words = _("SQLite %(version)s answers in %(took)s ms, journal %(mode)s, %(place)s.")
    found = words % {
        "version": shown,
        "took": number_format(took, 1),
        "mode": mode.upper(),
        "place": place,
    }
    if sqlite3.sqlite_version_info < (
        connection.features.minimum_database_version or (0,)
    ):
        return failed(found, _("Upgrade Python's SQLite, or use PostgreSQL."))
    if mode != "wal":
        return warning(found, _("Put DATA_DIR on a local disk: WAL works on no other."))
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
            _("The database has %(name)s, which this version does not know.")
            % {"name": unknown[0]},
            _("Upgrade this process to the version that migrated the database."),
        )
    if not plan:
        return ok(_("All %(count)s are applied.") % {"count": len(applied)})
    first = plan[0][0]
    return failed(
        _("%(count)s not applied, the first is %(name)s.")
        % {"count": len(plan), "name": f"{first.app_label}.{first.name}"},
        _("Run manage.py migrate, then start the server and the workers again."),
    )


def is_newer(executor: MigrationExecutor, app: str, name: str) -> bool:
    return app == "runs" and (app, name) not in (executor.loader.disk_migrations or {})


async def notices() -> Finding:
    """LISTEN on one connection and NOTIFY on another, as workers and servers do."""
    if connection.vendor == "sqlite":
        return skipped(_("SQLite needs none: there is one process only."))
    channel, sent = f"threadmill_doctor_{secrets.token_hex(4)}", time.perf_counter()
    async with await direct_connection() as ear, await direct_connection() as bell:
        await ear.execute(f'LISTEN "{channel}"')
        sent = time.perf_counter()
        await bell.execute("SELECT pg_notify(%s, '')", [channel])
        async for _notice in ear.notifies(timeout=NOTICE_SECONDS, stop_after=1):
            took = (time.perf_counter() - sent) * 1000
            words = _("A notice arrives after %(took)s ms.")
            return ok(words % {"took": number_format(took, 1)})
    return failed(
        _("A notice did not arrive within %(limit)g s, so answers come late.")
        % {"limit": NOTICE_SECONDS},
        _(
            "Let DATABASE_URL reach PostgreSQL directly: pgbouncer passes LISTEN on only"
            " with pool_mode = session."
        ),
    )


async def clock() -> Finding:
    if connection.vendor == "sqlite":
        return skipped(_("SQLite uses the clock of this machine."))
    async with await direct_connection() as opened:
        before = time.time()
        there = await value(opened, "extract(epoch FROM clock_timestamp())::float8")
        here = (before + time.time()) / 2
    words = _("%(skew)s s between the database's clock and this machine's.")
    found = words % {"skew": number_format(abs(there - here), 2)}
    if abs(there - here) > MOST_SKEW:
        return warning(found, _("Let both machines set their clocks by NTP."))
    return ok(found)


async def connections() -> Finding:
    if connection.vendor == "sqlite":
        return skipped(_("SQLite has no limit of connections."))
    async with await direct_connection() as opened:
        backends = "FROM pg_stat_activity WHERE backend_type = 'client backend'"
        used = await value(opened, f"(SELECT count(*) {backends})")
        most = await value(opened, "current_setting('max_connections')::int")
    found = _("%(used)s of at most %(most)s are in use.") % {"used": used, "most": most}
    if used > MOST_IN_USE * most:
        return warning(
            found,
            _("Raise max_connections in postgresql.conf, or run fewer processes."),
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
    for _turn in range(3):
        started = time.perf_counter()
        await opened.execute("SELECT 1")
        times.append((time.perf_counter() - started) * 1000)
    return min(times)


async def value(opened: psycopg.AsyncConnection[Any], expression: str) -> Any:
    """What PostgreSQL makes of an expression of this file."""
    cursor = await opened.execute(f"SELECT {expression}".encode())
    row = await cursor.fetchone()
    return row[0] if row else None
