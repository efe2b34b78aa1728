"""Messages that wait for the answer before them, as people see and handle them."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.browser.site import Site, numbered
from tests.browser.tabs import Chat, open_chat, visiting
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")


def cards(chat: Chat) -> Locator:
    return chat.page.locator(".queued-card")


async def queue(chat: Chat, text: str) -> None:
    """Type and press Enter while an answer is being written."""
    count = await cards(chat).count()
    await chat.box.fill(text)
    await chat.box.press("Enter")
    await expect(cards(chat)).to_have_count(count + 1)
    await expect(chat.box).to_have_value("")


def questions(site: Site, run: str) -> list[str]:
    rows = site.rows(
        "SELECT input_preview FROM runs_run WHERE thread_id ="
        " (SELECT thread_id FROM runs_run WHERE id = ?) ORDER BY created_at, id",
        run,
    )
    return [text for (text,) in rows]


async def test_messages_wait_are_edited_and_taken_back_in_every_tab_and_sent_in_order(
    site: Site, alice: Chat
) -> None:
    site.model.enqueue(Script(tokens=numbered(2_000), pace=40))
    run = await alice.send("First")
    await alice.says("word5 ")
    second = await open_chat(alice.page.context, alice.page.url)
    await second.says("word10 ")

    await expect(alice.send_button).to_have_accessible_name(
        "Queue: sent when the answer is complete"
    )
    await queue(alice, "Scnd")
    await queue(alice, "Third")
    await expect(cards(second)).to_have_count(2)
    await expect(second.page.locator("#queued")).to_contain_text("Sent one by one")
    await expect(alice.stop).to_be_visible()
    await expect(alice.page.get_by_role("button", name="Send now")).to_have_count(0)

    # Edited in one tab, while the other takes one back: the open form stays.
    await cards(second).first.get_by_role("button", name="Edit").click()
    box = second.page.get_by_role("textbox", name="Queued message")
    await expect(box).to_be_focused()
    await box.fill("Second")
    await cards(alice).nth(1).get_by_role("button", name="Remove").click()
    await expect(cards(second)).to_have_count(1)
    await expect(box).to_have_value("Second")
    await box.press("Enter")
    await expect(cards(alice)).to_have_text(["Second"], use_inner_text=True)
    await queue(second, "Last")
    await expect(cards(alice)).to_have_count(2)
    await alice.page.reload()
    await expect(cards(alice)).to_have_count(2)

    # Stopped: they wait, and one is sent by hand; with its end the other follows.
    await second.stop.click()
    await second.ended()
    assert site.status(run) == "cancelled"
    await expect(alice.page.locator("#queued")).to_contain_text("until you send them")
    await cards(alice).first.get_by_role("button", name="Send now").click()
    for tab in (alice, second):
        await expect(cards(tab)).to_have_count(0)
        await expect(tab.page.locator(".bubble")).to_have_text(
            ["First", "Second", "Last"]
        )
        await tab.says("Hello, world!")
        await tab.ended()
    assert questions(site, run) == ["First", "Second", "Last"]


async def test_an_edit_that_comes_too_late_is_kept_in_the_message_box(
    site: Site, alice: Chat
) -> None:
    site.model.enqueue(Script(tokens=numbered(80), pace=40))
    await alice.send("First")
    await queue(alice, "Second")
    await cards(alice).first.get_by_role("button", name="Edit").click()
    await alice.page.get_by_role("textbox", name="Queued message").fill(
        "Second, but better"
    )

    await expect(alice.page.locator(".bubble")).to_have_text(["First", "Second"])
    await expect(cards(alice)).to_have_count(0)
    await expect(alice.box).to_have_value("Second, but better")
    await expect(alice.note).to_contain_text("your change is kept here")
    await expect(alice.box).to_be_focused()
    await alice.ended()


async def test_a_tab_that_hears_nothing_queues_all_the_same(
    browser: Browser, site: Site
) -> None:
    site.model.enqueue(Script(tokens=numbered(2_000), pace=40))
    async with visiting(browser, site.base, name="bob") as context:
        first = await open_chat(context)
        await first.send("First")
        page = await context.new_page()
        await page.route_web_socket("**/ws", lambda route: None)
        await page.goto(first.page.url)
        second = Chat(page)
        await queue(first, "Second")
        await expect(cards(second)).to_have_count(0)
        await second.box.fill("Third")
        await second.box.press("Enter")
        await expect(cards(second)).to_have_count(2)
        await expect(cards(first)).to_have_count(2)
        await first.stop.click()
        await first.ended()
