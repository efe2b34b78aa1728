"""Files in the message box: brought, refused, kept, sent, and seen in other tabs."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Browser, Locator, Route, expect

from tests.browser.site import Site
from tests.browser.tabs import Chat, open_chat, visiting
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Files that were pasted or dropped, as a browser tells of them.
BRING = """(target, {kind, name, type, data, text}) => {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type}));
    if (text) transfer.setData("text/plain", text);
    const options = {bubbles: true, cancelable: true};
    const event = kind === "paste"
        ? new ClipboardEvent("paste", {...options, clipboardData: transfer})
        : new DragEvent(kind, {...options, dataTransfer: transfer});
    target.dispatchEvent(event);
}"""


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (640, 400), "teal").save(out, "PNG")
    return out.getvalue()


def payload(name: str, content: bytes, kind: str = "text/plain") -> Any:
    return {"name": name, "mimeType": kind, "buffer": content}


def cards(chat: Chat) -> Locator:
    return chat.page.locator(".attachment")


async def bring(
    chat: Chat, kind: str, name: str, content: bytes, text: str = ""
) -> None:
    data = base64.b64encode(content).decode()
    what = {"kind": kind, "name": name, "type": "image/png", "data": data, "text": text}
    await chat.box.evaluate(BRING, what)


async def choose(chat: Chat, *files: Any) -> None:
    async with chat.page.expect_file_chooser() as opened:
        await chat.page.get_by_role("button", name="Attach files").click()
    await (await opened.value).set_files(list(files))


async def test_files_come_by_button_paste_and_drop_outlive_a_reload_and_are_sent(
    site: Site, alice: Chat
) -> None:
    page = alice.page
    await choose(alice, payload("notes.txt", b"word " * 300))
    await expect(cards(alice).first).to_contain_text("about 500 tokens")
    await expect(alice.box).to_be_focused()
    await expect(page.locator("#announcer")).to_have_text("notes.txt is attached")
    # A picture of the text beside the text is not meant; a name beside the file is.
    await bring(alice, "paste", "words.png", picture(), "A table of words")
    await expect(cards(alice)).to_have_count(1)
    await bring(alice, "paste", "pasted.png", picture(), "pasted.png")
    await expect(cards(alice).nth(1).locator("img")).to_be_visible()

    await bring(alice, "dragenter", "dropped.png", picture())
    await expect(page.get_by_text("Drop files to attach them")).to_be_visible()
    await bring(alice, "drop", "dropped.png", picture())
    await expect(page.get_by_text("Drop files to attach them")).to_be_hidden()
    await expect(page.locator("[data-file]")).to_have_count(3)

    # By keyboard one is removed; the focus goes to its neighbour.
    await cards(alice).nth(2).get_by_role("button").press("Enter")
    await expect(cards(alice)).to_have_count(2)
    await expect(cards(alice).nth(1).get_by_role("button")).to_be_focused()

    await alice.box.fill("What is this?")
    await page.reload()
    await expect(page.locator("[data-file]")).to_have_count(2)
    await expect(alice.box).to_have_value("What is this?")

    site.model.enqueue(Script(tokens=["Two ", "files."]))
    await alice.send_button.click()
    await alice.says("Two files.")
    await expect(cards(alice)).to_have_count(0)
    await expect(page.locator(".attached-picture img")).to_be_visible()
    second = await open_chat(page.context, page.url)
    await expect(second.page.locator(".attached-file")).to_contain_text("notes.txt")

    await second.page.locator("[data-lightbox]").click()
    lightbox = second.page.get_by_role("dialog", name="pasted.png")
    await expect(lightbox.get_by_role("img", name="pasted.png")).to_be_visible()
    await second.page.keyboard.press("Escape")
    await expect(lightbox).to_be_hidden()


async def test_a_refused_file_stays_with_its_reason_until_it_is_dismissed(
    browser: Browser, site: Site
) -> None:
    allowed = ("status of 422",)
    async with visiting(browser, site.base, name="alice", allowed=allowed) as context:
        await refused_and_dismissed(await open_chat(context))


async def refused_and_dismissed(alice: Chat) -> None:
    await choose(alice, payload("x.png", b"<html></html>", "image/png"))

    refused = alice.page.locator(".attachment.is-refused")
    await expect(refused).to_contain_text("not the picture that its name says")
    await expect(alice.page.locator("#announcer")).to_contain_text("is not attached")
    await expect(alice.send_button).to_be_disabled()
    await refused.get_by_role("button", name="Remove x.png").click()
    await expect(refused).to_have_count(0)
    await expect(alice.box).to_be_focused()


async def test_sending_waits_for_the_upload_and_a_failed_send_keeps_the_files(
    browser: Browser, site: Site
) -> None:
    allowed = ("net::ERR_", "status of 500", "htmx:")
    async with visiting(browser, site.base, name="alice", allowed=allowed) as context:
        chat = await open_chat(context)
        go_on = asyncio.Event()

        async def late(route: Route) -> None:
            await go_on.wait()
            await route.continue_()

        async def broken(route: Route) -> None:
            await route.fulfill(status=500, body="no")

        await chat.page.route("**/files", late)
        await chat.page.route("**/messages", broken)
        await choose(chat, payload("notes.txt", b"words"))
        await expect(cards(chat).get_by_role("progressbar")).to_be_visible()
        await chat.box.fill("Read this")
        await chat.box.press("Enter")
        await expect(chat.note).to_contain_text("as soon as the files are there")
        go_on.set()
        await expect(chat.note).to_contain_text("Your text is kept")
        await expect(chat.page.locator("[data-file]")).to_have_count(1)

        await chat.page.unroute("**/messages")
        site.model.enqueue(Script(tokens=["Read."]))
        await chat.box.press("Enter")
        await chat.says("Read.")
        await expect(cards(chat)).to_have_count(0)


async def test_what_the_model_can_not_take_is_said_before_sending(
    browser: Browser, site: Site
) -> None:
    async with visiting(browser, site.base, name="alice") as context:
        chat = await open_chat(context)
        note = chat.page.locator("#attachments-blind")
        await choose(chat, payload("cat.png", picture(), "image/png"))
        await expect(chat.page.locator("[data-image]")).to_be_visible()
        await expect(note).to_be_hidden()

        site.model.enqueue(Script(tokens=["A cat."]))
        await chat.send("What is it?")
        await chat.says("A cat.")
        await chat.ended()
        await choose(chat, payload("dog.png", picture(), "image/png"))
        await chat.page.get_by_role("button", name="Parameters of this thread").click()
        await chat.page.locator("#dialog [name=model]").fill("o1-mini")
        await chat.page.get_by_role("button", name="Save").click()
        await expect(note).to_be_visible()


async def test_a_phone_has_room_for_files(browser: Browser, site: Site) -> None:
    phone: dict[str, Any] = {
        "viewport": {"width": 390, "height": 844},
        "has_touch": True,
        "is_mobile": True,
    }
    async with visiting(browser, site.base, name="alice", **phone) as context:
        chat = await open_chat(context)
        async with chat.page.expect_file_chooser() as opened:
            await chat.page.get_by_role("button", name="Attach files").tap()
        files = [payload(f"{n}.png", picture(), "image/png") for n in range(3)]
        await (await opened.value).set_files(files)
        await expect(chat.page.locator("[data-image]")).to_have_count(3)
        await expect(chat.box).to_be_in_viewport()
        wide = await chat.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390
