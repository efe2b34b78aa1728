"""What goes wrong at the model server or at ours, as its user sees it, and Retry."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.site import Site, free_port, numbered, plain, serving
from tests.browser.tabs import NETWORK, Chat, open_chat, sign_in_by_hand, visiting
from tests.model_server import ModelServer, Script
from tests.model_server_script import KEY_REFUSED, RATE_LIMITED

pytestmark = pytest.mark.asyncio(loop_scope="session")

TWENTY = plain("".join(numbered(20)))


def limited(retry_after: int) -> Script:
    headers = {"Retry-After": str(retry_after)}
    return Script(fault="status", status=429, body=RATE_LIMITED, headers=headers)


async def retry_answers(chat: Chat, site: Site) -> None:
    """Retry brings a whole answer in the place of the failed one."""
    run = await chat.retry()
    await chat.says("Hello, world!")
    await chat.ended()
    assert await chat.page.locator("article.turn-run").count() == 1
    assert await chat.text() == "Hello, world!"
    await expect(chat.end).to_have_count(0)
    assert site.status(run) == "completed"


async def test_a_refused_key_is_said_without_the_key_and_retry_answers(
    site: Site, alice: Chat
) -> None:
    refusal = Script(fault="status", status=401, body=KEY_REFUSED)
    site.model.enqueue(refusal, Script())
    await alice.send("Hello")

    await expect(alice.end).to_contain_text("did not accept the API key")
    await expect(alice.end).not_to_contain_text("sk-")
    await retry_answers(alice, site)


async def test_a_rate_limit_shows_when_the_next_try_is_and_then_answers(
    site: Site, alice: Chat
) -> None:
    before = len(site.model.requests)
    site.model.enqueue(limited(2), Script(tokens=numbered(20), pace=40))
    await alice.send("Hello")

    await expect(alice.progress).to_contain_text("Rate limited, next try in")
    await expect(alice.progress).to_contain_text("(try 2 of 3)")
    await alice.page.reload()
    await alice.says("word5 ")
    await alice.ended()

    assert await alice.text() == TWENTY
    first, second = site.model.requests[before:]
    assert second.at - first.at >= 2


async def test_a_rate_limit_without_end_is_said_and_retry_answers(
    site: Site, alice: Chat
) -> None:
    site.model.enqueue(limited(1), limited(1), limited(1), Script())
    await alice.send("Hello")

    await expect(alice.end).to_contain_text("limiting the rate of requests")
    await retry_answers(alice, site)


async def test_an_answer_cut_off_keeps_its_text_and_says_so_and_retry_answers(
    site: Site, alice: Chat
) -> None:
    cut = Script(tokens=numbered(200), pace=60, fault="eof", after=20)
    site.model.enqueue(cut, Script())
    run = await alice.send("Hello")
    await alice.ended()

    await expect(alice.end).to_contain_text("Cut off")
    assert await alice.text() == TWENTY == plain(site.message_text(run))
    await alice.page.reload()
    await expect(alice.end).to_contain_text("Cut off")
    assert await alice.text() == TWENTY
    await retry_answers(alice, site)


@pytest_asyncio.fixture(loop_scope="session")
async def impatient(data: Path, own_model: ModelServer) -> AsyncIterator[Site]:
    """A server that gives a silent model server up after two seconds."""
    async with serving(data, own_model, SILENCE_TIMEOUT="2") as site:
        yield site
        assert site.errors() == []


async def test_a_model_that_falls_silent_is_given_up_and_retry_answers(
    browser: Browser, impatient: Site
) -> None:
    stall = Script(tokens=numbered(200), pace=60, fault="stall", after=20)
    impatient.model.enqueue(stall, Script())
    async with visiting(browser, impatient.base, name="alice") as context:
        chat = await open_chat(context)
        await chat.send("Hello")
        record = await impatient.model.received()

        await expect(chat.end).to_contain_text("fell silent: no output for 2 s")

        assert await chat.text() == TWENTY
        await record.client_gone()
        await retry_answers(chat, impatient)


async def test_an_answer_that_the_server_died_over_is_shown_interrupted_by_itself(
    browser: Browser, data: Path, own_model: ModelServer
) -> None:
    own_model.enqueue(Script(tokens=numbered(600), pace=40), Script())
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    async with visiting(browser, base, allowed=NETWORK) as context:
        async with serving(data, own_model, port=port) as site:
            page = await context.new_page()
            await page.goto("/login")
            await sign_in_by_hand(page, "alice")
            await page.wait_for_url("/", wait_until="load")
            chat = Chat(page)
            run = await chat.send("Write a long answer")
            await chat.says("word30 ")
            await site.server.stop(signal.SIGKILL)
        stored = plain(site.logged_text(run))

        async with serving(data, own_model, port=port) as site:
            await expect(chat.end).to_contain_text("Interrupted")

            assert "word20" in stored
            assert await chat.text() == stored == plain(site.message_text(run))
            assert site.status(run) == "failed"
            await expect(chat.banner).to_be_hidden()
            await retry_answers(chat, site)
            assert site.errors() == []
