"""The whole installation: PostgreSQL, nginx, two web and two worker processes.

Every part is a process of its own on a free port, save the scripted model server and
the proxies that break connections, which live in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.cluster import Cluster, free_port
from tests.fault_proxy import FaultProxy
from tests.faults.client import SILENCE, Client
from tests.faults.nginx import Nginx
from tests.faults.supervisor import Supervised
from tests.faults.tale import Tale
from tests.faults.upstream import Upstream
from tests.model_server_script import Script
from tests.server_process import environment, manage

PEOPLE = 6
WEBS = WORKERS = 2
# Sessions are made without the pages of signing in, whose hashing costs a second each.
MAKE_PEOPLE = f"""
import json
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from runs.models import User
keys = []
for number in range({PEOPLE}):
    person = User.objects.create(username=f"person{{number}}")
    person.set_unusable_password()
    person.save(update_fields=["password"])
    store = SessionStore()
    store[SESSION_KEY] = str(person.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = person.get_session_auth_hash()
    store.save()
    keys.append(store.session_key)
print(json.dumps(keys))
"""


@dataclass
class Stage:
    """What the scenarios act on. ``door`` is where disturbed clients come in."""

    chance: random.Random
    lease: int
    cluster: Cluster
    database: FaultProxy
    upstream: Upstream
    nginx: Nginx
    door: FaultProxy
    webs: list[Supervised]
    workers: list[Supervised]
    sessions: list[str]
    stack: contextlib.AsyncExitStack
    is_short: bool = True
    tales: list[Tale] = field(default_factory=list)
    database_heals_at: float = 0.0  # by the monotonic clock
    _readers: dict[str, Client] = field(default_factory=dict)
    _asking: psycopg.AsyncConnection[dict[str, Any]] | None = None
    _people: int = 0
    _keys: int = 0

    @property
    def processes(self) -> list[Supervised]:
        return [*self.webs, *self.workers]

    async def client(self, *, direct: bool = False, **options: Any) -> Client:
        """A new tab of one of the people; ``direct`` ones meet no broken connection."""
        base = f"http://127.0.0.1:{self.nginx.port}" if direct else self.door.base
        self._people += 1
        session = self.sessions[self._people % PEOPLE]
        options.setdefault("patience", SILENCE)
        chance = random.Random(self.chance.random())  # noqa: S311
        client = Client(base, session, chance, **options)
        return await self.stack.enter_async_context(client)

    async def twin(self, other: Client) -> Client:
        """Another tab of the same person, with the same cookies."""
        chance = random.Random(self.chance.random())  # noqa: S311
        client = Client(other.base, other.session, chance)
        return await self.stack.enter_async_context(client)

    async def reader(self, session: str) -> Client:
        """A tab of whose session this is, past every broken connection."""
        if session not in self._readers:
            base = f"http://127.0.0.1:{self.nginx.port}"
            client = Client(base, session, self.chance)
            self._readers[session] = await self.stack.enter_async_context(client)
        return self._readers[session]

    def tale(self, *scripts: Script) -> Tale:
        """A question whose requests will be answered by these scripts, in order."""
        self._keys += 1
        key = f"k{self._keys}x{self.chance.randrange(10**9)}"
        self.upstream.play(key, scripts)
        tale = Tale(key, scripts)
        self.tales.append(tale)
        return tale

    async def query(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Asks PostgreSQL by a connection of its own, past the proxy."""
        try:
            return await self._query(statement, values)
        except psycopg.OperationalError:  # PostgreSQL was restarted
            self._asking = None
            return await self._query(statement, values)

    async def _query(self, statement: str, values: Any) -> list[dict[str, Any]]:
        if not self._asking:
            opened = await psycopg.AsyncConnection.connect(
                self.cluster.url, autocommit=True, row_factory=dict_row
            )
            self._asking = await self.stack.enter_async_context(opened)
        cursor = await self._asking.execute(statement.encode(), values)
        return await cursor.fetchall() if cursor.description else []

    def worker_of(self, name: str) -> Supervised:
        """The worker process that calls itself so."""
        pids = {f"{socket.gethostname()}:{w.pid}": w for w in self.workers}
        return pids.get(name) or self.workers[0]

    async def all_up(self) -> None:
        """Waits until every process is there and says that it works."""
        for process in self.processes:
            await process.up()


@contextlib.asynccontextmanager
async def stage(seed: int, *, lease: int, is_short: bool) -> AsyncIterator[Stage]:
    """Everything started, and ended again."""
    async with contextlib.AsyncExitStack() as stack:
        folder = new_folder(stack)
        cluster = Cluster(folder / "pg")
        await asyncio.to_thread(cluster.start)
        stack.push_async_callback(_stop, cluster)
        database = await stack.enter_async_context(FaultProxy(cluster.port))
        upstream = await stack.enter_async_context(Upstream())
        env = environment(
            folder / "data",
            DATABASE_URL=f"postgres://postgres@127.0.0.1:{database.port}/postgres",
            OPENAI_BASE_URL=upstream.url,
            OPENAI_MODEL="scripted",
            RUN_LEASE_SECONDS=str(lease),
            RUN_GRACE_SECONDS="60",
            SILENCE_TIMEOUT="5" if is_short else "45",
            RUN_REST_SECONDS="86400",  # the oracle reads the rows of the log
            RUNS_PER_USER="1000",
            QUEUED_PER_USER="1000",
        )
        sessions = await prepare(env)
        webs, workers = processes(env)
        nginx = Nginx(folder / "nginx", [int(web.command[-1]) for web in webs])
        await nginx.start()
        stack.push_async_callback(nginx.stop)
        for process in (*webs, *workers):
            stack.push_async_callback(process.close)
        await asyncio.gather(*(process.start() for process in (*webs, *workers)))
        door = await stack.enter_async_context(FaultProxy(nginx.port))
        yield Stage(
            chance=random.Random(seed),  # noqa: S311
            lease=lease,
            cluster=cluster,
            database=database,
            upstream=upstream,
            nginx=nginx,
            door=door,
            webs=webs,
            workers=workers,
            sessions=sessions,
            stack=stack,
            is_short=is_short,
        )


def new_folder(stack: contextlib.ExitStack | contextlib.AsyncExitStack) -> Path:
    """Removed with the stack; PostgreSQL, which has an account of its own, may enter."""
    made = tempfile.TemporaryDirectory(prefix="threadmill-faults-")
    folder = Path(stack.enter_context(made))
    folder.chmod(0o711)
    (folder / "pg").mkdir()
    return folder


def processes(env: dict[str, str]) -> tuple[list[Supervised], list[Supervised]]:
    """The web and the worker processes, not yet started."""
    serve = ("manage.py", "serve", "--no-worker", "--port")
    webs = [
        Supervised(f"web {n}", (*serve, str(free_port())), "http", env)
        for n in range(1, WEBS + 1)
    ]
    work = ("manage.py", "work")
    names = [f"worker {n}" for n in range(1, WORKERS + 1)]
    return webs, [Supervised(name, work, "Worker", env) for name in names]


async def prepare(env: dict[str, str]) -> list[str]:
    """The tables and the people; gives the keys of their sessions."""
    for arguments in (("migrate", "-v0"), ("shell", "-v0", "-c", MAKE_PEOPLE)):
        done = await manage(*arguments, env=env)
        if done.code:
            raise RuntimeError(done.err)
    keys: list[str] = json.loads(done.out.splitlines()[-1])
    return keys


async def _stop(cluster: Cluster) -> None:
    # It may be down already, if a scenario failed while it was.
    with contextlib.suppress(Exception):
        await asyncio.to_thread(cluster.stop)


async def until(check: Any, within: float, every: float = 0.05) -> bool:
    """Whether the async ``check`` came true in time; for what rings no bell."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        if await check():
            return True
        await asyncio.sleep(every)
    return False
