"""The measuring stick: token age at the websocket and on the screen, beside bare clients.

Run by `make bench`. The scripted model server sends the monotonic clock as its tokens,
so whoever receives one knows its age; all clocks are this machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI
from playwright.async_api import async_playwright

from tests.bench_table import Ages, Row, printed
from tests.server_process import Running, environment, running
from tests.visitor import Visitor

STAMP = re.compile(r"\d{6,}")
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-quic", "--disable-background-networking"]
FLAGS += ["--disable-component-update"]
# Runs in the page: notes when each stamp is first painted, by the wall clock in ms.
WATCH_PAINT = """() => {
  window.painted = new Map();
  const channel = new MessageChannel();
  let waiting = null;
  channel.port1.onmessage = () => {
    const at = performance.timeOrigin + performance.now();
    for (const stamp of waiting) if (!painted.has(stamp)) painted.set(stamp, at);
    waiting = null;
  };
  new MutationObserver(() => {
    if (waiting) return;
    waiting = [];
    requestAnimationFrame(() => {
      const text = [...document.querySelectorAll('.answer')].pop()?.textContent ?? '';
      waiting = text.match(/\\d{6,}(?=\\s)/g) ?? [];
      channel.port2.postMessage(0);
    });
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""


@contextlib.asynccontextmanager
async def model_server(pace: float, tokens: int) -> AsyncIterator[str]:
    """The scripted model server in a process of its own; gives its base URL."""
    command = ["-m", "tests.model_server", "--port", "0", "--stamp"]
    command += ["--pace", str(pace), "--tokens", str(tokens)]
    async with running(*command, env={**os.environ}) as server:
        found = re.search(r"http://\S+?:\d+", " ".join(server.lines))
        assert found, server.lines
        yield f"{found[0]}/v1"


@contextlib.asynccontextmanager
async def threadmill(model_url: str) -> AsyncIterator[tuple[Running, Visitor]]:
    """The product as a user starts it, and a visitor with the first account."""
    with tempfile.TemporaryDirectory() as folder:
        env = environment(
            Path(folder),
            OPENAI_BASE_URL=model_url,
            OPENAI_MODEL="bench",
            OPENAI_API="chat_completions",
        )
        migrate = await asyncio.create_subprocess_exec(
            sys.executable, "manage.py", "migrate", "-v0", env=env
        )
        assert await migrate.wait() == 0
        serve = ("manage.py", "serve", "--port", "0")
        async with running(*serve, env=env) as server, Visitor(server.base) as visitor:
            while "/setup/" not in server.lines[-1]:
                await server.read_line()
            link = re.search(r"http\S+/setup/\S+", server.lines[-1])
            assert link
            await visitor.set_up(link[0])
            yield server, visitor


async def bare(model_url: str) -> Ages:
    """One answer received by the openai package's own typed stream."""
    ages = Ages()
    async with AsyncOpenAI(base_url=model_url, api_key="none") as client:
        stream = await client.chat.completions.create(
            model="bench", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        async for chunk in stream:
            if chunk.choices and (text := chunk.choices[0].delta.content):
                ages.note(text)
    return ages


async def through(visitor: Visitor) -> Ages:
    """One answer received as websocket frames of a recorded run."""
    ages = Ages()
    run = await visitor.post("Hi")
    async for event in visitor.follow(run):
        if event["type"] == "thread.message.delta":
            ages.note(event["data"]["text"])
    return ages


async def painted(server: Running, visitor: Visitor) -> Ages:
    """One answer as a browser paints it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context()
        await context.add_cookies(visitor.cookies)  # type: ignore[arg-type]
        page = await context.new_page()
        await page.goto(f"{server.base}/")
        await page.evaluate(WATCH_PAINT)
        await page.fill("textarea", "Hi")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(
            "article.turn-run:not([data-active])", timeout=60_000
        )
        pairs = await page.evaluate("() => [...window.painted]")
        await browser.close()
    ages = Ages()
    # The browser's clock is the wall clock; stamps are of the monotonic one.
    offset = time.time_ns() - time.monotonic_ns()
    for stamp, at in pairs:
        ages.add(at * 1e6 - (int(stamp) + offset))
    return ages


async def at_once(number: int, one: Any) -> Ages:
    """So many answers at the same time, their ages together."""
    everyone = await asyncio.gather(*(one() for _ in range(number)))
    return Ages.joined(everyone)


async def painted_among(number: int, server: Running, visitor: Visitor) -> Ages:
    """One answer as a browser paints it, while so many run in all."""
    others = asyncio.create_task(at_once(number - 1, lambda: through(visitor)))
    ages = await painted(server, visitor)
    await others
    return ages


async def measure(runs: list[int], pace: float, tokens: int) -> list[Row]:
    rows: list[Row] = []
    async with (
        model_server(pace, tokens) as model_url,
        threadmill(model_url) as (server, visitor),
    ):
        await at_once(2, lambda: bare(model_url))  # what is loaded on first use
        await at_once(2, lambda: through(visitor))
        for number in runs:
            row = await at_once(number, lambda: bare(model_url))
            rows.append(Row("bare openai client", number, row))
            row = await at_once(number, lambda: through(visitor))
            rows.append(Row("Threadmill, websocket frame", number, row))
            row = await painted_among(number, server, visitor)
            rows.append(Row("Threadmill, painted", number, row))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 50])
    parser.add_argument("--pace", type=float, default=30, help="tokens per second")
    parser.add_argument("--tokens", type=int, default=200, help="in each answer")
    parser.add_argument("--json", action="store_true", help="print JSON too")
    options = parser.parse_args()
    rows = asyncio.run(measure(options.runs, options.pace, options.tokens))
    sys.stdout.write(printed(rows, options.pace, options.tokens))
    if options.json:
        sys.stdout.write(json.dumps([row.figures() for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
