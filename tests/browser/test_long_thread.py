"""A long thread: its end first, older turns while scrolling up, and nothing jumps."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.site import Site
from tests.browser.tabs import Chat
from tests.server_process import environment, manage

pytestmark = pytest.mark.asyncio(loop_scope="session")

MESSAGES = 120
MAKE = f"""
from runs.models import Message, Thread, User, text_part
alice = User.objects.get(username="alice")
thread = Thread.objects.create(owner=alice, title="A long thread")
messages, last = [], None
for number in range(1, {MESSAGES} + 1):
    last = Message(
        thread=thread,
        number=number,
        parent=last,
        role="user" if number % 2 else "assistant",
        author=alice,
        content=[text_part("Words in a row. " * 12 + f"End of {{number}}.")],
    )
    messages.append(last)
Message.objects.bulk_create(messages)
print(thread.pk)
"""
# Scrolls near the top, and tells of each frame until older turns have come where the
# first turn of before stood.
SCROLL_UP = """async () => {
    const box = document.getElementById("scroll");
    const first = document.querySelector("#turns > article");
    box.scrollTop = 300;
    await new Promise(requestAnimationFrame);
    const stood = first.getBoundingClientRect().top;
    const places = [];
    while (!first.previousElementSibling?.matches("article")) {
        await new Promise(requestAnimationFrame);
        places.push(first.getBoundingClientRect().top - stood);
    }
    for (let frame = 0; frame < 5; frame++) {
        await new Promise(requestAnimationFrame);
        places.push(first.getBoundingClientRect().top - stood);
    }
    return Math.max(...places.map(Math.abs));
}"""


async def test_older_turns_come_while_scrolling_up_and_nothing_jumps(
    site: Site, alice: Chat
) -> None:
    arguments = ("shell", "--verbosity", "0", "-c", MAKE)
    made = await manage(*arguments, env=environment(site.data))
    assert made.code == 0, made.err
    page = alice.page

    await page.goto(f"/t/{made.out.split()[-1]}")
    turns = page.locator("#turns > article")
    await expect(turns.last).to_contain_text(f"End of {MESSAGES}.")
    await expect(turns.last).to_be_in_viewport()
    shown = await turns.count()
    assert shown <= MESSAGES / 2

    assert await page.evaluate(SCROLL_UP) <= 1  # px
    while await turns.count() < MESSAGES:
        known = await turns.count()
        await page.locator("#scroll").evaluate("box => { box.scrollTop = 0; }")
        await expect(turns.nth(known)).to_be_attached()
    await page.locator("#scroll").evaluate("box => { box.scrollTop = 0; }")
    await expect(turns.first).to_contain_text("End of 1.")
    await expect(page.locator("#earlier")).to_have_count(0)
