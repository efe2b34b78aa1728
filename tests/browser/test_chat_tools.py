"""Tools in an answer: cards, forms and approvals, with a server that executes some."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from tests.browser.site import Site, numbered, serving
from tests.browser.tabs import Chat, open_chat, visiting
from tests.model_server import Call, ModelServer, Script
from tests.server_process import environment, manage

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALLOW = """
from runs.models import Assistant
made = Assistant.objects.default()
made.server_tools = ["calculate", "echo", "guarded", "endless"]
made.tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
made.save(update_fields=["server_tools", "tools"])
"""
SUM = Call(id="call_s", name="calculate", arguments=['{"expression": ', '"6 * 7"}'])
ENDLESS = Call(id="call_e", name="endless")
GUARDED = Call(id="call_g", name="guarded", arguments=['{"text": "now"}'])
WEATHER = Call(id="call_w", name="weather", arguments=['{"city": "Rome"}'])
NAMES = ["Let me see.", "calculate", "Hello, world!"]


def asking(*calls: Call) -> Script:
    return Script(tokens=["Let me see."], finish="tool_calls", tool_calls=calls)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tool_site(
    peopled: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    data = Path(shutil.copytree(peopled, tmp_path_factory.mktemp("tools") / "data"))
    done = await manage("shell", "-v", "0", "-c", ALLOW, env=environment(data))
    assert done.code == 0, done.err
    modules = "tests.tool_examples"
    async with (
        ModelServer() as model,
        serving(data, model, TOOL_MODULES=modules) as running,
    ):
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def tab(browser: Browser, tool_site: Site) -> AsyncIterator[Chat]:
    async with visiting(browser, tool_site.base, name="alice") as context:
        yield await open_chat(context)
    assert tool_site.errors() == []


def card(chat: Chat, name: str) -> Locator:
    return chat.turn.locator(".call").filter(has_text=name)


async def assert_answer_is(chat: Chat) -> None:
    """The card stands between the texts, folded, and shows what came of the call."""
    parts = chat.answer.locator(":scope > *")
    await expect(parts).to_have_count(3)
    for place, words in enumerate(NAMES):
        await expect(parts.nth(place)).to_contain_text(words)
    shown = card(chat, "calculate")
    await expect(shown.locator(".call-output")).to_be_hidden()
    await shown.locator("summary").click()
    await expect(shown.locator(".call-arguments")).to_have_text(
        '{ "expression": "6 * 7" }'
    )
    await expect(shown.locator(".call-output")).to_have_text("42")


async def test_a_tool_of_the_server_runs_by_itself_and_its_card_stays(
    tool_site: Site, tab: Chat
) -> None:
    tool_site.model.enqueue(asking(SUM))
    run = await tab.send("What is six times seven?")
    await tab.says("Hello, world!")
    await tab.ended()
    assert tool_site.status(run) == "completed"

    await assert_answer_is(tab)
    await tab.page.reload()
    await assert_answer_is(tab)


async def test_a_card_is_live_and_stop_ends_a_tool_that_runs(
    tool_site: Site, tab: Chat
) -> None:
    tool_site.model.enqueue(asking(SUM, ENDLESS))
    run = await tab.send("Wait for ever")
    await expect(card(tab, "endless")).to_have_attribute("data-state", "running")
    await expect(card(tab, "calculate")).to_have_attribute("data-state", "done")
    await expect(tab.progress).to_have_text("Running 2 tools")
    second = await open_chat(tab.page.context, tab.page.url)
    await expect(card(second, "calculate")).to_have_attribute("data-state", "done")
    await expect(card(second, "endless")).to_have_attribute("data-state", "running")
    await expect(second.progress).to_have_text("Running a tool")

    await tab.stop.click()
    for one in (tab, second):
        await one.ended()
        await expect(one.end).to_contain_text("Stopped")
        await expect(card(one, "endless")).to_have_attribute("data-state", "cancelled")
        await expect(card(one, "calculate")).to_have_attribute("data-state", "done")
    assert tool_site.status(run) == "cancelled"


async def test_a_person_answers_a_function_and_approves_a_tool(
    tool_site: Site, tab: Chat
) -> None:
    tool_site.model.enqueue(
        asking(WEATHER, GUARDED), Script(tokens=numbered(100), pace=40)
    )
    run = await tab.send("And the weather?")
    second = await open_chat(tab.page.context, tab.page.url)
    for one in (tab, second):
        await expect(one.turn.locator(".wait")).to_have_count(2)
        await expect(one.progress).to_contain_text("Waiting for")
        await expect(card(one, "weather")).to_have_attribute("data-state", "waiting")
    await expect(tab.turn.locator(".wait-limit")).to_contain_text("expires in")
    box = second.page.get_by_label("Result of weather")
    await box.fill("Sun")

    await tab.page.get_by_role("button", name="Approve").click()
    await expect(second.page.get_by_role("button", name="Approve")).to_have_count(0)
    await expect(box).to_have_value("Sun")
    await second.page.get_by_role("button", name="Send results").click()

    for one in (tab, second):
        await one.says("word20 ")
        await expect(one.turn.locator(".wait")).to_have_count(0)
        await one.ended()
        shown = await one.turn.locator(".call-output").all_text_contents()
        assert shown == ["Sun", "guarded now"]
    assert tool_site.status(run) == "completed"


async def test_a_person_declines(tool_site: Site, tab: Chat) -> None:
    tool_site.model.enqueue(asking(WEATHER, GUARDED))
    await tab.send("And the weather?")
    await tab.page.get_by_label("Decline to answer").check()
    await tab.page.get_by_role("button", name="Decline", exact=True).click()
    await expect(tab.page.get_by_role("button", name="Approve")).to_have_count(0)
    await tab.page.get_by_role("button", name="Send results").click()
    await tab.says("Hello, world!")
    await tab.ended()
    for name in ("weather", "guarded"):
        await expect(card(tab, name)).to_have_attribute("data-state", "declined")


async def test_stop_ends_the_wait(tool_site: Site, tab: Chat) -> None:
    tool_site.model.enqueue(asking(GUARDED))
    run = await tab.send("May I?")
    await tab.turn.locator(".wait").wait_for()
    await tab.page.get_by_label("Message", exact=True).press("Escape")
    await tab.ended()
    await expect(tab.turn.locator(".wait")).to_have_count(0)
    assert tool_site.status(run) == "cancelled"
