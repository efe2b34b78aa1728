"""Whether this process is alive and can serve: /healthz and /readyz.

Answered before Django, so for every host name and without a session. Supervisors ask
the first and restart a process that does not answer; proxies ask the second and send
nobody to a process that is not ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

logger = logging.getLogger(__name__)

PATIENCE = 2.0  # seconds that the database has to answer in
STOPPING = "This process is stopping."
NO_DATABASE = "The database cannot be used; the log says why."
NO_ANSWER = f"The database does not answer within {PATIENCE:g} s."
NOT_MIGRATED = "The database is not up to date: manage.py migrate"


class Readiness:
    """Whether requests can be served now. Belongs to one event loop."""

    def __init__(self) -> None:
        self.is_stopping = False
        self._is_migrated = self._is_down = False
        self._looking: asyncio.Future[str] | None = None

    async def trouble(self) -> str:
        """What keeps this process from serving, in a sentence; "" when nothing does."""
        if self.is_stopping:
            return STOPPING
        looking = self._looking
        if looking is None or looking.done():
            looking = self._looking = self._look_in_thread()
        done, _ = await asyncio.wait([looking], timeout=PATIENCE)
        return looking.result() if done else NO_ANSWER

    def _look_in_thread(self) -> asyncio.Future[str]:
        """Asks the database in a thread of its own: those of the requests may all be
        busy, and one that hangs must not keep the process from ending."""
        loop = asyncio.get_running_loop()
        looking: asyncio.Future[str] = loop.create_future()

        def look() -> None:
            trouble = self._look()
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(looking.set_result, trouble)

        threading.Thread(target=look, name="readiness", daemon=True).start()
        return looking

    def _look(self) -> str:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            self._is_migrated = self._is_migrated or is_migrated()
            self._is_down = False
            return "" if self._is_migrated else NOT_MIGRATED
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
            if not self._is_down:  # once, however often a proxy asks
                logger.warning("Not ready: %s", error)
            self._is_down = True
            return NO_DATABASE
        finally:
            connection.close()


readiness = Readiness()


def is_migrated() -> bool:
    """Whether every migration that this code knows is applied."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def with_health(application: Any) -> Any:
    """The ASGI application, with /healthz and /readyz answered before it."""

    async def outer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["path"] not in ("/healthz", "/readyz"):
            await application(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await answer(send, 405, "Only GET and HEAD.", [(b"allow", b"GET, HEAD")])
        elif scope["path"] == "/healthz":
            await answer(send, 200, "ok")
        elif trouble := await readiness.trouble():
            await answer(send, 503, trouble)
        else:
            await answer(send, 200, "ready")

    return outer


async def answer(
    send: Any, status: int, line: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    """One line of plain text that nobody keeps. The server leaves it out for HEAD."""
    body = line.encode()
    fixed = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    start = {"type": "http.response.start", "status": status}
    await send(start | {"headers": fixed + (headers or [])})
    await send({"type": "http.response.body", "body": body})
