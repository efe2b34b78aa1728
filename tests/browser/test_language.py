"""The same chat in another language, from the page to what its scripts say."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.site import Site
from tests.browser.tabs import open_chat, visiting
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def choose(page: Page, language: str) -> None:
    await page.goto("/settings")
    await page.locator("#id_language").select_option(language)
    await page.locator("form.preferences button").click()
    await page.locator(".notice").wait_for()


async def test_who_chooses_german_is_spoken_to_in_german(
    browser: Browser, site: Site
) -> None:
    async with visiting(browser, site.base, name="bob", locale="en-GB") as context:
        chat = await open_chat(context)
        await expect(chat.page.locator("html")).to_have_attribute("lang", "en")
        await choose(chat.page, "de")
        try:
            await expect(chat.page.locator(".notice")).to_have_text("Gespeichert.")
            await chat.page.goto("/")
            await expect(chat.page.locator("html")).to_have_attribute("lang", "de")
            await expect(chat.box).to_have_attribute(
                "placeholder", "Nachricht schreiben"
            )

            site.model.enqueue(Script(reasoning=["Hm. "], fault="stall", after=0))
            await chat.send("Stimmt das?")
            await expect(chat.progress).to_have_text("Denkt nach")
            await chat.stop.click()
            await chat.ended()

            await expect(chat.end).to_contain_text("Gestoppt")
            announced = chat.page.locator("#announcer")
            await expect(announced).to_have_text("Antwort gestoppt")
        finally:
            await choose(chat.page, "")
        await expect(chat.page.locator("html")).to_have_attribute("lang", "en")
