"""Signing in and out, a new password, and what belongs to somebody else."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.site import Site, serving
from tests.browser.tabs import Chat, open_chat, sign_in_by_hand, visiting
from tests.model_server import ModelServer
from tests.visitor import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEW = "a new and longer password"
AT_LOGIN = re.compile(r"/login\b")


@pytest_asyncio.fixture(loop_scope="session")
async def own_site(
    peopled: Path, tmp_path: Path, own_model: ModelServer
) -> AsyncIterator[Site]:
    """A server whose people one test may change."""
    data = shutil.copytree(peopled, tmp_path / "data")
    async with serving(Path(data), own_model) as site:
        yield site
        assert site.errors() == []


async def test_signing_in_leads_to_the_page_that_was_asked_for_and_out_ends_it(
    browser: Browser, site: Site
) -> None:
    async with visiting(browser, site.base) as context:
        page = await context.new_page()
        await page.goto("/password")
        await expect(page).to_have_url(AT_LOGIN)
        await sign_in_by_hand(page, "bob", "not the password")
        await expect(page.get_by_role("alert")).to_contain_text("correct username")
        await sign_in_by_hand(page, "bob")
        await expect(page).to_have_url(re.compile("/password$"))

        await page.goto("/")
        await page.locator(".account summary").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page).to_have_url(AT_LOGIN)
        await page.goto("/")
        await expect(page).to_have_url(AT_LOGIN)


async def test_signing_out_leaves_no_draft_behind(browser: Browser, site: Site) -> None:
    async with visiting(browser, site.base, name="bob") as context:
        chat = await open_chat(context)
        await chat.box.fill("Nobody else's business")
        await chat.page.locator(".account summary").click()
        await chat.page.get_by_role("button", name="Sign out").click()
        await chat.page.get_by_label("Username").wait_for()

        assert await chat.page.evaluate("JSON.stringify({...localStorage})") == "{}"


async def test_a_new_password_replaces_the_old_one_and_ends_other_sign_ins(
    browser: Browser, own_site: Site
) -> None:
    async with (
        visiting(browser, own_site.base, name="bob") as here,
        visiting(browser, own_site.base, name="bob") as elsewhere,
    ):
        page = await here.new_page()
        await page.goto("/password")
        await page.get_by_label("Old password").fill(PASSWORD)
        await page.get_by_label("New password", exact=True).fill(NEW)
        await page.get_by_label("New password confirmation").fill(NEW)
        await page.get_by_role("button", name="Change password").click()
        await expect(page.get_by_role("status").first).to_contain_text("been changed")
        chat = Chat(page)
        await chat.send("Still signed in?")
        await chat.says("Hello, world!")

        other = await elsewhere.new_page()
        await other.goto("/")
        await expect(other).to_have_url(AT_LOGIN)
        await sign_in_by_hand(other, "bob")
        await expect(other.get_by_role("alert")).to_contain_text("correct username")
        await sign_in_by_hand(other, "bob", NEW)
        await expect(other).to_have_url(f"{own_site.base}/")


async def test_somebody_elses_thread_is_a_404_page(
    browser: Browser, site: Site, alice: Chat
) -> None:
    await alice.send("A secret plan")
    await alice.ended()
    not_found = ("status of 404",)
    async with visiting(browser, site.base, name="bob", allowed=not_found) as context:
        page = await context.new_page()
        answer = await page.goto(alice.page.url)

        assert answer
        assert answer.status == 404
        await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
        await expect(page.locator("body")).not_to_contain_text("secret")
        await page.get_by_role("link", name="To the chat").click()
        await expect(page.locator("#welcome")).to_be_visible()


async def test_who_is_not_staff_sees_no_history(browser: Browser, site: Site) -> None:
    async with visiting(browser, site.base, name="bob") as context:
        chat = await open_chat(context)
        await chat.page.locator(".account summary").click()
        administration = chat.page.get_by_role("link", name="Administration")
        await expect(administration).to_have_count(0)
        await chat.page.goto("/admin/runs/run/")
        await expect(chat.page).to_have_url(re.compile("/admin/login/"))
