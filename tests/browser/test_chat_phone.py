"""The chat on a phone: a narrow screen, touch, and no keyboard but its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from tests.browser.site import Site
from tests.browser.tabs import Chat, open_chat, visiting
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")

WIDTH = 390
PHONE: dict[str, Any] = {
    "viewport": {"width": WIDTH, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
WIDE = f"""\
A [link](https://example.org/{"long" * 40}) and {"Donaudampfschifffahrt" * 8}.

```python
{"x = 1; " * 60}
```

| {" | ".join(f"column {n}" for n in range(12))} |
|{"---|" * 12}
| {" | ".join("a longer cell" for _ in range(12))} |

The end of the answer.
"""
# What sticks out to the right of the screen without a box that scrolls around it.
STICKS_OUT = """() => {
    const scrolls = (element) => {
        for (let at = element.parentElement; at; at = at.parentElement) {
            if (getComputedStyle(at).overflowX !== "visible") return true;
        }
        return false;
    };
    const wide = [document.scrollingElement, document.getElementById("scroll")]
        .filter((box) => box && box.scrollWidth > box.clientWidth)
        .map((box) => box.id || box.localName);
    const out = [...document.body.querySelectorAll("*")]
        .filter((element) => element.checkVisibility() && !scrolls(element))
        .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
        .map((element) => element.outerHTML.slice(0, 100));
    return [...wide, ...out];
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def phone(browser: Browser, site: Site) -> AsyncIterator[Chat]:
    """Alice's phone on a new chat."""
    async with visiting(browser, site.base, name="alice", **PHONE) as context:
        yield await open_chat(context)
    assert site.errors() == []


async def fits(chat: Chat) -> None:
    assert await chat.page.evaluate(STICKS_OUT) == []


async def is_inside(part: Locator) -> bool:
    box = await part.bounding_box()
    assert box
    return box["x"] >= 0 and box["x"] + box["width"] <= WIDTH


async def test_on_a_phone_a_message_is_sent_by_touch_and_nothing_scrolls_sideways(
    site: Site, phone: Chat
) -> None:
    site.model.enqueue(Script(tokens=[WIDE]))
    await fits(phone)
    await phone.box.tap()
    await phone.box.press_sequentially("A question")
    await phone.box.press("Enter")
    await phone.box.press_sequentially("in two lines")
    await expect(phone.box).to_have_value("A question\nin two lines")
    assert await is_inside(phone.box)
    assert await is_inside(phone.send_button)

    await phone.send_button.tap()
    await phone.says("The end of the answer")
    await phone.ended()

    await fits(phone)
    await expect(phone.send_button).to_be_in_viewport()
    await phone.page.reload()
    await fits(phone)


async def test_on_a_phone_the_drawer_opens_and_closes(phone: Chat) -> None:
    await phone.send("A thread to find again")
    await phone.ended()
    drawer = phone.page.locator("#sidebar")
    menu = phone.page.locator(".head-menu")
    await expect(drawer).to_be_hidden()

    await menu.tap()
    await expect(drawer).to_be_in_viewport()
    await fits(phone)
    await drawer.get_by_label("Close").tap()
    await expect(drawer).to_be_hidden()

    await menu.tap()
    await phone.page.touchscreen.tap(380, 500)
    await expect(drawer).to_be_hidden()

    await menu.tap()
    await drawer.get_by_role("link", name="New chat").tap()
    await expect(phone.page.locator("#welcome")).to_be_visible()
    await expect(drawer).to_be_hidden()
    await menu.tap()
    await drawer.get_by_role("link", name="A thread to find again").tap()
    await phone.says("Hello, world!")
    await expect(drawer).to_be_hidden()


@pytest.mark.parametrize(
    "path", ["/password", "/admin/", "/admin/runs/run/", "/nowhere"]
)
async def test_on_a_phone_no_page_scrolls_sideways(
    browser: Browser, site: Site, path: str
) -> None:
    not_found = ("status of 404",)
    async with visiting(
        browser, site.base, name="alice", allowed=not_found, **PHONE
    ) as context:
        await fits(await open_chat(context, path))
