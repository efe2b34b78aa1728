"""A tab that does nothing still shows what is said in its thread elsewhere."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.site import Site, numbered, plain
from tests.browser.tabs import Chat, open_chat
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_idle_tab_shows_a_question_asked_in_another_and_its_answer(
    site: Site, alice: Chat
) -> None:
    site.model.enqueue(Script(tokens=numbered(10)))
    site.model.enqueue(Script(tokens=numbered(60, start=500), pace=60))
    await alice.send("First question")
    await alice.ended()
    idle = await open_chat(alice.page.context, alice.page.url)

    run = await alice.send("Second question")

    await expect(idle.page.locator("#turns")).to_contain_text("Second question")
    await idle.says("word505 ")
    await idle.ended()
    await alice.ended()
    assert await idle.text() == plain(site.message_text(run))
    assert await idle.page.locator("#turns > article").count() == 4
    assert await alice.page.locator("#turns > article").count() == 4
