"""The way of somebody new: from the server's first lines to a recorded answer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.site import Site, installed, plain, serving
from tests.browser.tabs import Chat, visiting
from tests.model_server import ModelServer, Script
from tests.visitor import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANSWER = """\
## Counting words

Two ways to count, and **both** are short:

- `len(text.split())` for words
- `len(text)` for characters

```python
def count(text: str) -> int:
    # White space of any kind parts words.
    return len(text.split())
```

| text | words |
|------|------:|
| one two | 2 |
| three | 1 |

The end of the answer.
"""
PATHS = {"responses": "/v1/responses", "chat_completions": "/v1/chat/completions"}


@pytest_asyncio.fixture(loop_scope="session")
async def unclaimed(tmp_path: Path) -> Path:
    """A data folder without an account."""
    return await installed(tmp_path, people=False)


async def set_up(page: Page, site: Site) -> None:
    """Follow the printed link and make the first account."""
    link = (await site.server.read_line()).split()[-1]
    await page.goto(link)
    await page.get_by_label("Username").fill("ada")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Password confirmation").fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await page.wait_for_url(f"{site.base}/", wait_until="load")


async def see_it_rendered(chat: Chat) -> None:
    await expect(chat.answer.get_by_role("heading")).to_have_text("Counting words")
    await expect(chat.answer.locator("strong")).to_have_text("both")
    await expect(chat.answer.locator("li")).to_have_count(2)
    await expect(chat.answer.locator("tbody tr")).to_have_count(2)
    keyword = chat.answer.locator("pre code .hljs-keyword").first
    await expect(keyword).to_have_text("def")
    colours = [
        await part.evaluate("element => getComputedStyle(element).color")
        for part in (keyword, chat.answer.locator("pre code"))
    ]
    assert colours[0] != colours[1]


async def find_it_in_the_history(page: Page, question: str) -> None:
    await page.goto("/admin/")
    runs = page.get_by_role("rowheader", name="Runs")
    await runs.get_by_role("link").click()
    row = page.locator("#result_list tbody tr", has_text=question)
    await expect(row).to_contain_text("scripted")
    await row.get_by_role("link").first.click()
    texts = page.locator(".run-page > section > .run-text")
    await expect(texts.nth(0)).to_have_text(question)
    assert plain(await texts.nth(1).inner_text()) == plain(ANSWER)
    await expect(page.locator(".run-page")).to_contain_text("thread.run.completed")


@pytest.mark.parametrize("api", list(PATHS))
async def test_a_stranger_gets_from_the_link_to_an_answer_in_the_history(
    browser: Browser, unclaimed: Path, own_model: ModelServer, api: str
) -> None:
    tokens = [*re.findall(r"\s*\S+", ANSWER), "\n"]
    own_model.enqueue(Script(tokens=tokens, pace=40))
    async with (
        serving(unclaimed, own_model, OPENAI_API=api) as site,
        visiting(browser, site.base) as context,
    ):
        page = await context.new_page()
        await set_up(page, site)
        chat = Chat(page)

        run = await chat.send("How do I count words?")
        await expect(chat.answer.get_by_role("heading")).to_be_visible()
        assert site.status(run) == "in_progress", "it was not streamed"
        await see_it_rendered(chat)
        await chat.ended()
        await see_it_rendered(chat)
        await page.reload()
        await see_it_rendered(chat)
        await find_it_in_the_history(page, "How do I count words?")

        assert site.message_text(run) == ANSWER
        assert [record.path for record in own_model.requests] == [PATHS[api]]
        assert site.errors() == []


async def test_the_set_up_link_works_once(
    browser: Browser, unclaimed: Path, own_model: ModelServer
) -> None:
    async with serving(unclaimed, own_model) as site:
        async with visiting(browser, site.base) as context:
            page = await context.new_page()
            await page.goto("/")
            await expect(page.locator(".notice")).to_contain_text("set-up link")
            await set_up(page, site)
        async with visiting(browser, site.base) as stranger:
            page = await stranger.new_page()
            await page.goto(site.server.lines[1].split()[-1])
            await expect(page).to_have_url(re.compile("/login"))
            await expect(page.locator("body")).to_contain_text("exists already")


NOTICE = "Demo mode"


async def test_without_a_model_every_page_says_demo_and_an_answer_streams(
    browser: Browser, data: Path, own_model: ModelServer
) -> None:
    async with serving(data, own_model, OPENAI_BASE_URL="", OPENAI_API_KEY="") as site:
        not_found = ("status of 404",)
        async with visiting(browser, site.base, allowed=not_found) as context:
            page = await context.new_page()
            for path in ("/login", "/nowhere"):
                await page.goto(path)
                await expect(page.locator("body")).to_contain_text(NOTICE)
        async with visiting(browser, site.base, name="alice") as context:
            page = await context.new_page()
            for path in ("/admin/", "/admin/runs/run/", "/password", "/"):
                await page.goto(path)
                await expect(page.locator("body")).to_contain_text(NOTICE)
            chat = Chat(page)
            run = await chat.send("Please think about *this* message")
            await chat.says("You wrote: Please think about *this* message")
            assert site.status(run) == "in_progress", "it was not streamed"
            await chat.ended()
            await expect(chat.answer.locator("table")).to_be_visible()
            await expect(chat.turn.locator(".reasoning")).to_be_visible()
            await expect(page.locator("body")).to_contain_text(NOTICE)
        assert site.errors() == []
    assert own_model.requests == []
