"""Assistants, a thread's parameters and prompts, by hand: with keyboard, mouse and touch."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.site import Site
from tests.browser.tabs import Chat, open_chat, visiting
from tests.browser.test_chat_phone import PHONE, STICKS_OUT

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRONG = '[\n  {"name": "look up",\n   "parameters": {"type": "objekt"}}\n]'
RIGHT = '[{"name": "look_up", "parameters": {"type": "object", "properties": {}}}]'
REFUSED = ("status of 422",)


async def make_prompt(page: Page, name: str, text: str) -> None:
    await page.goto("/prompts/new")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Text").fill(text)
    await page.get_by_role("button", name="Make prompt").click()
    await page.get_by_text(f"/{name} is kept.").wait_for()


def last_request(site: Site) -> dict[str, Any]:
    body: dict[str, Any] = site.model.requests[-1].body
    return body


async def test_one_is_made_with_mistakes_mended_picked_and_asked(
    browser: Browser, site: Site
) -> None:
    async with visiting(browser, site.base, name="bob", allowed=REFUSED) as context:
        page = await context.new_page()
        await page.goto("/")
        await page.get_by_role("link", name="Assistants", exact=True).click()
        await page.get_by_role("link", name="New assistant").click()
        await page.locator("#models option[value=scripted]").wait_for(state="attached")
        await page.get_by_label("Instructions").fill("Answer like a pirate.")
        await page.get_by_label("Starter 1").fill("Where is the treasure?")
        await page.get_by_role("button", name="Another").click()
        await page.get_by_label("Starter 2").fill("Sing a shanty")
        await page.locator(".swatch", has_text="Violet").click()
        await page.locator(".expert summary").click()
        await page.get_by_role("textbox", name="Functions").fill(WRONG)
        await page.get_by_role("button", name="Make assistant").click()

        await expect(page.get_by_label("Name")).to_be_focused()
        await expect(page.get_by_text("Give it a name.")).to_be_visible()
        await expect(page.get_by_text("Line 2, [0].name: only letters")).to_be_visible()
        await expect(page.get_by_text("Line 3, [0].parameters.type")).to_be_visible()
        await expect(page.get_by_label("Starter 2")).to_have_value("Sing a shanty")
        await page.get_by_label("Name").fill("Pirate")
        await page.get_by_role("textbox", name="Functions").fill(RIGHT)
        await page.get_by_role("button", name="Make assistant").click()

        await page.get_by_text("“Pirate” is ready.").wait_for()
        await page.get_by_label("Search assistants").fill("pir")
        await expect(page.locator(".assistant-card")).to_have_count(1)
        await page.goto("/")
        await pick_by_keyboard(page)
        await ask_with_a_starter(Chat(page), site)
        await delete_it(page)
    assert site.errors() == []


async def pick_by_keyboard(page: Page) -> None:
    await page.locator("#text").fill("half a thought")
    await page.locator("#assistant-button").focus()
    await page.keyboard.press("Space")
    await expect(page.get_by_label("Search assistants")).to_be_focused()
    await page.keyboard.type("pirate")
    await expect(page.locator(".pick")).to_have_count(1)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Pirate")).to_be_visible()
    await expect(page.locator("#dialog")).to_be_hidden()
    await expect(page.locator("#text")).to_be_focused()
    await expect(page.locator("#text")).to_have_value("half a thought")


async def ask_with_a_starter(chat: Chat, site: Site) -> None:
    await chat.box.fill("")
    await chat.page.get_by_role("button", name="Where is the treasure?").click()
    await expect(chat.box).to_have_value("Where is the treasure?")
    await chat.send_button.click()
    await chat.says("Hello")
    await chat.ended()

    sent = last_request(site)
    assert sent["messages"][0]["content"] == "Answer like a pirate."
    assert sent["messages"][-1]["content"] == "Where is the treasure?"
    assert sent["tools"][0]["function"]["name"] == "look_up"


async def delete_it(page: Page) -> None:
    await page.goto("/assistants?whose=mine")
    card = page.locator(".assistant-card", has_text="Pirate")
    await card.get_by_label("Menu of Pirate").click()
    await card.get_by_role("link", name="Delete").click()
    await page.locator("#dialog").get_by_role("link", name="Keep").click()
    await expect(page.locator("#dialog")).to_be_hidden()
    await card.get_by_label("Menu of Pirate").click()
    await card.get_by_role("link", name="Delete").click()
    await page.locator("#dialog").get_by_role("button", name="Delete").click()
    await page.get_by_text("“Pirate” is deleted.").wait_for()


async def test_parameters_of_a_thread_reach_the_model_server(
    browser: Browser, site: Site
) -> None:
    async with visiting(browser, site.base, name="bob", allowed=REFUSED) as context:
        chat = await open_chat(context)
        await chat.send("Hello")
        await chat.ended()
        page, sliders = chat.page, chat.page.locator(".parameters-button")
        await expect(sliders).not_to_have_attribute("data-special", "")
        await sliders.click()
        dialog = page.locator("#dialog")
        await dialog.get_by_label("Temperature").fill("3")
        await dialog.get_by_label("More instructions").fill("Count to three.")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog.get_by_text("less than or equal to 2")).to_be_visible()
        await dialog.get_by_label("Temperature").fill("0.25")
        await dialog.get_by_label("Model").fill("another-model")
        await dialog.get_by_role("button", name="Save").click()

        await expect(dialog).to_be_hidden()
        await expect(sliders).to_have_attribute("data-special", "")
        await chat.send("Again")
        await chat.ended()
        sent = last_request(site)
        assert (sent["model"], sent["temperature"]) == ("another-model", 0.25)
        assert sent["messages"][0]["content"] == "Count to three."
        await page.reload()
        await expect(sliders).to_have_attribute("data-special", "")
    assert site.errors() == []


async def test_a_slash_puts_a_prompt_in_by_keyboard(
    browser: Browser, site: Site
) -> None:
    async with visiting(browser, site.base, name="bob") as context:
        page = await context.new_page()
        await make_prompt(page, "release", "Tell {{who}} about {{what}}.")
        await make_prompt(page, "review", "Review this.")
        await page.goto("/")
        options = page.locator(".prompt-option:visible")
        await page.locator("#text").press_sequentially("/re")
        await expect(options).to_have_count(2)
        await page.keyboard.type("vi")
        await expect(options).to_have_count(1)
        await page.keyboard.press("Escape")
        await expect(page.locator("#prompt-box")).to_be_hidden()
        await expect(page.locator("#text")).to_have_value("/revi")

        await page.locator("#text").fill("")
        await page.keyboard.type("/re")
        await expect(options).to_have_count(2)
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("Enter")
        await expect(page.locator("#text")).to_have_value(
            "Tell {{who}} about {{what}}."
        )
        await page.keyboard.type("Ann")
        await page.keyboard.press("Tab")
        await page.keyboard.type("rain")
        await expect(page.locator("#text")).to_have_value("Tell Ann about rain.")
        await page.keyboard.press("Tab")
        await expect(page.locator("#text")).not_to_be_focused()

        chat = Chat(page)
        await chat.send("/etc/hosts is a file")
        await chat.ended()
        assert last_request(site)["messages"][-1]["content"] == "/etc/hosts is a file"


async def test_on_a_phone_all_of_it_fits_and_works_by_touch(
    browser: Browser, site: Site
) -> None:
    async with visiting(browser, site.base, name="alice", **PHONE) as context:
        page = await context.new_page()
        await make_prompt(page, "touch", "Tap {{here}}.")
        for path in ("/assistants", "/assistants/new", "/prompts", "/prompts/new"):
            await page.goto(path)
            assert await page.evaluate(STICKS_OUT) == [], path
        await page.goto("/")
        await page.locator("#text").fill("/tou")
        await page.locator(".prompt-option", has_text="/touch").tap()
        await expect(page.locator("#text")).to_have_value("Tap {{here}}.")
        await page.keyboard.type("there")
        await expect(page.locator("#text")).to_have_value("Tap there.")
        chat = Chat(page)
        await chat.send_button.tap()
        await chat.turn.wait_for()
        await chat.ended()
        await page.locator("#assistant-button").tap()
        assert await page.evaluate(STICKS_OUT) == []
        await page.locator(".pick", has_text="Assistant").first.tap()
        await expect(page.locator("#dialog")).to_be_hidden()
        await page.get_by_label("Thread menu").tap()
        await page.get_by_role("button", name="Parameters", exact=True).tap()
        await expect(page.locator("form.parameters")).to_be_visible()
        assert await page.evaluate(STICKS_OUT) == []
    assert site.errors() == []
