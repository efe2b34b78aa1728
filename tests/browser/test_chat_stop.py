"""Stop, as its user and as the model server see it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.site import Site, numbered, plain
from tests.browser.tabs import Chat
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_stop_keeps_what_came_and_ends_the_model_servers_work(
    site: Site, alice: Chat
) -> None:
    site.model.enqueue(Script(tokens=numbered(600), pace=30))
    number = len(site.model.requests) + 1
    run = await alice.send("Write a long answer")
    record = await site.model.received(number)
    await alice.says("word20")

    await alice.stop.click()

    await record.client_gone(within=2)
    await alice.ended()
    await expect(alice.end).to_contain_text("Stopped")
    shown = await alice.text()
    assert shown == plain(site.message_text(run)) == plain(site.logged_text(run))
    assert "word20" in shown
    assert "word400" not in shown
    assert site.status(run) == "cancelled"


async def test_after_stop_no_text_appears(site: Site, alice: Chat) -> None:
    site.model.enqueue(Script(tokens=numbered(2_000), pace=200))
    run = await alice.send("Write fast")
    await alice.says("word50")
    await alice.page.evaluate(
        """() => {
            window.after = [];
            const answer = [...document.querySelectorAll(".answer")].pop();
            new MutationObserver(() => window.after.push(answer.innerText))
                .observe(answer, {subtree: true, childList: true, characterData: true});
        }"""
    )

    await alice.stop.click()
    await alice.ended()

    final = await alice.text()
    later = [plain(text) for text in await alice.page.evaluate("window.after")]
    assert all(final.startswith(text) for text in later)
    await alice.page.reload()
    assert await alice.text() == final == plain(site.message_text(run))


async def test_stop_works_before_the_first_token(site: Site, alice: Chat) -> None:
    site.model.enqueue(Script(tokens=numbered(50), delay_first_token=30))
    number = len(site.model.requests) + 1
    run = await alice.send("Think first")
    record = await site.model.received(number)

    await alice.stop.click()

    await record.client_gone(within=2)
    await alice.ended()
    await expect(alice.end).to_contain_text("Stopped")
    assert await alice.text() == ""
    assert site.status(run) == "cancelled"


async def test_escape_stops_and_try_again_answers(site: Site, alice: Chat) -> None:
    site.model.enqueue(Script(tokens=numbered(600), pace=30), Script())
    await alice.send("Write a long answer")
    await alice.says("word3")

    await alice.page.keyboard.press("Escape")
    await alice.ended()
    await alice.retry()
    await alice.says("Hello, world!")
    await alice.ended()

    await expect(alice.end).to_have_count(0)
