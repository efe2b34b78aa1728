"""axe finds nothing on any page or state, in either theme."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.attachments_fixtures import picture
from tests.browser.site import Site
from tests.browser.tabs import Chat, open_chat, visiting
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")

WRITTEN = """\
# A heading

Some *text*, `code`, a [link](https://example.org) and $x^2$.

- [ ] one
- two

| a | b |
|---|--:|
| 1 | 2 |

```python
def f(): return "x"
```
"""
PAGES = (
    "/",
    "/settings",
    "/settings/keys",
    "/settings/import",
    "/shared",
    "/search",
    "/search?q=nothing-has-this",
    "/?temporary=1",
    "/api",
    "/password",
    "/doctor",
    "/missing",
)


async def violations(page: Page, state: str) -> list[str]:
    """What axe finds, a line for each rule with the first of its places."""
    found = await Axe().run(page)
    return [
        f"{state}: {one['id']} ({len(one['nodes'])}): {one['nodes'][0]['html'][:160]}"
        for one in found.response["violations"]
    ]


async def filing(page: Page) -> list[str]:
    """The menu of a row, the dialog for a title, a notice with Undo, and the archive."""
    row, menu = page.locator(".thread-row").first, page.locator("#row-menu")
    await row.hover()
    await row.locator(".row-more").click()
    found = await violations(page, "the menu of a row")
    await menu.get_by_text("Rename").click()
    await page.get_by_label("Title").wait_for()
    found += await violations(page, "a new title")
    await page.keyboard.press("Escape")
    await row.hover()
    await row.locator(".row-more").click()
    await menu.get_by_text("Archive").click()
    await page.locator(".toast").wait_for()
    found += await violations(page, "a notice with Undo")
    await page.goto("/threads/archived")
    found += await violations(page, "the archive")
    await page.get_by_role("button", name="Put").first.click()
    return found


async def attaching(site: Site, chat: Chat) -> list[str]:
    """Files in the message box, one refused, and sent; a large picture."""
    page, kind = chat.page, "image/png"
    files = [("a.png", picture(size=(90, 60))), ("a.txt", b"words"), ("x.png", b"<p>")]
    brought: list[Any] = [
        {"name": name, "mimeType": kind, "buffer": content} for name, content in files
    ]
    await page.locator("#attach-files").set_input_files(brought)
    await page.locator(".is-refused").wait_for()
    await expect(page.locator("[data-file]")).to_have_count(2)
    found = await violations(page, "files in the message box")
    site.model.enqueue(Script(tokens=["Two files."]))
    await chat.send("What are these?")
    await chat.ended()
    found += await violations(page, "a message with files")
    await page.locator("[data-lightbox]").click()
    found += await violations(page, "a large picture")
    await page.keyboard.press("Escape")
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(browser: Browser, site: Site, theme: str) -> None:
    found: list[str] = []
    async with visiting(browser, site.base, color_scheme=theme) as context:
        page = await context.new_page()
        await page.goto("/login")
        found += await violations(page, "login")
    allowed = ["404", "422"]  # a page that is missing and a file that is refused
    async with visiting(
        browser, site.base, name="alice", color_scheme=theme, allowed=allowed
    ) as context:
        chat = await open_chat(context)
        page = chat.page
        for path in PAGES:
            await page.goto(path)
            found += await violations(page, path)

        await page.goto("/")
        site.model.enqueue(
            Script(tokens=["Thinking of it ", *["word "] * 400], pace=40)
        )
        await chat.send("A question")
        await chat.says("word")
        found += await violations(page, "an answer being written")
        await chat.stop.click()
        await chat.ended()
        found += await violations(page, "a stopped answer")
        site.model.enqueue(Script(tokens=[], fault="error"))
        await chat.send("Another question")
        await chat.ended()
        found += await violations(page, "a failed answer")
        site.model.enqueue(Script(tokens=list(WRITTEN), reasoning=["Let me see."]))
        await chat.send("Show me what you can write")
        await chat.ended()
        await page.locator(".katex").first.wait_for()
        found += await violations(page, "a finished answer")

        found += [*await attaching(site, chat), *await filing(page)]
        await page.goto("/search?q=question")
        await page.locator(".result mark").first.wait_for()
        found += await violations(page, "results of a search")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("question")
        await page.locator("#palette mark").first.wait_for()
        found += await violations(page, "the palette")
        await page.keyboard.press("Escape")  # empties the field
        await page.locator("#palette mark").first.wait_for(state="detached")
        await page.keyboard.press("Escape")
        await page.locator("#scroll").focus()
        await page.keyboard.press("?")
        await page.locator(".shortcuts").wait_for()
        found += await violations(page, "the shortcuts")
        await page.keyboard.press("Escape")
        await page.locator(".account summary").click()
        found += await violations(page, "the account menu")
        await page.set_viewport_size({"width": 390, "height": 844})
        found += await violations(page, "a phone")
        await page.locator(".head-menu").click()
        found += await violations(page, "the drawer")
    assert found == []
