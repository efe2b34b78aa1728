"""Several tabs on one thread, drafts, and what the composer's keys do."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.site import Site, numbered, plain
from tests.browser.tabs import NETWORK, Chat, open_chat, sign_in_by_hand, visiting
from tests.fault_proxy import FaultProxy
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")

RESTARTING = (r"502",)
WITHIN = 6_000  # ms, in which a tab learns that its sign-in is over


async def another_tab(chat: Chat) -> Chat:
    return await open_chat(chat.page.context, chat.page.url)


async def a_tab_that_hears_nothing(chat: Chat) -> Chat:
    """One whose page is older than the run, as after a laptop's sleep."""
    page = await chat.page.context.new_page()
    await page.route_web_socket("**/ws", lambda route: None)
    await page.goto(chat.page.url)
    return Chat(page)


async def test_a_second_tab_shows_the_same_text_live(site: Site, alice: Chat) -> None:
    site.model.enqueue(Script(tokens=numbered(150), pace=40))
    run = await alice.send("Write an answer")
    await alice.says("word5 ")

    second = await another_tab(alice)
    assert (await second.text()).startswith("word0 word1 word2")
    await second.says("word60 ")
    assert site.status(run) == "in_progress"
    await alice.ended()
    await second.ended()

    assert await alice.text() == await second.text() == plain(site.message_text(run))
    assert await second.text() == plain("".join(numbered(150)))


async def test_closing_the_only_tab_does_not_stop_the_run(
    browser: Browser, site: Site
) -> None:
    site.model.enqueue(Script(tokens=numbered(80), pace=40))
    async with visiting(browser, site.base, name="alice") as context:
        tab = await open_chat(context)
        run = await tab.send("Write an answer")
        await tab.says("word5 ")

    await site.until(lambda: site.status(run) == "completed")

    assert site.message_text(run) == "".join(numbered(80))


async def test_a_draft_survives_a_reload(alice: Chat) -> None:
    await alice.box.fill("Half a thought,\nand its second line")
    await alice.page.reload()

    await expect(alice.box).to_have_value("Half a thought,\nand its second line")


@pytest.mark.parametrize("is_offline", [False, True], ids=["refused", "offline"])
async def test_a_draft_survives_a_send_that_fails_and_is_sent_once(
    browser: Browser, site: Site, is_offline: bool
) -> None:
    before = len(site.model.requests)
    async with (
        FaultProxy(site.port) as proxy,
        visiting(browser, proxy.base, name="alice", allowed=NETWORK) as context,
    ):
        tab = await open_chat(context)
        await tab.box.fill("Can you hear me?")
        proxy.refuse()
        await context.set_offline(is_offline)
        await tab.box.press("Enter")
        await expect(tab.note).to_contain_text("could not be reached")
        await expect(tab.box).to_have_value("Can you hear me?")

        proxy.resume()
        await context.set_offline(False)
        await tab.page.reload()
        await expect(tab.box).to_have_value("Can you hear me?")
        await tab.box.press("Enter")

        await tab.says("Hello, world!")
        await tab.ended()
        await expect(tab.box).to_have_value("")
    assert len(site.model.requests) == before + 1


async def test_a_message_sent_during_a_restart_is_sent_again_by_itself_and_once(
    browser: Browser, site: Site
) -> None:
    before = len(site.model.requests)
    async with visiting(
        browser, site.base, name="alice", allowed=RESTARTING
    ) as context:
        tab = await open_chat(context)
        # Its first try is lost behind the server, the second before it.
        answers = iter(["lose", "refuse", "pass"])

        async def proxy(route: Route) -> None:
            answer = next(answers)
            if answer == "pass":
                await route.continue_()
                return
            if answer == "lose":
                await route.fetch()
            await route.fulfill(status=502, body="Bad Gateway")

        await context.route("**/messages", proxy)
        await tab.box.fill("Hello")
        await tab.box.press("Enter")
        await tab.says("Hello, world!")
        await tab.ended()
        await expect(tab.box).to_have_value("")
    assert len(site.model.requests) == before + 1


async def test_a_double_click_on_send_makes_one_run(site: Site, alice: Chat) -> None:
    before = len(site.model.requests)
    await alice.box.fill("Only once, please")
    await alice.send_button.dblclick()
    await alice.says("Hello, world!")
    await alice.ended()

    assert await alice.page.locator("article.turn-run").count() == 1
    assert len(site.model.requests) == before + 1


async def test_enter_sends_and_shift_enter_makes_a_new_line(
    site: Site, alice: Chat
) -> None:
    await alice.box.press_sequentially("first")
    await alice.box.press("Shift+Enter")
    await alice.box.press_sequentially("second")
    await expect(alice.box).to_have_value("first\nsecond")
    await expect(alice.page.locator("article")).to_have_count(0)

    await alice.box.press("Enter")

    await alice.says("Hello, world!")
    await alice.ended()
    said = alice.page.locator("article.turn-user .bubble")
    assert await said.inner_text() == "first\nsecond"


async def test_signing_out_in_another_tab_is_told_and_the_draft_kept(
    browser: Browser, site: Site
) -> None:
    site.model.enqueue(Script(tokens=numbered(400), pace=40))
    async with visiting(browser, site.base, name="bob") as context:
        first = await open_chat(context)
        run = await first.send("Write a long answer")
        await first.says("word5 ")
        await first.box.fill("Not sent yet")
        second = await another_tab(first)

        await second.page.locator(".account summary").click()
        await second.page.get_by_role("button", name="Sign out").click()
        await second.page.get_by_label("Username").wait_for()

        await expect(first.banner).to_contain_text("signed out", timeout=WITHIN)
        await expect(first.box).to_have_value("Not sent yet")
        await first.banner.get_by_role("link", name="Sign in").click()
        await sign_in_by_hand(first.page, "bob")
        await expect(first.box).to_have_value("Not sent yet")
        await first.stop.click()
        await first.ended()
    assert site.status(run) == "cancelled"
