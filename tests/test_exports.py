"""Threads as files: they say everything, and parse back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from chat import exports
from runs import actions, shares
from runs.models import Message, Thread, User, text_part
from tests.pages_fixtures import ended, exchange

pytestmark = pytest.mark.django_db(transaction=True)


async def saved(user: User, path: str) -> tuple[str, Any]:
    client = AsyncClient()
    await client.aforce_login(user)
    answer: Any = await client.get(path)
    assert answer.status_code == 200
    body = b"".join([piece async for piece in answer.streaming_content])
    return body.decode(), answer


@pytest.fixture
def thread(alice: User) -> Thread:
    thread = exchange(alice, exchange(alice, None, 1), 2)
    first = thread.messages.get(number=1)
    Message.objects.create(
        thread=thread,
        number=5,
        parent=first,
        on_path=False,
        role="assistant",
        content=[text_part("Another answer")],
    )
    return thread


@pytest.fixture(params=[1, 2, 200])
def in_pieces(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files come out whatever is read at once."""
    monkeypatch.setattr(exports, "PIECE", request.param)


@pytest.mark.usefixtures("in_pieces")
async def test_json_has_all_branches_and_the_facts_of_all_runs(
    alice: User, thread: Thread
) -> None:
    text, answer = await saved(alice, f"/t/{thread.pk}/export/json")

    whole = json.loads(text)
    assert answer["Content-Disposition"] == 'attachment; filename="question-1.json"'
    assert (whole["format"], whole["version"]) == ("threadmill.thread", 1)
    assert whole["thread"]["id"] == thread.pk
    messages = {one["id"]: one for one in whole["messages"]}
    assert [one["number"] for one in whole["messages"]] == [1, 2, 3, 4, 5]
    assert [one["is_shown"] for one in whole["messages"]] == [True] * 4 + [False]
    assert messages[whole["messages"][4]["parent"]]["number"] == 1
    assert {one["run"] for one in whole["messages"]} > {r["id"] for r in whole["runs"]}
    assert [run["status"] for run in whole["runs"]] == ["completed"] * 2
    async for message in Message.objects.filter(thread=thread):
        assert messages[message.pk]["content"] == message.content


@pytest.mark.usefixtures("in_pieces")
async def test_markdown_has_the_shown_branch(alice: User, thread: Thread) -> None:
    text, answer = await saved(alice, f"/t/{thread.pk}/export/md")

    lines = text.splitlines()
    assert lines[0] == "# Question 1"
    assert [line.split(",")[0] for line in lines if line.startswith("## ")] == [
        "## alice",
        "## Assistant",
    ] * 2
    assert "Answer 2" in lines
    assert "Another answer" not in text
    assert "text/markdown" in answer["Content-Type"]


@pytest.mark.usefixtures("in_pieces")
async def test_the_page_to_print_is_whole_and_has_no_script(
    alice: User, thread: Thread
) -> None:
    text, answer = await saved(alice, f"/t/{thread.pk}/export/print")

    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert text.count("<article") == text.count("</article>") == 4
    assert "<script" not in text
    assert "script-src 'self'" in answer["Content-Security-Policy"]


async def test_all_of_ones_threads_are_lines_of_json(alice: User, bob: User) -> None:
    threads = [await sync_to_async(exchange)(alice, None, n) for n in range(3)]
    foreign = await sync_to_async(exchange)(bob, None, 9)
    await sync_to_async(shares.share_with_team)(foreign, "read", user=bob)

    text, _ = await saved(alice, "/settings/export")

    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["thread"]["id"] for line in lines] == [one.pk for one in threads]


async def test_file_names_are_safe_whatever_the_title(alice: User) -> None:
    run = await sync_to_async(actions.post_message)(
        user=alice, text='../../etc/passwd";\r\nX: 1 <é>'
    )
    await sync_to_async(ended)(run, "completed", "Well.")

    _, answer = await saved(alice, f"/t/{run.thread_id}/export/md")

    name = 'attachment; filename="etcpasswd-x-1-e.md"'
    assert answer["Content-Disposition"] == name
