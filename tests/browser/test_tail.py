"""The live tail in a real browser: same shapes as the server, same as one-shot, smooth."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from playwright.async_api import Page, async_playwright

from chat import markdown
from tests.browser.page_server import served
from tests.browser.sample_text import document, tangle

CORPUS = sorted((Path(__file__).parent.parent / "corpus").glob("*.md"))
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """The harness page; fails the test on any error in it or request that leaves it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with served() as base:
            tab = await browser.new_page()
            trouble: list[str] = []
            tab.on("console", lambda line: note(trouble, line.type, line.text))
            tab.on("pageerror", lambda error: trouble.append(str(error)))
            tab.on("request", lambda request: leaving(trouble, request.url, base))
            await tab.goto(f"{base}/harness.html")
            await tab.wait_for_function("() => window.harness !== undefined")
            yield tab
            await browser.close()
            assert trouble == []


def note(trouble: list[str], kind: str, text: str) -> None:
    if kind in {"error", "warning"}:
        trouble.append(text)


def leaving(trouble: list[str], url: str, base: str) -> None:
    if not url.startswith(base):
        trouble.append(f"foreign request: {url}")


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


async def test_a_long_answer_streams_and_settles_without_a_long_task(
    page: Page,
) -> None:
    text = document(200_000, seed=7)
    streamed = await page.evaluate("text => harness.measure(text, 5000, 250)", text)
    html = str(markdown.render_afresh(text, colours=False))
    settled = await page.evaluate("html => harness.settle(html)", html)
    print(json.dumps([streamed, settled]))  # noqa: T201  the figures, with pytest -s

    assert streamed["long"] == []
    assert streamed["seconds"] < 22
    assert settled["long"] == []
    assert settled["replaced"] == 0
