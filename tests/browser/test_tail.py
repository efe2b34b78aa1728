"""The live tail in a real browser: same shapes as the server, same as one-shot, smooth."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from chat import markdown
from tests.browser.page_server import harness
from tests.browser.sample_text import document, tangle

CORPUS = sorted((Path(__file__).parent.parent / "corpus").glob("*.md"))
LONG_TASK = 50  # ms

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    async with harness(browser) as opened:
        yield opened


def pieces(text: str, random: Random) -> list[str]:
    """The text cut at random places, mostly into tokens of a few characters."""
    cut: list[str] = []
    while text:
        length = random.choice([1, 2, 3, 4, 5, 8, 40])
        cut.append(text[:length])
        text = text[length:]
    return cut


async def test_browser_and_server_give_the_same_shapes_for_the_corpus(
    page: Page,
) -> None:
    different = []
    for path in CORPUS:
        text = path.read_text(encoding="utf-8")
        live = await page.evaluate("text => harness.once(text)", text)
        html = str(markdown.render_afresh(text))
        if live != await page.evaluate("html => harness.normal(html)", html):
            different.append(path.name)
    assert different == []


async def test_browser_and_server_give_the_same_shapes_for_random_documents(
    page: Page,
) -> None:
    texts = [document(3_000, seed) for seed in range(20)]
    texts += [tangle(seed) for seed in range(200)]
    live = await page.evaluate("texts => texts.map(harness.once)", texts)
    html = [str(markdown.render_afresh(text)) for text in texts]
    server = await page.evaluate("html => html.map(harness.normal)", html)
    assert [n for n in range(len(texts)) if live[n] != server[n]] == []


async def test_a_tail_cut_anywhere_ends_like_one_shot_rendering(page: Page) -> None:
    texts = [
        path.read_text(encoding="utf-8") for path in CORPUS if path.stem != "links"
    ]
    texts += [text.replace("\n", "\r\n") for text in texts]
    texts += [tangle(seed) for seed in range(300)]
    random = Random(5)  # noqa: S311
    cases = [[text, pieces(text, random)] for text in texts]
    different = await page.evaluate(
        """async cases => {
            const different = [];
            for (const [index, [text, pieces]] of cases.entries()) {
                if (await harness.stream(pieces) !== harness.once(text)) different.push(index);
            }
            return different;
        }""",
        cases,
    )
    assert different == []


@pytest.mark.alone
async def test_a_long_answer_streams_and_settles_without_a_long_task(
    browser: Browser, page: Page
) -> None:
    text = document(200_000, seed=7)
    await browser.start_tracing(page=page, categories=["toplevel"])
    streamed = await page.evaluate("text => harness.measure(text, 5000, 250)", text)
    html = str(markdown.render_plain(text))
    settled = await page.evaluate("html => harness.settle(html)", html)
    heaviest = heaviest_task(await browser.stop_tracing())
    print(json.dumps([streamed, settled, heaviest]))  # noqa: T201  with pytest -s

    assert streamed["fromBottom"] < 2
    assert settled["replaced"] == 0
    # On a busy machine any task can last long: then its own work is what counts.
    assert not streamed["long"] + settled["long"] or heaviest < LONG_TASK


def heaviest_task(trace: bytes) -> float:
    """The most processor time, in ms, that one task took of a page's main thread."""
    events = json.loads(trace)["traceEvents"]
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        float(event.get("tdur", 0)) / 1000
        for event in events
        if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in threads
    ]
    return max(tasks)
