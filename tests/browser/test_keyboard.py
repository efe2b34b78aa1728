"""The chat without a mouse: shortcuts, the palette, and what a hidden tab says."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, expect

from tests.browser.site import Site
from tests.browser.tabs import Chat, open_chat, visiting
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_palette_leads_to_a_thread_by_its_words(alice: Chat) -> None:
    page = alice.page
    await alice.send("Zebra crossings of the north")
    await alice.ended()
    thread = page.url
    await page.keyboard.press("Control+Shift+O")
    await page.wait_for_url(re.compile(r"/$"))

    await page.keyboard.press("Control+k")
    await page.keyboard.type("zebra")
    entry = page.get_by_role("option", name="Zebra crossings of the north")
    await expect(entry.first).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")

    await page.wait_for_url(thread)


async def test_the_sheet_of_shortcuts_opens_and_gives_the_focus_back(
    alice: Chat,
) -> None:
    page = alice.page
    await page.locator("#scroll").focus()

    await page.keyboard.press("?")

    sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(sheet).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(sheet).to_be_hidden()
    await expect(page.locator("#scroll")).to_be_focused()
    await page.keyboard.press("Shift+Escape")
    await expect(alice.box).to_be_focused()
    await page.keyboard.press("?")
    assert await alice.box.input_value() == "?"


async def test_enter_makes_a_new_line_for_who_sends_with_a_modifier(
    browser: Browser, site: Site
) -> None:
    async with visiting(browser, site.base, name="bob") as context:
        chat = await open_chat(context, "/settings")
        page = chat.page
        await page.get_by_label("Ctrl or Cmd with Enter").check()
        await page.get_by_role("button", name="Save").click()
        await page.get_by_text("Saved.").wait_for()
        await page.goto("/")

        await chat.box.press_sequentially("one")
        await page.keyboard.press("Enter")
        await page.keyboard.type("two")
        assert await chat.box.input_value() == "one\ntwo"
        await page.keyboard.press("Control+Enter")

        await expect(page.locator(".bubble")).to_have_text("one\ntwo")
        await chat.ended()
        await page.goto("/settings")
        await page.get_by_label("Enter", exact=True).check()
        await page.get_by_role("button", name="Save").click()
        await page.get_by_text("Saved.").wait_for()


async def test_a_hidden_tab_says_in_its_title_that_an_answer_has_ended(
    alice: Chat, site: Site
) -> None:
    page = alice.page
    site.model.enqueue(Script(tokens=["Done."], delay_first_token=1))
    await alice.send("Tell me when you are done")

    await hide(alice, hidden=True)

    await expect(page).to_have_title(re.compile(r"^\(1\) "))

    await hide(alice, hidden=False)
    await expect(page).to_have_title(re.compile(r"^Tell me"))


async def hide(chat: Chat, *, hidden: bool) -> None:
    """Headless tabs are never hidden, so this one is told that it is."""
    await chat.page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )
