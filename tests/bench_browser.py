"""What a browser waits for: first load, a long thread, a long answer on a slow machine.

Part of `make bench`. The browser is real, headless and paints in software, so a person's
is faster; nothing comes from a cache.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext

from tests.browser.page_server import harness
from tests.browser.sample_text import document
from tests.browser.site import Site, installed, serving
from tests.browser.tabs import browsing, visiting
from tests.model_server import ModelServer
from tests.server_process import environment, manage

MESSAGES = 2_000
TIMES = 7
SLOWER = 4  # times: a phone, or an old laptop
ANSWER, DELTAS, PACE = 200_000, 5_000, 250  # characters, pieces, pieces per second

MAKE_THREAD = f"""
from runs.models import Message, Thread, User, text_part
alice = User.objects.get(username="alice")
thread = Thread.objects.create(owner=alice, title="A long thread")
messages, last = [], None
for number in range(1, {MESSAGES} + 1):
    last = Message(
        thread=thread,
        number=number,
        parent=last,
        role="user" if number % 2 else "assistant",
        author=alice,
        content=[text_part("Some words of *text* in a row. " * 12 + str(number))],
    )
    messages.append(last)
Message.objects.bulk_create(messages)
print(thread.pk)
"""
# When the browser first painted, and how long the server took, in ms.
PAINT = """() => new Promise((done) => {
    const [page] = performance.getEntriesByType("navigation");
    const tell = (paint) => done([paint.startTime, page.responseStart - page.requestStart]);
    new PerformanceObserver((list) => {
        const paint = list.getEntriesByName("first-contentful-paint")[0];
        if (paint) tell(paint);
    }).observe({ type: "paint", buffered: true });
})"""


async def measure() -> dict[str, Any]:
    """All figures by name."""
    with tempfile.TemporaryDirectory() as folder:
        data = await installed(Path(folder))
        thread = await long_thread(data)
        async with (
            ModelServer() as model,
            serving(data, model) as site,
            browsing() as browser,
        ):
            return {
                "first load, KB": await first_load(browser, site),
                **await opened(browser, site, f"/t/{thread}"),
                **await slow_tail(browser),
            }
    raise AssertionError


async def long_thread(data: Path) -> str:
    arguments = ("shell", "--verbosity", "0", "-c", MAKE_THREAD)
    made = await manage(*arguments, env=environment(data))
    assert made.code == 0, made.err
    return made.out.split()[-1]


async def first_load(browser: Browser, site: Site) -> float:
    """KB that travel until a new chat can be used, by a browser that has nothing yet."""
    async with visiting(browser, site.base, name="alice") as context:
        page = await context.new_page()
        network = await context.new_cdp_session(page)
        sizes: list[int] = []
        network.on(
            "Network.loadingFinished",
            lambda end: sizes.append(end["encodedDataLength"]),
        )
        await network.send("Network.enable")
        await page.goto("/", wait_until="networkidle")
        return round(sum(sizes) / 1024, 1)


async def opened(browser: Browser, site: Site, path: str) -> dict[str, float]:
    async with visiting(browser, site.base, name="alice") as context:
        looks = [await one_opening(context, path) for _ in range(TIMES)]
    paints, answers = zip(*looks, strict=True)
    return {
        f"first paint of {MESSAGES:,} messages, p50, ms": statistics.median(paints),
        f"server's time for {MESSAGES:,} messages, p50, ms": statistics.median(answers),
    }


async def one_opening(context: BrowserContext, path: str) -> tuple[float, float]:
    page = await context.new_page()
    await page.goto(path)
    paint, answer = await page.evaluate(PAINT)
    await page.close()
    return float(paint), float(answer)


async def slow_tail(browser: Browser) -> dict[str, float]:
    """Script time of each update of a long answer, with a throttled processor."""
    async with harness(browser) as page:
        slow = await page.context.new_cdp_session(page)
        await slow.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        text = document(ANSWER, seed=7)
        told = await page.evaluate(
            "([text, count, pace]) => harness.measure(text, count, pace)",
            [text, DELTAS, PACE],
        )
    return {
        f"update of a 50k-token answer, {SLOWER}x slower, p50, ms": told["p50"],
        f"update of a 50k-token answer, {SLOWER}x slower, p95, ms": told["p95"],
        "seconds for it, of 20": told["seconds"],
    }


GOALS = {"first load": 200.0, "first paint": 300.0, "server's time": 50.0}
TAIL_GOAL = 16.0  # ms, p95


def goal_of(name: str) -> float | None:
    if name.endswith("p95, ms"):
        return TAIL_GOAL
    return next((goal for start, goal in GOALS.items() if name.startswith(start)), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON too")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    figures = asyncio.run(measure())
    for name, value in figures.items():
        goal = goal_of(name)
        verdict = "" if goal is None else f"goal {goal:g} "
        if goal is not None:
            verdict += "met" if value <= goal else "NOT MET"
        sys.stdout.write(f"{name:56}{value:10.1f}  {verdict}\n")
    if options.json:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
