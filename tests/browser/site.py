"""The real product for browser tests: a server process, its model server, and tabs.

Everything here watches: a page that logs an error, breaks the content security policy
or asks another site for something fails its test, and so does an error of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    async_playwright,
)

from tests.model_server import ModelServer
from tests.server_process import Running, environment, manage, running
from tests.visitor import PASSWORD, token_in

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 15.0  # seconds
LOOK = 0.05  # seconds between looks at another process's database

# What a browser logs when the network fails, which some tests bring about.
NETWORK = (r"net::ERR_", r"WebSocket connection to")

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error("policy", event.violatedDirective, event.blockedURI));
"""
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

    async def until(self, is_so: Callable[[], bool], within: float = PATIENCE) -> None:
        """Wait for something in the database. Nothing rings for another process."""
        async with asyncio.timeout(within):
            while not is_so():
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


@contextlib.asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser of this machine, without a window."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, "Chromium is needed for these tests"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


@dataclass
class Trouble:
    """What the tabs of a context did that no page of ours does."""

    base: str
    allowed: Sequence[str] = ()
    found: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("console", self._said)
        context.on("weberror", self._raised)
        context.on("request", self._asked)
        context.on("page", self._opened)

    def _said(self, line: ConsoleMessage) -> None:
        if line.type in {"error", "warning"}:
            self._note(line.text)

    def _raised(self, error: WebError) -> None:
        self._note(str(error.error))

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.base}/", "data:", "blob:")):
            self._note(f"foreign request: {request.url}")

    def _opened(self, page: Page) -> None:
        page.on("websocket", lambda socket: self._connected(socket.url))

    def _connected(self, url: str) -> None:
        if not url.startswith(f"{self.base.replace('http', 'ws', 1)}/"):
            self._note(f"foreign websocket: {url}")

    def _note(self, text: str) -> None:
        if not any(re.search(pattern, text) for pattern in self.allowed):
            self.found.append(text)


@contextlib.asynccontextmanager
async def visiting(
    browser: Browser,
    base: str,
    *,
    name: str = "",
    allowed: Sequence[str] = (),
    **options: Any,
) -> AsyncIterator[BrowserContext]:
    """A browser profile of its own, signed in if a name is given."""
    context = await browser.new_context(base_url=base, **options)
    context.set_default_timeout(PATIENCE * 1000)
    await context.add_init_script(REPORT_VIOLATIONS)
    trouble = Trouble(base, allowed)
    trouble.watch(context)
    try:
        if name:
            await sign_in(context, name)
        yield context
    finally:
        await context.close()
    assert trouble.found == []


async def sign_in(context: BrowserContext, name: str, password: str = PASSWORD) -> None:
    page = await (await context.request.get("/login")).text()
    form = {
        "csrfmiddlewaretoken": token_in(page),
        "username": name,
        "password": password,
    }
    answer = await context.request.post("/login", form=form, max_redirects=0)
    assert answer.status == 302, await answer.text()


class Chat:
    """A tab, in the words of who sits before it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.box = page.locator("#text")
        self.note = page.locator("#composer-error")
        self.banner = page.locator("#banner")
        self.stop = page.locator("#stop")
        self.send_button = page.locator("#send")
        self.turn = page.locator("article.turn-run").last
        self.answer = self.turn.locator(".answer")
        self.end = self.turn.locator(".end")
        self.progress = self.turn.locator(".progress-text")

    async def send(self, text: str) -> str:
        """Type and press Enter; returns the id of the run that answers."""
        turns = await self.page.locator("article.turn-run").count()
        await self.box.fill(text)
        await self.box.press("Enter")
        new = self.page.locator("article.turn-run").nth(turns)
        await new.wait_for()
        return str(await new.get_attribute("id"))

    async def retry(self) -> str:
        """Press Retry; returns the id of the new run."""
        old = await self.turn.get_attribute("id")
        await self.end.locator(".retry-form button").click()
        await self.page.locator(f"#{old}").wait_for(state="detached")
        return str(await self.turn.get_attribute("id"))

    async def says(self, words: str) -> None:
        """Wait until the answer has these words."""
        await self.answer.filter(has_text=words).wait_for()

    async def ended(self) -> None:
        """Wait until the server's finished answer has taken the place of the tail."""
        await self.page.locator("article[data-active]").wait_for(state="detached")

    async def text(self) -> str:
        """The answer as it is seen, each white space as one blank."""
        return plain(await self.answer.inner_text())


async def open_chat(context: BrowserContext, path: str = "/") -> Chat:
    page = await context.new_page()
    await page.goto(path)
    return Chat(page)


def plain(text: str) -> str:
    return " ".join(text.split())


def numbered(count: int, start: int = 0) -> list[str]:
    """Tokens with a word of their own each, so that any loss or double shows."""
    return [f"word{number} " for number in range(start, start + count)]
