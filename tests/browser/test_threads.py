"""Threads as people keep them: the list and its marks, filing, titles, and search."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.site import Site, serving
from tests.browser.tabs import Chat, open_chat, visiting
from tests.browser.test_chat_phone import PHONE, fits
from tests.browser.test_keyboard import hide
from tests.model_server import ModelServer, Script
from tests.server_process import environment, manage

pytestmark = pytest.mark.asyncio(loop_scope="session")

OLD, LONG = 130, 200  # threads of long ago, and messages of one of them
MAKE_THREADS = f"""
import datetime as dt
from django.utils import timezone
from runs.models import Message, Thread, User, text_part
alice, now = User.objects.get(username="alice"), timezone.now()
if not Thread.objects.filter(title="Old thread 1").exists():
    for number in range(1, {OLD} + 1):
        at = now - dt.timedelta(days=40 + 2 * number)
        thread = Thread.objects.create(
            owner=alice, title=f"Old thread {{number}}", created_at=at, last_activity_at=at
        )
    Message.objects.bulk_create(
        Message(
            thread=thread,
            number=number,
            role="user" if number % 2 else "assistant",
            author=alice,
            content=[text_part(f"Line {{number}}. " + ("Where the Axolotl sleeps." if number == 4 else ""))],
        )
        for number in range(1, {LONG} + 1)
    )
"""
HITS = "() => [...(CSS.highlights.get('hits') ?? [])].map((hit) => hit.toString())"
IN_SIGHT = """() => {
    const [hit] = CSS.highlights.get("hits");
    const { top, bottom } = hit.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def many(site: Site) -> None:
    """Many threads of alice's, all of them old, and the oldest a long one."""
    made = await manage("shell", "-c", MAKE_THREADS, env=environment(site.data))
    assert made.code == 0, made.err


@pytest_asyncio.fixture(loop_scope="session")
async def second(alice: Chat) -> AsyncIterator[Chat]:
    """Another tab of the same browser, on a new chat."""
    yield await open_chat(alice.page.context)


def row(page: Page, title: str) -> Locator:
    named = page.locator(".thread-title", has_text=re.compile(f"^{title}$"))
    return page.locator(".thread-row", has=named)


async def choose(page: Page, title: str, entry: str) -> None:
    """Open the menu of a row and take an entry."""
    await row(page, title).hover()
    await row(page, title).locator(".row-more").click()
    menu = page.locator("#row-menu")
    await menu.locator("a, button", has_text=entry).click()
    await expect(menu).to_be_hidden()


async def say(chat: Chat, text: str) -> str:
    """Begin a thread with this; returns its address."""
    await chat.page.goto("/")
    await chat.send(text)
    await chat.ended()
    return chat.page.url


async def test_the_list_goes_on_as_it_is_scrolled_and_is_live_in_every_tab(
    site: Site, many: None, alice: Chat, second: Chat
) -> None:
    rows = second.page.locator(".thread-row")
    await second.page.reload()
    await expect(rows.first).to_be_visible()
    assert await rows.count() < OLD
    while await second.page.locator(".more-threads").count():
        await rows.last.scroll_into_view_if_needed()
        await second.page.locator("#threads").hover()
        await second.page.mouse.wheel(0, 2_000)
    await expect(row(second.page, f"Old thread {OLD}")).to_be_visible()
    headings = await second.page.locator(".thread-group h2").all_text_contents()
    assert len(headings) == len(set(headings))
    everything = await rows.count()

    site.model.enqueue(Script(tokens=["Done."], delay_first_token=2))
    await alice.send("Watched from elsewhere")
    watched = row(second.page, "Watched from elsewhere")
    await expect(watched.locator(".running")).to_have_count(1)
    assert await rows.count() >= everything
    await hide(alice, hidden=True)
    await expect(watched.locator(".unread")).to_have_count(1)
    await expect(watched.locator(".running")).to_have_count(0)
    await hide(alice, hidden=False)
    await expect(watched.locator(".unread")).to_have_count(0)


async def test_a_thread_is_renamed_pinned_archived_and_deleted_with_undo(
    alice: Chat, second: Chat
) -> None:
    page = alice.page
    await page.bring_to_front()
    address = await say(alice, "To be filed")

    await choose(page, "To be filed", "Rename")
    await page.get_by_label("Title").fill("")
    await page.get_by_label("Title").fill("Well filed")
    await page.get_by_role("button", name="Rename", exact=True).click()
    await expect(page.locator("#dialog")).to_be_hidden()
    for tab in (page, second.page):
        await expect(row(tab, "Well filed")).to_be_visible()
    await expect(page.locator(".head-title")).to_have_text("Well filed")
    await expect(page).to_have_title(re.compile("^Well filed"))

    await choose(page, "Well filed", "Pin")
    pinned = second.page.locator("#pinned-threads")
    await expect(pinned.locator(".thread-title")).to_have_text("Well filed")

    await choose(page, "Well filed", "Archive")
    await expect(row(page, "Well filed")).to_have_count(0)
    await expect(row(second.page, "Well filed")).to_have_count(0)
    await second.page.goto("/threads/archived")
    put_back = second.page.get_by_role("button", name="Put Well filed back")
    await expect(put_back).to_be_visible()
    await page.get_by_role("button", name="Undo").click()
    await expect(row(page, "Well filed")).to_be_visible()
    await expect(put_back).to_have_count(0)

    await page.locator("#thread-menu summary").click()
    await page.locator("#thread-menu").get_by_role("button", name="Delete").click()
    await page.wait_for_url("**/?deleted=*")
    await expect(row(page, "Well filed")).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await page.wait_for_url(address)
    await expect(alice.answer).to_have_text("Hello, world!")

    await page.goto("/")
    await choose(page, "Well filed", "Delete")
    await expect(row(page, "Well filed")).to_have_count(0)
    await expect(page.locator("#announcer")).to_have_text("Thread deleted")
    await page.get_by_role("button", name="Undo").click()
    await expect(row(page, "Well filed")).to_be_visible()


async def test_the_models_title_appears_by_itself(
    browser: Browser, data: Path, own_model: ModelServer
) -> None:
    async with (
        serving(data, own_model, AUTO_TITLES="true") as site,
        visiting(browser, site.base, name="alice") as context,
    ):
        own_model.enqueue(Script(tokens=["They sleep", " with half a brain."]))
        own_model.enqueue(Script(tokens=['"How whales', ' sleep"']))
        chat = await open_chat(context)
        await chat.send("Tell me how whales sleep, and where they do")

        title = chat.page.locator(".head-title")
        await expect(title).to_have_text("How whales sleep")
        await expect(row(chat.page, "How whales sleep")).to_be_visible()
        await expect(chat.page).to_have_title(re.compile("^How whales sleep"))
        assert site.errors() == []


async def test_a_search_leads_to_the_message_and_marks_the_words(
    many: None, alice: Chat
) -> None:
    page = alice.page
    await page.goto("/search")
    field = page.get_by_label("Search your threads")
    await expect(field).to_be_focused()
    await field.press_sequentially("sleeps axol")
    hit = page.locator(".result", has_text="Where the Axolotl sleeps")
    await expect(hit).to_have_count(1)
    assert await hit.locator("mark").all_text_contents() == ["Axolotl", "sleeps"]
    await expect(page).to_have_url(re.compile(r"/search\?q=sleeps"))

    await hit.click()

    linked = page.locator("article.is-linked")
    await expect(linked).to_contain_text("Line 4.")
    await expect(linked).to_be_focused()
    assert await page.evaluate(HITS) == ["Axolotl", "sleeps"]
    assert await page.evaluate(IN_SIGHT)
    await page.go_back()
    await expect(field).to_have_value("sleeps axol")


async def test_threads_are_found_and_filed_without_a_mouse(
    many: None, alice: Chat
) -> None:
    page, press = alice.page, alice.page.keyboard.press
    await say(alice, "By hand alone")
    await page.keyboard.press("Control+k")
    await page.keyboard.type("axolotl")
    entry = page.get_by_role("option", name=re.compile("Where the Axolotl sleeps"))
    await expect(entry).to_have_attribute("aria-selected", "true")
    await press("Enter")
    await expect(page.locator("article.is-linked")).to_be_focused()
    assert await page.evaluate(HITS) == ["Axolotl"]

    await row(page, "By hand alone").locator(".thread-link").focus()
    await press("Tab")
    await expect(row(page, "By hand alone").locator(".row-more")).to_be_focused()
    await press("Enter")
    menu = page.locator("#row-menu")
    await expect(menu.locator("a, button").first).to_be_focused()
    await press("Escape")
    await expect(row(page, "By hand alone").locator(".row-more")).to_be_focused()
    await press("Enter")
    await expect(menu.locator("a, button").first).to_be_focused()
    await press("ArrowDown")
    await press("Enter")
    pinned = page.locator("#pinned-threads .thread-row", has_text="By hand alone")
    await expect(pinned).to_be_visible()
    await expect(pinned.locator(".row-more")).to_be_focused()
    await press("Enter")
    await expect(menu.locator("a, button").first).to_be_focused()
    await press("ArrowUp")
    await press("Enter")
    await expect(row(page, "By hand alone")).to_have_count(0)
    focused = "() => document.activeElement.closest('#threads') !== null"
    await page.wait_for_function(focused)


async def test_on_a_phone_threads_are_filed_by_touch(
    browser: Browser, site: Site, many: None
) -> None:
    async with visiting(browser, site.base, name="alice", **PHONE) as context:
        await file_by_touch(context)
    assert site.errors() == []


async def file_by_touch(context: BrowserContext) -> None:
    chat = await open_chat(context)
    page = chat.page
    await say(chat, "On the way")
    await page.locator(".head-menu").tap()
    await row(page, "On the way").locator(".row-more").tap()
    menu = page.locator("#row-menu")
    await expect(menu).to_be_in_viewport(ratio=1)
    await fits(chat)
    await menu.get_by_role("button", name="Archive").tap()
    await expect(row(page, "On the way")).to_have_count(0)
    undo = page.get_by_role("button", name="Undo")
    await expect(undo).to_be_in_viewport()
    await undo.tap()
    await page.goto("/search?q=axolotl")
    await fits(chat)
    await page.locator(".result").tap()
    await expect(page.locator("article.is-linked")).to_be_in_viewport()
    await fits(chat)
