"""The doctor's page in a real browser, straight and behind proxies that do harm."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, Route, expect

from tests.browser.site import Site, free_port, serving
from tests.browser.tabs import NETWORK, open_chat, visiting
from tests.doctor_proxy import proxies
from tests.model_server import ModelServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

# As soon as there is a body, which is before any module runs.
SHORTEN = """
new MutationObserver((_, observer) => {
  if (!document.body) return;
  document.body.dataset.idle = "%d";
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""


@pytest_asyncio.fixture(loop_scope="session")
async def behind(site: Site, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    async with proxies(tmp_path, site.port) as addresses:
        yield addresses


def row(page: Page, name: str) -> Locator:
    heading = page.get_by_role("heading", name=name, exact=True)
    return page.locator(".finding").filter(has=heading)


async def expect_verdict(page: Page, name: str, verdict: str) -> None:
    await expect(row(page, name).locator(".finding-verdict")).to_have_text(verdict)


async def open_doctor(context: BrowserContext, *, idle: int = 1) -> Page:
    """The page, with a shorter time of silence than the real 70 s."""
    page = await context.new_page()
    await page.add_init_script(SHORTEN % idle)
    await page.goto("/doctor")
    return page


async def test_a_healthy_server_passes_every_check_of_the_browser(
    browser: Browser, site: Site
) -> None:
    await site.until(lambda: bool(site.rows("SELECT 1 FROM runs_workerbeat")))
    async with visiting(browser, site.base, name="alice") as context:
        page = await open_doctor(context)
        checks = page.locator("#browser .finding")
        passed = page.locator("#browser [data-verdict=ok]")

        await expect(checks).to_have_count(9)
        await expect(passed).to_have_count(8)  # PUBLIC_URL is not set
        await expect_verdict(page, "Page address", "skipped")
        await expect(page.locator("#server [data-verdict=ok]")).to_have_count(7)
        await expect(page.locator("#sum")).to_have_text("15 ok, 1 warning, 4 skipped")
        await expect(row(page, "Idle websocket")).to_contain_text("Open for 1 s")
        await expect(row(page, "Streaming")).to_contain_text(
            re.compile(r"1\.[89] s\.$")
        )


async def test_the_page_stands_at_once_and_the_servers_findings_follow(
    browser: Browser, site: Site
) -> None:
    async with visiting(browser, site.base, name="alice") as context:
        page = await context.new_page()
        held: asyncio.Future[Route] = asyncio.get_running_loop().create_future()
        await page.route("**/doctor/checks", lambda route: held.set_result(route))
        await page.goto("/doctor")

        await expect(page.locator("#server [data-verdict=testing]")).to_have_count(11)
        await expect_verdict(page, "Websocket", "ok")
        await (await held).continue_()
        await expect_verdict(page, "Database", "ok")
        await expect(page.locator("#server [data-verdict=testing]")).to_have_count(0)


async def test_the_report_is_copied_as_plain_text(browser: Browser, site: Site) -> None:
    may = ["clipboard-read", "clipboard-write"]
    async with visiting(browser, site.base, name="alice", permissions=may) as context:
        page = await open_doctor(context)
        await expect(page.locator("[data-verdict=testing]")).to_have_count(0)
        await page.get_by_role("button", name="Copy report").click()
        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        report = await page.evaluate("navigator.clipboard.readText()")

    assert site.base in report
    assert re.search(r"^ok +Database +SQLite", report, re.MULTILINE)
    assert re.search(r"^ +Mend: Set PUBLIC_URL", report, re.MULTILINE)
    assert "15 ok, 1 warning, 4 skipped" in report


async def test_testing_again_asks_everything_anew(browser: Browser, site: Site) -> None:
    async with visiting(browser, site.base, name="alice") as context:
        page = await open_doctor(context)
        await expect(page.locator("[data-verdict=testing]")).to_have_count(0)
        async with page.expect_request("**/doctor/checks"):
            await page.get_by_role("button", name="Test again").click()
        await expect_verdict(page, "Streaming", "testing")
        await expect(page.locator("#sum")).to_have_text("15 ok, 1 warning, 4 skipped")


async def test_a_proxy_that_passes_no_websockets_and_buffers_is_found(
    browser: Browser, behind: dict[str, str]
) -> None:
    address = behind["buffering"]
    refused = (*NETWORK, "status of 404")
    async with visiting(browser, address, name="alice", allowed=refused) as context:
        page = await open_doctor(context)

        await expect_verdict(page, "Websocket", "failed")
        await expect(row(page, "Websocket")).to_contain_text("Upgrade $http_upgrade")
        await expect_verdict(page, "Round trip", "skipped")
        await expect_verdict(page, "Idle websocket", "skipped")
        await expect_verdict(page, "Streaming", "failed")
        await expect(row(page, "Streaming")).to_contain_text("proxy_buffering off")
        await expect_verdict(page, "Cookies", "ok")


async def test_a_proxy_that_compresses_streams_is_found(
    browser: Browser, behind: dict[str, str]
) -> None:
    async with visiting(browser, behind["compressing"], name="alice") as context:
        page = await open_doctor(context)

        await expect_verdict(page, "Compression", "warning")
        await expect(row(page, "Compression")).to_contain_text("gzip_types")


async def test_a_proxy_that_cuts_quiet_websockets_is_found(
    browser: Browser, behind: dict[str, str]
) -> None:
    async with visiting(browser, behind["impatient"], name="alice") as context:
        page = await open_doctor(context, idle=30)

        await expect_verdict(page, "Websocket", "ok")
        await expect_verdict(page, "Idle websocket", "failed")
        await expect(row(page, "Idle websocket")).to_contain_text("Closed after 2 s")
        await expect(row(page, "Idle websocket")).to_contain_text("proxy_read_timeout")


async def test_another_address_than_public_url_is_found(
    browser: Browser, data: Path, own_model: ModelServer
) -> None:
    public, port = "http://127.0.0.1:1", free_port()
    here = f"http://127.0.0.1:{port}"
    async with (
        serving(data, own_model, port=port, PUBLIC_URL=public),
        visiting(browser, here, name="alice") as context,
    ):
        page = await open_doctor(context)

        await expect_verdict(page, "Page address", "failed")
        await expect(row(page, "Page address")).to_contain_text(public)
        await expect(row(page, "Websocket")).to_contain_text("4403")
        await expect(row(page, "Websocket")).to_contain_text("Set PUBLIC_URL")


async def test_who_has_been_signed_out_meanwhile_is_told_so(
    browser: Browser, site: Site
) -> None:
    gone = ("status of 404", "status of 403")
    async with visiting(browser, site.base, name="bob", allowed=gone) as bob:
        cookies = await bob.cookies()
        async with visiting(browser, site.base, name="alice", allowed=gone) as context:
            page = await open_doctor(context)
            await expect(page.locator("[data-verdict=testing]")).to_have_count(0)
            await context.add_cookies(
                [
                    {"name": c["name"], "value": c["value"], "url": site.base}
                    for c in cookies
                ]
            )
            await page.get_by_role("button", name="Test again").click()

            await expect(page.locator("#server")).to_contain_text("answered 404")
            await expect(page.locator("#server")).to_contain_text("Sign in again.")
            await expect_verdict(page, "Streaming", "failed")


async def test_staff_find_the_page_in_the_menu_and_others_do_not(
    browser: Browser, site: Site
) -> None:
    async with visiting(browser, site.base, name="alice") as context:
        chat = await open_chat(context)
        await chat.page.locator(".account summary").click()
        await chat.page.get_by_role("link", name="Doctor").click()
        await expect(chat.page.get_by_role("heading", name="Doctor")).to_be_visible()

    missing = ("status of 404",)
    async with visiting(browser, site.base, name="bob", allowed=missing) as context:
        chat = await open_chat(context)
        await chat.page.locator(".account summary").click()
        await expect(chat.page.get_by_role("link", name="Doctor")).to_have_count(0)
        answer = await chat.page.goto("/doctor")
        assert answer
        assert answer.status == 404
