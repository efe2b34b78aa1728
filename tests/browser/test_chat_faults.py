"""A browser whose network fails all the time, and an answer that must not suffer."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.site import Site, numbered, plain
from tests.browser.tabs import NETWORK, PATIENCE, Chat, open_chat, visiting
from tests.fault_proxy import FaultProxy
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")

FAULTS = 100
WORDS = 720
SECONDS = 24.0
SHORT = 0.15  # seconds, at most, between two faults and for being offline
RANDOM = random.Random(20261122)  # noqa: S311

# Every 40 words a paragraph, so that the text is cut into blocks as answers are.
TOKENS = [
    f"{word}\n\n" if number % 40 == 39 else word
    for number, word in enumerate(numbered(WORDS))
]


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(site: Site) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(site.port) as between:
        yield between


@pytest_asyncio.fixture(loop_scope="session")
async def far(browser: Browser, site: Site, proxy: FaultProxy) -> AsyncIterator[Chat]:
    """Alice's tab, behind a network that fails."""
    async with visiting(browser, proxy.base, name="alice", allowed=NETWORK) as context:
        yield await open_chat(context)
    assert site.errors() == []


async def reload(tab: Chat, proxy: FaultProxy, site: Site, run: str) -> None:
    """What a reload shows at once is a beginning, and all that was stored before it."""
    stored = plain(site.logged_text(run))
    await tab.page.reload(wait_until="domcontentloaded")
    shown = await tab.text()
    assert shown.startswith(stored)
    assert plain("".join(TOKENS)).startswith(shown)


async def cut(tab: Chat, proxy: FaultProxy, site: Site, run: str) -> None:
    proxy.cut()


async def go_offline(tab: Chat, proxy: FaultProxy, site: Site, run: str) -> None:
    await tab.page.context.set_offline(True)
    await asyncio.sleep(SHORT * RANDOM.random())
    await tab.page.context.set_offline(False)


KINDS = (reload, cut, go_offline)


async def a_hundred_faults(
    tab: Chat, proxy: FaultProxy, site: Site, run: str
) -> Counter[str]:
    """All of them while the answer is written; returns how many of each there were."""
    made: Counter[str] = Counter()
    clock = asyncio.get_running_loop().time
    begun = clock()
    for number in range(FAULTS):
        spent = (clock() - begun) / (SECONDS - 3)
        # A slow machine gets fewer reloads, which take long, and not fewer faults.
        kind = RANDOM.choice(KINDS) if spent < (number + 5) / FAULTS else cut
        await kind(tab, proxy, site, run)
        made[kind.__name__] += 1
        await asyncio.sleep(SHORT * RANDOM.random())
    return made


@pytest.mark.timeout(180)
async def test_a_hundred_reloads_and_cuts_lose_and_double_not_a_character(
    site: Site, proxy: FaultProxy, far: Chat
) -> None:
    site.model.enqueue(Script(tokens=TOKENS, pace=WORDS / SECONDS))
    number = len(site.model.requests) + 1
    run = await far.send("Write a long answer")
    record = await site.model.received(number)
    await far.says("word1")

    made = await a_hundred_faults(far, proxy, site, run)

    assert site.status(run) == "in_progress", "the answer was over before the faults"
    assert made.total() == FAULTS
    assert min(made.values()) >= 10, made
    assert proxy.cuts >= 10
    await far.page.locator("article[data-active]").wait_for(
        state="detached", timeout=60_000
    )
    sent = "".join(TOKENS[: len(record.sent)])
    assert len(record.sent) == WORDS
    assert site.logged_text(run) == site.message_text(run) == sent
    assert await far.text() == plain(sent)
    assert re.findall(r"\w+", await far.text()) == [f"word{n}" for n in range(WORDS)]
    assert site.status(run) == "completed"


async def test_a_lost_connection_is_said_and_the_rest_comes_when_it_is_back(
    site: Site, proxy: FaultProxy, far: Chat
) -> None:
    site.model.enqueue(Script(tokens=numbered(200), pace=40))
    run = await far.send("Write an answer")
    await far.says("word10 ")

    proxy.refuse()
    await expect(far.banner).to_contain_text("Reconnecting", timeout=PATIENCE * 1000)
    seen = await far.text()
    proxy.resume()

    await far.ended()
    await expect(far.banner).to_be_hidden()
    assert (await far.text()).startswith(seen)
    assert await far.text() == plain("".join(numbered(200)))
    assert site.status(run) == "completed"


async def test_a_silent_connection_is_taken_for_dead(
    site: Site, proxy: FaultProxy, far: Chat
) -> None:
    await far.page.clock.install()
    await far.page.reload()
    site.model.enqueue(Script(tokens=numbered(300), pace=40))
    await far.send("Write an answer")
    await far.says("word10 ")
    before = proxy.cuts

    proxy.black_hole()
    await far.page.clock.fast_forward(60_000)
    await expect(far.banner).to_contain_text("Reconnecting", timeout=PATIENCE * 1000)
    proxy.resume()

    await far.ended()
    assert proxy.cuts == before, "the page itself gave the connection up"
    assert await far.text() == plain("".join(numbered(300)))
