"""`manage.py doctor` as a real process: what it finds, and what it says to mend it."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from django.test import Client

from runs.models import User
from tests.browser.site import installed, serving
from tests.cluster import free_port
from tests.doctor_proxy import proxies
from tests.model_server import ModelServer
from tests.server_process import environment, manage, running

ASYNC = pytest.mark.asyncio(loop_scope="module")
PAGES = ("/doctor", "/doctor/checks", "/doctor/drip")


@dataclass
class Report:
    """What one run of the command said."""

    code: int
    out: str

    def verdict(self, name: str) -> str:
        return self._row(name)[1]

    def found(self, name: str) -> str:
        return self._row(name)[2]

    def mend(self, name: str) -> str:
        """The line below a finding; empty when there is nothing to mend."""
        return self._row(name)[3] or ""

    def _row(self, name: str) -> re.Match[str]:
        pattern = rf"^(\w+) +{re.escape(name)}  +(.+)(?:\n +Mend: (.+))?$"
        row = re.search(pattern, self.out, re.MULTILINE)
        assert row, self.out
        return row


async def doctor(data: Path, *options: str, **variables: str) -> Report:
    ended = await manage("doctor", *options, env=environment(data, **variables))
    assert "Traceback" not in ended.err, ended.err
    return Report(ended.code, ended.out)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return await installed(tmp_path_factory.mktemp("migrated"), people=False)


@pytest.fixture
def data(migrated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(migrated, tmp_path / "data"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def behind(
    migrated: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, str]]:
    """A server that runs on the data of `migrated`, behind proxies of every kind."""
    command = ("manage.py", "serve", "--port=0")
    async with running(*command, env=environment(migrated)) as server:
        port = int(server.base.rsplit(":", 1)[1])
        async with proxies(tmp_path_factory.mktemp("nginx"), port) as addresses:
            yield addresses


@ASYNC
async def test_a_healthy_site_passes_and_the_command_ends_with_0(data: Path) -> None:
    port = free_port()
    public = f"http://127.0.0.1:{port}"
    async with ModelServer() as model:
        own = {"OPENAI_BASE_URL": model.url, "OPENAI_MODEL": "scripted"}
        async with serving(data, model, port=port, PUBLIC_URL=public) as site:
            await site.until(lambda: bool(site.rows("SELECT 1 FROM runs_workerbeat")))
            report = await doctor(data, PUBLIC_URL=public, **own)

    assert report.code == 0
    assert re.search(r"\n\d+ ok, 3 skipped\n$", report.out), report.out
    assert "1 worker alive" in report.found("Workers")
    assert f"{model.url} lists 1 model" in report.found("Model server")
    assert "close code 4401" in report.found("Websocket")
    assert "4403" in report.found("Foreign origin")


@ASYNC
async def test_no_worker_alive_is_a_failure_with_a_way_to_mend_it(data: Path) -> None:
    report = await doctor(data)

    assert report.code == 1
    assert report.verdict("Workers") == "failed"
    assert "manage.py serve" in report.mend("Workers")


@ASYNC
async def test_runs_that_wait_too_long_are_a_warning(data: Path) -> None:
    made = (
        "from runs.models import *; from runs import actions; import datetime as dt;"
        "run = actions.post_message(user=User.objects.create_user('a'), text='Hi');"
        "early = run.created_at - dt.timedelta(minutes=2);"
        "Run.objects.filter(pk=run.pk).update(created_at=early)"
    )
    ended = await manage("shell", "-v", "0", "-c", made, env=environment(data))
    assert ended.code == 0, ended.err
    report = await doctor(data)

    assert report.verdict("Queue") == "warning"
    assert re.match("1 of 1 waiting .* the oldest for 12", report.found("Queue"))
    assert "manage.py work" in report.mend("Queue")


@ASYNC
async def test_a_database_that_is_down_fails_and_hides_its_password(
    data: Path,
) -> None:
    url = f"postgres://chat:sesame@127.0.0.1:{free_port()}/chat"
    report = await doctor(data, DATABASE_URL=url)

    assert report.code == 1
    assert "cannot be reached" in report.found("Database")
    assert "DATABASE_URL" in report.mend("Database")
    assert report.verdict("Migrations") == report.verdict("Workers") == "skipped"
    assert "sesame" not in report.out


@ASYNC
async def test_a_broken_database_file_fails(data: Path) -> None:
    (data / "threadmill.sqlite3").write_bytes(b"no database" * 1000)
    report = await doctor(data)

    assert report.code == 1
    assert "not a database" in report.found("Database")


@ASYNC
async def test_missing_migrations_fail_and_are_counted(tmp_path: Path) -> None:
    report = await doctor(tmp_path)

    assert report.code == 1
    assert re.match(r"\d\d not applied, the first is", report.found("Migrations"))
    assert "manage.py migrate" in report.mend("Migrations")
    assert report.verdict("Workers") == "failed"


@ASYNC
async def test_a_database_of_a_newer_version_is_a_warning(data: Path) -> None:
    with sqlite3.connect(data / "threadmill.sqlite3") as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied)"
            " VALUES ('runs', '9999_future', datetime())"
        )
    database.close()
    report = await doctor(data)

    assert report.verdict("Migrations") == "warning"
    assert "runs.9999_future" in report.found("Migrations")


@ASYNC
async def test_a_model_server_that_is_down_fails_without_showing_secrets(
    data: Path,
) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    report = await doctor(
        data, OPENAI_BASE_URL=url, OPENAI_API_KEY="sk-sesame-0123456789"
    )

    assert report.code == 1
    assert report.verdict("Model server") == "failed"
    assert "nothing answers" in report.found("Model server")
    assert "OPENAI_BASE_URL" in report.mend("Model server")
    assert "sesame" not in report.out


@ASYNC
async def test_a_password_in_the_model_servers_address_is_not_shown(
    data: Path,
) -> None:
    report = await doctor(data, OPENAI_BASE_URL="http://me:sesame@127.0.0.1:9/v1")

    assert report.verdict("Model server") == "failed"
    assert "http://127.0.0.1:9/v1" in report.found("Model server")
    assert "sesame" not in report.out


@ASYNC
async def test_a_model_that_the_server_does_not_list_is_a_warning(data: Path) -> None:
    async with ModelServer() as model:
        own = {"OPENAI_BASE_URL": model.url, "OPENAI_MODEL": "llama9"}
        report = await doctor(data, **own)

    assert report.verdict("Model server") == "warning"
    assert "llama9 is not among them" in report.found("Model server")
    assert "such as scripted" in report.mend("Model server")


@ASYNC
async def test_settings_that_are_wrong_in_public_are_found(data: Path) -> None:
    public = f"http://chat.example.invalid:{free_port()}"
    report = await doctor(data, PUBLIC_URL=public, DEBUG="true")

    assert report.verdict("Debugging") == "failed"
    assert report.verdict("Public address") == "warning"
    assert "unencrypted" in report.found("Public address")
    assert "DNS" in report.mend("Public /healthz")


@pytest.mark.parametrize(
    ("kind", "check", "verdict", "found", "mend"),
    [
        ("plain", "Websocket", "failed", "answered 404", "Upgrade $http_upgrade"),
        ("foreign host", "Streaming", "failed", "400", "Host $http_host"),
        ("buffering", "Streaming", "failed", "holds them back", "proxy_buffering off"),
        ("compressing", "Streaming", "warning", "with gzip", "gzip_types"),
        ("impatient", "Streaming", "ok", "arrived within", ""),
        ("other origin", "Websocket", "failed", "refuses the origin", "PUBLIC_URL"),
        ("redirecting", "Public /readyz", "failed", "https://chat.ex", "PUBLIC_URL"),
    ],
)
@ASYNC
async def test_what_a_proxy_gets_wrong_is_named_with_its_directive(
    behind: dict[str, str],
    migrated: Path,
    kind: str,
    check: str,
    verdict: str,
    found: str,
    mend: str,
) -> None:
    report = await doctor(migrated, "--url", behind[kind])

    assert report.verdict(check) == verdict, report.out
    assert found in report.found(check)
    assert mend in report.mend(check)
    assert report.code == (1 if verdict == "failed" else 0)


@ASYNC
async def test_a_good_proxy_passes(behind: dict[str, str], migrated: Path) -> None:
    report = await doctor(migrated, "--url", behind["good"])

    assert report.code == 0
    for check in ("Public /healthz", "Public /readyz", "Websocket", "Streaming"):
        assert report.verdict(check) == "ok", report.out


@ASYNC
async def test_another_secret_key_than_the_servers_is_found(
    behind: dict[str, str], migrated: Path
) -> None:
    key = "another-key-0123456789-0123456789-0123456789-0123456789"
    report = await doctor(migrated, "--url", behind["good"], SECRET_KEY=key)

    assert report.verdict("Streaming") == "failed"
    assert "SECRET_KEY" in report.mend("Streaming")


@ASYNC
async def test_an_address_that_is_none_is_refused(data: Path) -> None:
    ended = await manage("doctor", "--url", "chat", env=environment(data))

    assert ended.code == 2
    assert "'chat' is no address" in ended.err


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
class TestThePage:
    def test_is_not_there_for_who_is_not_staff(self, alice: User, path: str) -> None:
        client = Client()
        assert client.get(path).status_code == 404
        client.force_login(alice)
        assert client.get(path).status_code == 404

    def test_is_not_there_for_staff_who_were_deactivated(
        self, root: User, path: str
    ) -> None:
        client = Client()
        client.force_login(root)
        User.objects.update(is_active=False)
        assert client.get(path).status_code == 404

    def test_takes_no_forged_ticket(self, path: str) -> None:
        headers = {"X-Doctor-Ticket": "ImRyaXAi:1abcde:forged"}
        assert Client().get(path, headers=headers).status_code == 404
