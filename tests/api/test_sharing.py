"""Threads that are shared with the team, by the API: the same rules as in the browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.api.conftest import Site
from tests.api.run_helpers import STALLED, again, begin, new_thread, until


def share(site: Site, thread_id: str, level: str) -> None:
    site.shell(
        "from runs import shares; from runs.models import Thread;"
        f"thread = Thread.objects.select_related('owner').get(pk='{thread_id}');"
        f"shares.share_with_team(thread, '{level}', user=thread.owner)"
    )


def test_a_team_mate_reads_what_is_shared_and_lists_only_ones_own(
    site: Site, client: OpenAI, bob: OpenAI
) -> None:
    run: Any = until(client, begin(client), "completed")
    share(site, run.thread_id, "read")

    threads = bob.beta.threads
    assert threads.retrieve(run.thread_id).id == run.thread_id
    assert len(threads.messages.list(run.thread_id).data) == 2
    assert again(bob, run).status == "completed"
    listed = site.call("GET", "/threads?limit=100", key="bob").json()["data"]
    assert run.thread_id not in [one["id"] for one in listed]
    message = threads.messages.list(run.thread_id).data[0].id
    writes: list[Callable[[], object]] = [
        lambda: threads.messages.create(run.thread_id, role="user", content="x"),
        lambda: threads.messages.delete(message, thread_id=run.thread_id),
        lambda: threads.runs.create(run.thread_id, assistant_id="asst_default"),
        lambda: threads.runs.update(run.id, thread_id=run.thread_id, metadata={}),
        lambda: threads.update(run.thread_id, metadata={}),
        lambda: threads.delete(run.thread_id),
    ]
    for write in writes:
        with pytest.raises(openai.NotFoundError):
            write()


def test_a_team_mate_takes_part_but_does_not_own(
    site: Site, client: OpenAI, bob: OpenAI
) -> None:
    thread = new_thread(client)
    share(site, thread, "write")

    bob.beta.threads.messages.create(thread, role="user", content="Mine")
    run = begin(bob, thread_id=thread, assistant_id="asst_default")
    assert until(client, run, "completed")
    for owns in (bob.beta.threads.delete, bob.beta.threads.update):
        with pytest.raises(openai.NotFoundError):
            owns(thread)


def test_unsharing_ends_an_open_stream(site: Site, client: OpenAI, bob: OpenAI) -> None:
    site.model.enqueue(STALLED)
    run = begin(client)
    share(site, run.thread_id, "read")
    path = f"{site.url}/threads/{run.thread_id}/runs/{run.id}/events"
    headers = {"Authorization": f"Bearer {site.keys['bob']}"}
    with httpx2.stream("GET", path, headers=headers, timeout=20) as answer:
        share(site, run.thread_id, "")
        since = time.monotonic()
        said = "".join(answer.iter_text())
    assert "no longer shared with you" in said
    assert time.monotonic() - since < 6
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
