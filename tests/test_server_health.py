"""/healthz and /readyz: what supervisors and proxies ask."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from config import health
from tests.server_process import Running, environment, manage, running

pytestmark = pytest.mark.django_db(transaction=True)
SERVE = ("manage.py", "serve", "--port", "0")


class Answer:
    """What an ASGI application sent."""

    def __init__(self) -> None:
        self.status, self.body = 0, ""
        self.headers: dict[bytes, bytes] = {}

    async def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message["body"].decode()


class Broken:
    """A database connection that can be opened only as this function says."""

    def __init__(self, cursor: Callable[[], None]) -> None:
        self.cursor = cursor

    def close(self) -> None:
        pass


async def elsewhere(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await health.answer(send, 200, "the site")


async def ask(path: str, method: str = "GET") -> Answer:
    answer = Answer()
    scope = {"type": "http", "path": path, "method": method, "headers": []}
    await health.with_health(elsewhere)(scope, None, answer.take)
    return answer


@pytest.fixture(autouse=True)
def readiness(monkeypatch: pytest.MonkeyPatch) -> health.Readiness:
    """As in a process that has just begun."""
    new = health.Readiness()
    monkeypatch.setattr(health, "readiness", new)
    return new


async def test_the_loop_answers_that_it_is_alive():
    answer = await ask("/healthz")
    assert (answer.status, answer.body) == (200, "ok")
    assert answer.headers[b"cache-control"] == b"no-store"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_nothing_can_be_posted_to_it(path):
    answer = await ask(path, "POST")
    assert answer.status == 405
    assert answer.headers[b"allow"] == b"GET, HEAD"


async def test_other_paths_are_left_to_the_site():
    assert (await ask("/")).body == "the site"
    assert (await ask("/healthz/")).body == "the site"


async def test_a_migrated_database_that_answers_is_ready():
    answer = await ask("/readyz")
    assert (answer.status, answer.body) == (200, "ready")


async def test_a_process_that_stops_is_not_ready(readiness):
    readiness.is_stopping = True
    answer = await ask("/readyz")
    assert (answer.status, answer.body) == (503, health.STOPPING)


async def test_a_missing_migration_is_not_ready_and_a_later_one_is():
    recorder = MigrationRecorder(connection)
    [(app, name)] = MigrationLoader(None).graph.leaf_nodes("runs")
    await sync_to_async(recorder.record_unapplied)(app, name)
    try:
        answer = await ask("/readyz")
        assert (answer.status, answer.body) == (503, health.NOT_MIGRATED)
    finally:
        await sync_to_async(recorder.record_applied)(app, name)
    assert (await ask("/readyz")).body == "ready"


async def test_a_database_that_fails_is_not_ready_and_is_logged_once(
    monkeypatch, caplog
):
    def fail() -> None:
        raise OperationalError("password of alice is wrong")

    with monkeypatch.context() as broken:
        broken.setattr(health, "connection", Broken(fail))
        for _ in range(3):
            answer = await ask("/readyz")
            assert (answer.status, answer.body) == (503, health.NO_DATABASE)
    assert caplog.text.count("password of alice is wrong") == 1
    assert (await ask("/readyz")).body == "ready"


async def test_a_database_that_is_silent_is_asked_once_and_does_not_hold_the_loop(
    monkeypatch,
):
    release, asked = threading.Event(), []

    def hang() -> None:
        asked.append(threading.current_thread().name)
        release.wait(30)
        raise OperationalError("at last")

    monkeypatch.setattr(health, "PATIENCE", 0.2)
    monkeypatch.setattr(health, "connection", Broken(hang))
    probes = asyncio.gather(*(ask("/readyz") for _ in range(5)))
    assert (await ask("/healthz")).body == "ok"
    assert {answer.body for answer in await probes} == {health.NO_ANSWER}
    assert asked == ["readiness"]
    release.set()
    assert (await ask("/readyz")).body == health.NO_DATABASE


SPOOFED = [
    (b"host", b"localhost"),
    (b"x-forwarded-for", b"6.6.6.6"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-host", b"evil.example"),
    (b"x-forwarded-port", b"666"),
    (b"forwarded", b"for=6.6.6.6;proto=https;host=evil.example"),
]


def test_forwarded_headers_change_nothing_for_django():
    scope: dict[str, Any] = {"type": "http", "path": "/", "method": "GET"}
    scope |= {"scheme": "http", "client": ["1.2.3.4", 5], "server": ["localhost", 80]}
    request = ASGIRequest({**scope, "headers": SPOOFED}, BytesIO())
    assert request.META["REMOTE_ADDR"] == "1.2.3.4"
    assert request.get_host() == "localhost"
    assert not request.is_secure()


async def get(server: Running, path: str, **options: Any) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as client,
        client.get(server.base + path, **options) as answer,
    ):
        return answer.status, await answer.text()


async def test_the_served_site_answers_both_for_every_host(tmp_path: Path) -> None:
    env = environment(tmp_path)
    assert (await manage("migrate", "-v0", env=env)).code == 0
    async with running(*SERVE, "--no-worker", env=env) as server:
        foreign = {"Host": "evil.example"}
        assert await get(server, "/healthz", headers=foreign) == (200, "ok")
        assert await get(server, "/readyz", headers=foreign) == (200, "ready")
        assert (await get(server, "/", headers=foreign))[0] == 400
        async with (
            aiohttp.ClientSession() as client,
            client.head(f"{server.base}/readyz") as answer,
        ):
            assert answer.status == 200
        assert await server.stop() == 0


async def test_a_stopping_server_is_not_ready(tmp_path: Path) -> None:
    async with (
        running("-m", "tests.server_alone", env=environment(tmp_path)) as server,
        aiohttp.ClientSession() as client,
    ):
        async with client.get(f"{server.base}/healthz") as kept:
            assert kept.status == 200
        async with client.get(f"{server.base}/slow"):
            async with client.get(f"{server.base}/healthz"):
                pass  # on a second connection, which is kept
            server.process.send_signal(signal.SIGTERM)
            while "Stopping" not in await server.read_line():
                pass
            async with client.get(f"{server.base}/readyz") as answer:
                assert answer.status == 503
                assert await answer.text() == health.STOPPING
