"""What is done with messages that are there: edit, answer again, versions, and the rest."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.site import Site
from tests.browser.tabs import Chat, open_chat
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")


def told(site: Site, *answers: str) -> None:
    site.model.enqueue(*(Script(tokens=[answer]) for answer in answers))


async def asked(chat: Chat, text: str) -> None:
    await chat.send(text)
    await chat.ended()


def question(chat: Chat) -> Locator:
    return chat.page.locator("article.turn-user").first


async def choose(chat: Chat, turn: Locator, entry: str) -> None:
    """Press an entry of a turn's menu."""
    await turn.hover()
    await turn.locator(".turn-menu summary").click()
    await turn.get_by_role("button", name=entry, exact=True).click()


async def test_an_edited_question_is_a_version_beside_the_old_one(
    site: Site, alice: Chat
) -> None:
    told(site, "Paris.", "Rome.", "Rome, again.")
    await asked(alice, "The capital of France?")
    second = await open_chat(alice.page.context, alice.page.url)

    # The arrow up in the empty box edits; Escape leaves all as it was, Ctrl+Enter sends.
    await alice.box.press("ArrowUp")
    edit = question(alice).locator(".edit-text")
    await expect(edit).to_be_focused()
    await edit.press("Escape")
    await expect(question(alice).locator(".edit-message")).to_be_focused()
    await alice.box.focus()
    await alice.box.press("ArrowUp")
    await edit.fill("The capital of Italy?")
    await edit.press("Control+Enter")
    await expect(alice.answer).to_contain_text("Rome.")
    await alice.ended()
    place = question(alice).locator(".versions-place")
    await expect(place).to_contain_text("2 / 2")
    await expect(second.answer).to_contain_text("Rome.")

    # Arrows lead from version to version, and keep the focus.
    await question(alice).get_by_role("button", name="Previous version").click()
    await expect(alice.answer).to_contain_text("Paris.")
    following = question(alice).get_by_role("button", name="Next version")
    await expect(following).to_be_focused()
    await expect(second.answer).to_contain_text("Paris.")
    await alice.page.reload()
    await expect(alice.answer).to_contain_text("Paris.")
    await following.press("Enter")
    await expect(alice.answer).to_contain_text("Rome.")

    # Answers have versions, too.
    await alice.turn.hover()
    await alice.turn.get_by_role("button", name="Answer again").click()
    await expect(alice.answer).to_contain_text("Rome, again.")
    await alice.ended()
    await expect(alice.turn.locator(".versions-place")).to_contain_text("2 / 2")
    assert site.model.requests[-1].body["messages"][-1]["content"] == (
        "The capital of Italy?"
    )


async def test_a_link_to_a_version_that_is_not_shown_offers_to_show_it(
    site: Site, alice: Chat
) -> None:
    told(site, "One.", "Two.")
    await asked(alice, "Count.")
    old = await alice.turn.get_attribute("id")
    await alice.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await choose(alice, alice.turn, "Copy link")
    link = await alice.page.evaluate("navigator.clipboard.readText()")
    assert link.endswith(f"#{old}")
    await alice.turn.hover()
    await alice.turn.get_by_role("button", name="Answer again").click()
    await expect(alice.answer).to_contain_text("Two.")
    await alice.ended()

    tab = await open_chat(alice.page.context, link)
    await tab.page.get_by_role("button", name="Show it").click()
    await expect(tab.answer).to_contain_text("One.")
    await expect(tab.turn).to_be_focused()
    await expect(alice.answer).to_contain_text("One.")


async def test_an_answer_is_quoted_judged_looked_into_and_deleted(
    site: Site, alice: Chat
) -> None:
    page = alice.page
    told(site, "Forty-two, they say.")
    await asked(alice, "What is the answer?")

    await choose(alice, alice.turn, "Quote")
    await expect(alice.box).to_have_value("> Forty-two, they say.\n\n")
    await alice.box.fill("")

    await alice.turn.get_by_role("button", name="Bad answer").click()
    await alice.turn.get_by_role("button", name="Add a note").click()
    await page.get_by_label("Note").fill("Nobody says so.")
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(alice.turn.get_by_role("button", name="Your note")).to_be_visible()
    await page.reload()
    bad = alice.turn.get_by_role("button", name="Bad answer")
    await expect(bad).to_have_attribute("aria-pressed", "true")

    await choose(alice, alice.turn, "Details")
    facts = page.locator(".details-facts")
    for name in ("Model", "Duration", "First token", "Tokens", "Cost"):
        await expect(facts).to_contain_text(re.compile(name, re.IGNORECASE))
    await page.keyboard.press("Escape")

    await choose(alice, alice.turn, "Delete")
    await page.get_by_role("button", name="Cancel").click()
    await expect(alice.answer).to_contain_text("Forty-two")
    await choose(alice, alice.turn, "Delete")
    await page.locator("#dialog").get_by_role("button", name="Delete").click()
    await expect(alice.end).to_contain_text("Deleted")
    await page.reload()
    await expect(page.get_by_text("Forty-two")).to_have_count(0)
    await expect(question(alice)).to_contain_text("What is the answer?")


async def test_an_answer_that_reached_its_limit_goes_on(
    site: Site, alice: Chat
) -> None:
    site.model.enqueue(Script(tokens=["The first half"], finish="length"))
    await asked(alice, "A long story")
    told(site, " and the second.")
    await alice.end.get_by_role("button", name="Continue").click()
    await alice.ended()
    await expect(alice.page.locator("#turns")).to_contain_text("The first half")
    await expect(alice.page.locator("#turns")).to_contain_text("and the second.")
