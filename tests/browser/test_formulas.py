"""Formulas and diagrams: loaded where they occur, drawn without anything foreign."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.site import Site
from tests.browser.tabs import Chat
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORMULAS = """\
The *integral* $\\int_0^1 x^2 dx$ is

$$
\\frac{1}{3}
$$

and \\(\\notacommand{x}\\) stays as it is.
"""
DIAGRAM = """\
```mermaid
graph TD
  Start --> Finish["<img src=https://evil.example/x.png>"]
```
"""
BROKEN = "```mermaid\nnothing of the kind {{\n```\n"


async def test_formulas_are_typeset_live_and_after_a_reload(
    site: Site, alice: Chat
) -> None:
    asked: list[str] = []
    alice.page.on("request", lambda request: asked.append(request.url))
    site.model.enqueue(Script(tokens=list(FORMULAS)))

    await alice.send("Integrate")
    await alice.ended()

    for again in (False, True):
        if again:
            await alice.page.reload()
        await expect(alice.answer.locator("span.math .katex-html")).to_have_count(1)
        await expect(alice.answer.locator("div.math .katex-display")).to_have_count(1)
        wrong = alice.answer.locator(".math", has_text="notacommand")
        await expect(wrong).to_have_text("\\notacommand{x}")
        await expect(wrong).to_have_attribute("title", re.compile("notacommand"))
    assert any("KaTeX_Main-Regular.woff2" in url for url in asked)


async def test_a_page_without_formulas_loads_no_katex(alice: Chat) -> None:
    asked: list[str] = []
    alice.page.on("request", lambda request: asked.append(request.url))
    await alice.page.reload()

    await alice.send("It costs $5 or $6")
    await alice.ended()

    assert not [url for url in asked if "katex" in url or "mermaid" in url]


async def test_a_diagram_is_drawn_when_asked_for_and_reaches_nothing(
    site: Site, alice: Chat
) -> None:
    site.model.enqueue(Script(tokens=list(DIAGRAM)))
    await alice.send("Draw")
    await alice.ended()

    await alice.answer.get_by_role("button", name="Diagram").click()

    frame = alice.answer.frame_locator("iframe.diagram")
    await expect(frame.locator("svg")).to_be_visible()
    await expect(frame.get_by_text("Start", exact=True)).to_be_visible()
    assert await alice.answer.locator("pre").is_hidden()
    await alice.answer.get_by_role("button", name="Code").click()
    await expect(alice.answer.locator("pre")).to_be_visible()


async def test_what_is_no_diagram_stays_code(site: Site, alice: Chat) -> None:
    site.model.enqueue(Script(tokens=list(BROKEN)))
    await alice.send("Draw badly")
    await alice.ended()

    await alice.answer.get_by_role("button", name="Diagram").click()

    button = alice.answer.get_by_role("button", name="Not a diagram")
    await expect(button).to_be_visible()
    await expect(alice.answer.locator("pre")).to_be_visible()
