"""API keys in a real browser: made, copied, used and revoked; with scripts and without."""

from __future__ import annotations

import httpx2
import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.site import Site
from tests.browser.tabs import visiting

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def status(site: Site, secret: str) -> int:
    """What the API answers to this key."""
    async with httpx2.AsyncClient(timeout=30) as client:
        answer = await client.get(
            f"{site.base}/v1/models", headers={"Authorization": f"Bearer {secret}"}
        )
    return answer.status_code


async def make(page: Page, name: str) -> str:
    """Fill in the form; returns the secret that the page shows."""
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Make key").click()
    await page.get_by_role("heading", name=f"The key “{name}”").wait_for()
    return await page.get_by_label("The new key").input_value()


async def revoke(page: Page, name: str) -> None:
    await page.locator(".revoke summary", has_text=name).click()
    row = page.locator(".key", has_text=name)
    await row.get_by_role("button", name="Revoke this key").click()
    notice = page.get_by_text(f"The key “{name}” is revoked.")
    await notice.wait_for()


async def open_keys(context: BrowserContext) -> Page:
    page = await context.new_page()
    await page.goto("/settings/keys")
    return page


async def test_a_key_is_made_copied_used_and_revoked(
    browser: Browser, site: Site
) -> None:
    async with visiting(
        browser,
        site.base,
        name="alice",
        permissions=["clipboard-read", "clipboard-write"],
    ) as context:
        page = await context.new_page()
        await page.goto("/")
        await page.locator(".account summary").click()
        await page.get_by_role("link", name="API keys").click()

        secret = await make(page, "Nightly report")
        await expect(page.get_by_label("The new key")).to_be_focused()
        await page.get_by_role("button", name="Copy").click()
        await page.get_by_role("button", name="Copied").wait_for()
        assert await page.evaluate("navigator.clipboard.readText()") == secret
        assert await status(site, secret) == 200

        await page.reload()
        await expect(page.get_by_text("used just now")).to_be_visible()
        assert secret not in await page.content()

        await revoke(page, "Nightly report")
        assert await status(site, secret) == 401
    assert site.errors() == []


async def test_revoking_asks_before_it_does(browser: Browser, site: Site) -> None:
    async with visiting(browser, site.base, name="bob") as context:
        page = await open_keys(context)
        secret = await make(page, "Asked first")

        button = page.get_by_role("button", name="Revoke this key")
        await expect(button).to_be_hidden()
        await page.locator(".revoke summary").click()
        await expect(button).to_be_visible()
        await page.locator(".revoke summary").click()

        await expect(button).to_be_hidden()
        assert await status(site, secret) == 200


async def test_all_of_it_works_without_scripts(browser: Browser, site: Site) -> None:
    async with visiting(
        browser, site.base, name="bob", java_script_enabled=False
    ) as context:
        page = await open_keys(context)

        secret = await make(page, "Without scripts")
        await expect(page.get_by_role("button", name="Copy")).to_be_hidden()
        assert await status(site, secret) == 200

        await revoke(page, "Without scripts")
        assert await status(site, secret) == 401


async def test_a_mistake_is_told_and_what_was_typed_stays(
    browser: Browser, site: Site
) -> None:
    allowed = ("status of 422",)
    async with visiting(browser, site.base, name="bob", allowed=allowed) as context:
        page = await open_keys(context)
        await page.get_by_label("Name").fill("Powerless")
        await page.get_by_label("read").uncheck()
        await page.get_by_label("write").uncheck()
        await page.get_by_role("button", name="Make key").click()

        await expect(page.get_by_text("Allow at least one of these.")).to_be_visible()
        await expect(page.get_by_label("Name")).to_have_value("Powerless")


async def test_it_fits_a_phone(browser: Browser, site: Site) -> None:
    small = {"width": 390, "height": 844}
    async with visiting(browser, site.base, name="bob", viewport=small) as context:
        page = await open_keys(context)
        await make(page, "A name of many words that does not fit into one line of it")
        width = "document.documentElement.scrollWidth"

        assert await page.evaluate(width) == 390
        await page.goto("/api")
        for operation in await page.locator(".operation summary").all():
            await operation.click()
        assert await page.evaluate(width) == 390
