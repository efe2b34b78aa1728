"""A browser, and tabs in the words of who sits before them.

Tabs are watched: one that logs an error, breaks the content security policy or asks
another site for something fails its test.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    async_playwright,
    expect,
)

from tests.browser.site import plain
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

# What a browser logs when the network fails, which some tests bring about.
NETWORK = (r"net::ERR_", r"WebSocket connection to", r"htmx:error: Failed to fetch")

REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error("policy", event.violatedDirective, event.blockedURI));
"""
# What is off the screen is not laid out (content-visibility), and has no innerText.
SEEN = """(element) => {
    const skipped = [element.closest("article"), ...element.querySelectorAll("*")]
        .filter((one) => getComputedStyle(one).contentVisibility === "auto");
    for (const one of skipped) one.style.contentVisibility = "visible";
    const text = element.innerText;
    for (const one of skipped) one.style.contentVisibility = "";
    return text;
}"""


@contextlib.asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser of this machine, without a window."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert path, "Chromium is needed for these tests"
    expect.set_options(timeout=PATIENCE * 1000)
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
            self._note(f"{line.text} {line.location.get('url', '')}")

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
    assert not trouble.found, trouble.found


async def sign_in(context: BrowserContext, name: str, password: str = PASSWORD) -> None:
    page = await (await context.request.get("/login")).text()
    form: dict[str, str | float | bool] = {
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
        """Type and press Send; returns the id of the run that answers."""
        turns = await self.page.locator("article.turn-run").count()
        await self.box.fill(text)
        await self.send_button.click()
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
        return plain(await self.answer.evaluate(SEEN))


async def open_chat(context: BrowserContext, path: str = "/") -> Chat:
    page = await context.new_page()
    await page.goto(path)
    return Chat(page)


async def sign_in_by_hand(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill in the sign-in page."""
    await page.get_by_label("Username").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
