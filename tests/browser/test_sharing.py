"""Two people in one thread, in two browsers; links, temporary chats and imports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect

from tests.browser.site import Site, numbered
from tests.browser.tabs import Chat, open_chat, visiting
from tests.imports_exports import chatgpt, claude, zipped
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")

WITHIN = 6_000  # ms, in which open pages learn what was taken from them


@pytest_asyncio.fixture(loop_scope="session")
async def bobs(browser: Browser, site: Site) -> AsyncIterator[BrowserContext]:
    async with visiting(browser, site.base, name="bob") as context:
        yield context


async def share(chat: Chat, choice: str) -> None:
    await chat.page.locator("#thread-menu summary").click()
    await chat.page.get_by_role("button", name="Share", exact=True).click()
    await chat.page.get_by_text(choice, exact=True).click()
    await expect(chat.page.locator("#share-state")).to_contain_text("Saved")


async def close_dialog(chat: Chat) -> None:
    await chat.page.keyboard.press("Escape")
    await expect(chat.page.locator("#dialog")).not_to_be_visible()


async def test_two_people_see_each_other_live_until_it_is_no_longer_shared(
    site: Site, alice: Chat, bobs: BrowserContext
) -> None:
    await alice.send("A plan for the team")
    await alice.ended()
    await share(alice, "The team may take part")
    await close_dialog(alice)
    bob = await open_chat(bobs, "/shared")
    await bob.page.get_by_role("link", name="A plan for the team").first.click()
    await expect(bob.page.locator(".mark")).to_have_text("Shared by alice")
    await expect(bob.page.locator(".said-by")).to_contain_text("alice")

    site.model.enqueue(Script(tokens=numbered(60), pace=40))
    await bob.send("And mine")
    await bob.says("word5 ")
    await expect(alice.page.locator(".said-by")).to_contain_text("bob")
    await alice.says("word20 ")
    await alice.ended()
    await bob.ended()
    assert await alice.text() == await bob.text()

    site.model.enqueue(Script(tokens=numbered(600), pace=40))
    run = await alice.send("A long one")
    await bob.says("word5 ")
    await share(alice, "The team may read")
    await expect(bob.page.locator("#reading")).to_be_visible(timeout=WITHIN)
    for gone in (bob.box, bob.turn.locator(".stop-form")):
        await expect(gone).not_to_be_visible()
    await bob.page.keyboard.press("Escape")
    await bob.page.reload()
    await expect(bob.page.locator("#reading")).to_contain_text("alice shares this")
    await bob.says("word30 ")
    assert site.status(run) == "in_progress"

    await alice.page.get_by_text("Private", exact=True).click()
    await expect(bob.page.locator("#reading")).to_contain_text(
        "no longer shared", timeout=WITHIN
    )
    await expect(bob.page.locator("article")).to_have_count(0)
    await close_dialog(alice)
    await alice.stop.click()
    await alice.ended()


async def test_a_link_is_made_copied_opened_and_revoked(
    browser: Browser, site: Site, alice: Chat
) -> None:
    await alice.send("Something worth showing")
    await alice.ended()
    await alice.page.locator("#thread-menu summary").click()
    await alice.page.get_by_role("button", name="Share", exact=True).click()
    await alice.page.get_by_role("button", name="Make a link").click()
    copy = alice.page.get_by_role("button", name="Copy the link")
    await expect(copy).to_be_focused()
    address = await alice.page.get_by_label("Address of the link").input_value()

    gone = ("status of 410",)
    async with visiting(browser, site.base, allowed=gone) as context:
        page = await context.new_page()
        await page.goto(address)
        await expect(page.get_by_role("heading", level=1)).to_have_text(
            "Something worth showing"
        )
        await expect(page.locator(".prose")).to_have_text("Hello, world!")
        await alice.page.get_by_role("button", name="Revoke the link").click()
        await expect(alice.page.locator(".link-facts")).to_contain_text("Revoked")
        await page.reload()
        await expect(page.locator("h1")).to_have_text("No longer shared")


async def test_a_temporary_chat_is_erased_when_it_is_closed(
    site: Site, alice: Chat
) -> None:
    await alice.page.get_by_role("link", name="Make this a temporary chat").click()
    await expect(alice.page.locator(".temporary-note")).to_be_visible()
    run = await alice.send("Nobody else's business")
    await alice.ended()
    await expect(alice.page.locator(".thread-link[aria-current]")).to_have_count(0)
    await alice.box.fill("A draft about it")

    await alice.page.get_by_role("button", name="Close and erase").click()

    await expect(
        alice.page.get_by_text("The temporary chat is erased.")
    ).to_be_visible()
    drafts = await alice.page.evaluate("JSON.stringify({...localStorage})")
    assert "A draft about it" not in drafts
    assert site.rows("SELECT id FROM runs_message WHERE run_id = ?", run) == []
    assert site.status(run) == "completed"


async def test_an_export_is_uploaded_and_its_threads_appear(
    site: Site, alice: Chat
) -> None:
    page = alice.page
    await page.goto("/settings/import")
    export = zipped({"conversations.json": [chatgpt("b-1"), claude("b-2"), {}]})
    await page.get_by_label("The export").set_input_files(
        {"name": "export.zip", "mimeType": "application/zip", "buffer": export}
    )
    await page.get_by_role("button", name="Import", exact=True).click()

    done = page.locator(".import").first
    await expect(done).to_have_attribute("data-status", "completed")
    await expect(done).to_contain_text("2 threads taken in · 1 refused")
    await page.goto("/")
    await page.get_by_role("link", name="Sizes of things").click()
    await expect(page.locator(".prose").first).to_have_text("Very big.")


async def test_a_thread_is_saved_from_its_menu(site: Site, alice: Chat) -> None:
    await alice.send("Keep this")
    await alice.ended()
    await alice.page.locator("#thread-menu summary").click()
    async with alice.page.expect_download() as begun:
        await alice.page.get_by_role("link", name="Save as JSON").click()
    download = await begun.value
    assert download.suggested_filename == "keep-this.json"
    saved = json.loads((await download.path()).read_text("utf-8"))
    texts = [one["content"][0]["text"]["value"] for one in saved["messages"]]
    assert texts == ["Keep this", "Hello, world!"]
