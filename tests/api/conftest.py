"""One real server for all API tests: its users, their keys, and the official clients."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
import pytest_asyncio
from openai import AsyncOpenAI, OpenAI
from psycopg import sql

from tests.model_server import ModelServer, Script
from tests.server_process import ROOT, environment

# name -> (user, scopes, extra); printed by the script below as name -> [secret, id]
MAKE_KEYS = """
import datetime as dt, json
from django.utils import timezone
from runs import keys
from runs.models import Assistant, User
people = {name: User.objects.create_user(name, password="correct horse battery")
          for name in ("alice", "bob")}
people["root"] = User.objects.create_superuser("root", password="correct horse battery")
ALL = ("read", "write")
past = timezone.now() - dt.timedelta(seconds=1)
made = {
    "alice": keys.make(people["alice"], "tests", ALL),
    "bob": keys.make(people["bob"], "tests", ALL),
    "root": keys.make(people["root"], "tests", (*ALL, "admin")),
    "staff": keys.make(people["root"], "no admin", ALL),
    "readonly": keys.make(people["alice"], "reads", ("read",)),
    "expired": keys.make(people["alice"], "over", ALL, past),
    "revoked": keys.make(people["alice"], "revoked", ALL),
}
keys.revoke(made["revoked"][0])
Assistant.objects.default()
print("KEYS", json.dumps({name: [secret, key.pk] for name, (key, secret) in made.items()}))
"""


# SQLite, unless the tests are run on PostgreSQL.
POSTGRESQL = os.environ.get("TEST_DATABASE_URL", "")


def database_of(data: Path) -> dict[str, str]:
    """The variable that names the database of a site: its own, on either kind."""
    if not POSTGRESQL:
        return {"DATABASE_URL": ""}
    name = "".join(c if c.isalnum() else "_" for c in str(data).lower())[-60:]
    return {"DATABASE_URL": f"{POSTGRESQL.rpartition('/')[0]}/{name}"}


def make_database(data: Path) -> None:
    if POSTGRESQL:
        name = database_of(data)["DATABASE_URL"].rpartition("/")[2]
        with psycopg.connect(POSTGRESQL, autocommit=True) as server:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


@dataclass
class Site:
    """A running server. ``keys`` are the secrets by name, see MAKE_KEYS; ``model`` is
    the scripted model server that it asks."""

    base: str
    data: Path
    model: ModelServer
    keys: dict[str, str]
    key_ids: dict[str, str]

    @property
    def url(self) -> str:
        return f"{self.base}/v1"

    def client(self, key: str = "alice", **options: Any) -> OpenAI:
        """The official client, without retries, so that one call is one request."""
        options = {"max_retries": 0, "timeout": 30} | options
        return OpenAI(base_url=self.url, api_key=self.keys[key], **options)

    def call(
        self, method: str, path: str, *, key: str | None = "alice", **options: Any
    ) -> httpx2.Response:
        """A request as it is, for what the official client would not send."""
        headers = options.pop("headers", {})
        if key:
            headers = {"Authorization": f"Bearer {self.keys[key]}"} | headers
        address = path if path.startswith("http") else self.url + path
        return httpx2.request(method, address, headers=headers, timeout=30, **options)

    def shell(self, code: str) -> str:
        """What this program prints beside the server, with its database."""
        return run_manage("shell", "-v", "0", "-c", code, data=self.data)


def run_manage(*arguments: str, data: Path) -> str:
    command = [sys.executable, "manage.py", *arguments]
    ended = subprocess.run(  # noqa: S603
        command,
        cwd=ROOT,
        env=environment(data, **database_of(data)),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    return ended.stdout


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The official client calls the whole protocol deprecated."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            mark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
            item.add_marker(mark)


@pytest.fixture(scope="session")
def model() -> Iterator[ModelServer]:
    """Answers "Hello, world!" unless a test enqueues a script."""
    with ModelServer(Script()) as server:
        yield server


@pytest.fixture(scope="session")
def site(
    tmp_path_factory: pytest.TempPathFactory, model: ModelServer
) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("api"), model) as site:
        yield site


@contextlib.contextmanager
def serving(data: Path, model: ModelServer) -> Iterator[Site]:
    """A server on an empty database, with people and their keys."""
    make_database(data)
    run_manage("migrate", "--verbosity", "0", data=data)
    line = run_manage("shell", "-v", "0", "-c", MAKE_KEYS, data=data)
    made: dict[str, list[str]] = json.loads(line.partition("KEYS ")[2])
    env = environment(
        data,
        **database_of(data),
        OPENAI_BASE_URL=model.url,
        OPENAI_API_KEY="sk-tests",
        OPENAI_MODEL="scripted",
        RUNS_PER_USER="1000",
        QUEUED_PER_USER="1000",
    )
    command = [sys.executable, "manage.py", "serve", "--port", "0"]
    with (data / "server.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            assert process.stdout
            words = process.stdout.readline().split()
            base = next(word for word in words if word.startswith("http")).rstrip("/")
            base = base.replace("localhost", "127.0.0.1")
            secrets = {name: secret for name, (secret, _) in made.items()}
            ids = {name: key_id for name, (_, key_id) in made.items()}
            yield Site(base, data, model, secrets, ids)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


@pytest.fixture(autouse=True)
def no_script_left(request: pytest.FixtureRequest) -> None:
    """A run that was cancelled before it was asked leaves its script to the next."""
    if "site" in request.fixturenames:
        request.getfixturevalue("site").model.forget_scripts()


@pytest.fixture
def client(site: Site) -> Iterator[OpenAI]:
    """Alice's."""
    with site.client() as client:
        yield client


@pytest.fixture
def bob(site: Site) -> Iterator[OpenAI]:
    """Bob's, who must see nothing of Alice's."""
    with site.client("bob") as client:
        yield client


@pytest_asyncio.fixture
async def aclient(site: Site) -> AsyncIterator[AsyncOpenAI]:
    """Alice's, asynchronous."""
    async with AsyncOpenAI(
        base_url=site.url, api_key=site.keys["alice"], max_retries=0, timeout=30
    ) as client:
        yield client
