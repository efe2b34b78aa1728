"""Pages that are opened just when an answer ends."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.browser.site import Site, numbered
from tests.browser.tabs import Chat
from tests.model_server import Script

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANSWERS = 12
READERS = 4
LAST = "word11"
ACTIVE = re.compile(r'data-active data-seq="(\d+)"')


async def read_until_over(chat: Chat, site: Site, run: str) -> list[str]:
    """The thread's page, again and again until the run has been over for a while."""
    pages = []
    after = 0
    while after < 2:
        answer = await chat.page.context.request.get(chat.page.url)
        pages.append(await answer.text())
        after += site.status(run) == "completed"
    return pages


async def test_a_page_opened_while_an_answer_ends_shows_all_of_it_or_its_end_later(
    site: Site, alice: Chat
) -> None:
    wrong = []
    for _ in range(ANSWERS):
        site.model.enqueue(Script(tokens=numbered(12), pace=40))
        await alice.page.goto("/")
        run = await alice.send("Be brief")
        reading = [read_until_over(alice, site, run) for _ in range(READERS)]
        pages = [page for pages in await asyncio.gather(*reading) for page in pages]
        end = site.rows("SELECT last_seq FROM runs_run WHERE id = ?", run)[0][0]
        for page in pages:
            active = ACTIVE.search(page)
            if active and int(active[1]) >= end:
                wrong.append("waits for an end that it has already taken in")
            if not active and LAST not in page:
                wrong.append("shows as finished what it does not have")
    assert wrong == []
