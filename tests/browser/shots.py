"""Pictures of every page and state: `python -m tests.browser.shots FOLDER`.

They are taken of the real product, at two sizes and in light and dark.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Page

from tests.browser.site import Site, free_port, installed, numbered, serving
from tests.browser.tabs import (
    NETWORK,
    Chat,
    browsing,
    open_chat,
    sign_in,
    visiting,
)
from tests.model_server import ModelServer, Script
from tests.model_server_script import KEY_REFUSED, RATE_LIMITED

SIZES: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
        "is_mobile": True,
        "device_scale_factor": 2,
    },
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
NOISE = (*NETWORK, "status of 404")

ANSWER = """\
## Reading a large file

To keep memory low, read the file **in pieces** and hand each piece on. Three things \
matter:

1. The size of a piece: `64 KiB` is a good start.
2. What happens at the edge of a piece, where a line may be cut.
3. Telling the reader [how far it is](https://example.org/progress).

```python
def pieces(path: Path, size: int = 65_536) -> Iterator[bytes]:
    \"\"\"The file in pieces of at most this size.\"\"\"
    with path.open("rb") as file:
        while piece := file.read(size):  # an empty piece is the end
            yield piece
```

| way | memory | lines per second |
|-----|-------:|-----------------:|
| whole file | 1.9 GB | 410,000 |
| in pieces | 12 MB | 390,000 |
| mapped | 40 MB | 430,000 |

> The slowest part is nearly always the disk.

That is all there is to it. Say so if the file is compressed.
"""
TOKENS = re.findall(r"\s*\S+", ANSWER)
REASONING = [
    "The question is about memory, so the answer should begin there. ",
    "A table helps to compare the ways.\n\nThe code must be short and typed.",
]
QUESTION = "How do I read a file of two gigabytes without filling the memory?"


class Shots:
    """Saves pictures under names that say page, size and scheme."""

    def __init__(self, folder: Path, size: str, scheme: str) -> None:
        self._folder, self._tail = folder, f"{size}-{scheme}.png"

    async def take(self, page: Page, name: str, *, full: bool = False) -> None:
        await page.evaluate("document.fonts.ready")
        await page.wait_for_timeout(250)  # what moves comes to rest
        path = self._folder / f"{name}-{self._tail}"
        await page.screenshot(path=path, full_page=full)


async def before_an_account(context: BrowserContext, site: Site, shots: Shots) -> None:
    page = await context.new_page()
    await page.goto("/login")
    await shots.take(page, "01-sign-in-unclaimed")
    await page.goto(site.server.lines[1].split()[-1])
    await shots.take(page, "02-set-up")
    await page.get_by_label("Username").fill("ada")
    await page.get_by_label("Password", exact=True).fill("12345")
    await page.get_by_label("Password confirmation").fill("123456")
    await page.get_by_role("button", name="Create account").click()
    await page.locator(".field-error").first.wait_for()
    await shots.take(page, "03-set-up-errors")


async def demo_pages(context: BrowserContext, shots: Shots) -> None:
    page = await context.new_page()
    await page.goto("/login")
    await shots.take(page, "04-sign-in")
    await sign_in(context, "alice")
    chat = await open_chat(context)
    await shots.take(chat.page, "05-empty-demo")
    await chat.send("Please think about this message, and show me a table")
    await chat.ended()
    await shots.take(chat.page, "06-demo-answer")


async def chat_states(context: BrowserContext, site: Site, shots: Shots) -> None:
    chat = await open_chat(context)
    await shots.take(chat.page, "10-empty")
    await waiting_and_streaming(chat, site, shots)
    await ended_badly(chat, site, shots)
    await long_thread(chat, site, shots)
    await around(chat, shots)


async def waiting_and_streaming(chat: Chat, site: Site, shots: Shots) -> None:
    site.model.enqueue(
        Script(tokens=TOKENS, pace=30, reasoning=REASONING, delay_first_token=1)
    )
    await chat.send(QUESTION)
    await shots.take(chat.page, "11-waiting")
    await chat.answer.locator("pre code").wait_for()
    await shots.take(chat.page, "12-streaming")
    await chat.ended()
    await shots.take(chat.page, "13-answer")
    await chat.page.locator("#scroll").evaluate("box => box.scrollTo(0, 0)")
    await shots.take(chat.page, "14-answer-top")
    if await chat.turn.locator(".reasoning").is_visible():
        await chat.turn.locator(".reasoning summary").click()
        await shots.take(chat.page, "15-reasoning-open")
    await chat.page.reload()
    await shots.take(chat.page, "16-answer-reloaded")


async def ended_badly(chat: Chat, site: Site, shots: Shots) -> None:
    limited = {"Retry-After": "3"}
    site.model.enqueue(
        Script(fault="status", status=429, body=RATE_LIMITED, headers=limited),
        Script(fault="status", status=401, body=KEY_REFUSED),
        Script(tokens=TOKENS, pace=40, fault="eof", after=40),
        Script(tokens=TOKENS, pace=30),
    )
    await chat.page.goto("/")
    await chat.send("And with a slow server?")
    await chat.progress.filter(has_text="next try").wait_for()
    await shots.take(chat.page, "20-rate-limited")
    await chat.end.wait_for()
    await shots.take(chat.page, "21-failed")
    await chat.page.goto("/")
    await chat.send(QUESTION)
    await chat.end.wait_for()
    await shots.take(chat.page, "22-cut-off")
    await chat.page.goto("/")
    await chat.send(QUESTION)
    await chat.says("Three things")
    await chat.stop.click()
    await chat.end.wait_for()
    await shots.take(chat.page, "23-stopped")


async def long_thread(chat: Chat, site: Site, shots: Shots) -> None:
    await chat.page.goto("/")
    site.model.enqueue(*[Script(tokens=TOKENS) for _ in range(3)])
    for number in range(3):
        await chat.send(f"Question {number + 1}: " + QUESTION * (number + 1))
        await chat.ended()
    await shots.take(chat.page, "24-long-thread")
    await chat.page.locator("#scroll").evaluate("box => box.scrollTo(0, 400)")
    await shots.take(chat.page, "25-long-thread-scrolled")
    await chat.box.fill("A draft\nof several lines\n" + "and one long line " * 12)
    await shots.take(chat.page, "26-draft")
    await chat.box.fill("")


async def around(chat: Chat, shots: Shots) -> None:
    """The drawer, the account menu and the other pages."""
    page = chat.page
    menu = page.locator(".head-menu")
    if await menu.is_visible():
        await menu.click()
        await shots.take(page, "30-drawer")
    await page.locator(".account summary").click()
    await shots.take(page, "31-account-menu")
    for name, path in {
        "32-password": "/password",
        "33-not-found": "/t/thread_none",
        "40-admin": "/admin/",
        "41-admin-runs": "/admin/runs/run/",
        "43-admin-assistants": "/admin/runs/assistant/",
        "44-admin-assistant-add": "/admin/runs/assistant/add/",
    }.items():
        await page.goto(path)
        await shots.take(page, name, full=path.startswith("/admin"))
    await page.goto("/admin/runs/run/")
    await page.locator("#result_list th a").last.click()
    await page.locator(".run-page").wait_for()
    await shots.take(page, "42-admin-run", full=True)


async def interrupted(
    browser: Browser, data: Path, model: ModelServer, shots: Shots, **options: Any
) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    async with contextlib.AsyncExitStack() as stack:
        async with serving(data, model, port=port) as site:
            visit = visiting(browser, base, name="alice", allowed=NOISE, **options)
            chat = await open_chat(await stack.enter_async_context(visit))
            model.enqueue(Script(tokens=numbered(600), pace=30))
            await chat.send("Tell me a long story")
            await chat.says("word30 ")
            await site.server.stop(signal.SIGKILL)
            await chat.banner.filter(has_text="Reconnecting").wait_for()
            await shots.take(chat.page, "27-reconnecting")
        async with serving(data, model, port=port):
            await chat.end.wait_for()
            await shots.take(chat.page, "28-interrupted")


Visit = Callable[[str], AbstractAsyncContextManager[BrowserContext]]


def visits(browser: Browser, **options: Any) -> Visit:
    return lambda base: visiting(browser, base, allowed=NOISE, **options)


async def take_all(
    folder: Path, browser: Browser, size: str, scheme: Literal["light", "dark"]
) -> None:
    """All pictures of one size and scheme."""
    options = {**SIZES[size], "color_scheme": scheme}
    visit = visits(browser, **options)
    shots = Shots(folder, size, scheme)
    async with (
        ModelServer() as model,
        data_folder(people=False) as empty,
        data_folder(people=True) as data,
    ):
        async with serving(empty, model) as site, visit(site.base) as context:
            await site.server.read_line()
            await before_an_account(context, site, shots)
        no_model = serving(data, model, OPENAI_BASE_URL="", OPENAI_API_KEY="")
        async with no_model as site, visit(site.base) as context:
            await demo_pages(context, shots)
        async with serving(data, model) as site, visit(site.base) as context:
            await sign_in(context, "alice")
            await chat_states(context, site, shots)
        await interrupted(browser, data, model, shots, **options)


@contextlib.asynccontextmanager
async def data_folder(*, people: bool) -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="threadmill-shots-") as folder:
        yield await installed(Path(folder), people=people)


async def main(folder: Path) -> None:
    async with browsing() as browser:
        for size in SIZES:
            for scheme in SCHEMES:
                await take_all(folder, browser, size, scheme)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python -m tests.browser.shots FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(folder))
