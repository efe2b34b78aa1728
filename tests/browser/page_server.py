"""A tiny local server of static files and the harness page, with the real policy."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from django.conf import settings
from playwright.async_api import Browser, Page

HERE = Path(__file__).resolve().parent
STATIC = HERE.parent.parent / "static"


class Pages(SimpleHTTPRequestHandler):
    """/static/… from the project, everything else from beside this file."""

    def translate_path(self, path: str) -> str:
        path = path.split("?")[0]
        if path.startswith("/static/"):
            return str(STATIC / path.removeprefix("/static/"))
        return str(HERE / path.lstrip("/"))

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", policy())
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def policy() -> str:
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    return "; ".join(
        f"{name} {' '.join(sources)}" for name, sources in directives.items()
    )


@contextmanager
def served() -> Iterator[str]:
    """The base address while the server runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@asynccontextmanager
async def harness(browser: Browser) -> AsyncIterator[Page]:
    """The harness page; fails on any error in it, and on a request that leaves it."""
    with served() as base:
        page = await browser.new_page()
        trouble: list[str] = []
        page.on("console", lambda line: note(trouble, line.type, line.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: leaving(trouble, request.url, base))
        await page.goto(f"{base}/harness.html")
        await page.wait_for_function("() => window.harness !== undefined")
        yield page
        await page.close()
        assert trouble == []


def note(trouble: list[str], kind: str, text: str) -> None:
    if kind in {"error", "warning"}:
        trouble.append(text)


def leaving(trouble: list[str], url: str, base: str) -> None:
    if not url.startswith(base):
        trouble.append(f"foreign request: {url}")
