"""Uploaded exports of ChatGPT and Claude: taken in batch by batch, once, within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from runs.imports import archive, uploads
from runs.models import File, FileChunk, Import, Message, Thread, User
from tests.imports_exports import FIRST, chatgpt, claude, node, zipped
from tests.pages_fixtures import HTMX, client_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(alice: User) -> Client:
    return client_of(alice)


def upload(page: Client, content: Any, name: str = "export.zip") -> Import:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = page.post("/settings/import", {"export": SimpleUploadedFile(name, data)})
    assert answer.status_code == 302, text_of(answer)
    return Import.objects.order_by("created_at").last()  # type: ignore[return-value]


def worked_off(row: Import) -> Import:
    job = uploads.take("w")
    assert job is not None
    while job.work():
        pass
    row.refresh_from_db()
    return row


def texts(thread: Thread, **only: Any) -> list[str]:
    rows = thread.messages.filter(**only).order_by("number")
    return [row.text for row in rows]


def test_a_tree_of_chatgpt_becomes_ours_with_its_shown_branch(page: Client) -> None:
    row = worked_off(upload(page, zipped({"conversations.json": [chatgpt()]})))

    thread = Thread.objects.get()
    assert (row.status, row.threads_made, row.messages_made) == ("completed", 1, 6)
    assert thread.title == "Sizes of things"
    assert thread.created_at.timestamp() == FIRST
    assert thread.metadata == {"imported_from": "chatgpt", "imported_id": "conv-1"}
    assert texts(thread, on_path=True) == [
        "How *big* is it?",
        "Very big.",
        "```python\nprint(1)\n```",
        "[An image was left out.]\n\nAnd this?",
        "That, too.",
    ]
    assert texts(thread, on_path=False) == ["Quite small."]
    for message in thread.messages.exclude(parent=None).select_related("parent"):
        assert message.parent.number < message.number  # type: ignore[union-attr]
    assert row.left_out == {"tool_output": 1, "image": 1}
    assert not File.objects.exists()


def test_a_list_of_claude_becomes_a_thread(page: Client) -> None:
    row = worked_off(upload(page, [claude()], "conversations.json"))

    thread = Thread.objects.get()
    assert row.status == "completed"
    assert texts(thread, on_path=True) == [
        "Plan it.\n\n[notes.txt]\nMonday.",
        "On Monday.",
        "Thanks\n\n[A file was left out: photo.png]",
    ]
    assert f"{thread.created_at:%Y-%m-%d %H:%M}" == "2024-05-01 10:00"
    assert row.left_out == {"reasoning": 1, "file": 1}


def test_what_is_there_already_is_not_taken_twice(page: Client) -> None:
    worked_off(upload(page, [chatgpt("a"), claude("b")]))
    row = worked_off(upload(page, [chatgpt("a"), claude("b"), claude("c")]))

    assert (row.threads_made, row.threads_skipped) == (1, 2)
    assert Thread.objects.count() == 3


def test_what_cannot_be_taken_is_named_and_the_rest_goes_on(page: Client) -> None:
    loop = chatgpt("loop", node("a", "b", "user", "x"), node("b", "a", "user", "y"))
    bad = [
        17,
        {"some": "thing"},
        chatgpt("") | {"id": None},
        loop,
        claude() | {"name": "\ud800"},
    ]
    row = worked_off(upload(page, [*bad, chatgpt("good\0")]))

    assert (row.status, row.threads_made, row.refused_count) == ("completed", 1, 5)
    assert [reason for _, reason in row.refused] == [
        "it is no JSON object",
        "it is neither of ChatGPT nor of Claude",
        "it has no id",
        "it has no messages that can be taken",
        "it has half a character, a lone surrogate",
    ]
    shown = text_of(page.get("/settings/import"))
    assert "5 refused" in shown
    assert "[2] it is neither of ChatGPT nor of Claude" in shown


def test_another_worker_goes_on_behind_a_dead_one(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE", 2)
    row = upload(page, [claude(f"c{n}") for n in range(5)])
    dead = uploads.take("dead")
    assert dead
    assert dead.work()
    assert uploads.take("other") is None
    Import.objects.update(lease_until="2020-01-01T00:00:00Z")

    other = uploads.take("other")
    assert other
    while other.work():
        pass

    assert not dead.work()  # its lease is lost, and nothing of it stays
    row.refresh_from_db()
    assert (row.status, row.done, row.threads_made) == ("completed", 5, 5)
    assert Thread.objects.count() == 5


def test_threads_appear_while_the_rest_is_read(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "AT_ONCE", 1)
    upload(page, [chatgpt("a"), claude("b")])
    job = uploads.take("w")
    assert job
    job.work()

    assert "Sizes of things" in text_of(page.get("/threads", headers=HTMX))
    assert "1 thread taken in" in text_of(page.get("/settings/import", headers=HTMX))


def test_one_import_of_a_person_at_a_time(page: Client) -> None:
    upload(page, [claude()])

    again = SimpleUploadedFile("b.json", b"[]")
    answer = page.post("/settings/import", {"export": again})

    assert answer.status_code == 409
    assert File.objects.count() == 1


BOMB = {"conversations.json": b"[" + b" " * 5_000_000 + b"]"}
HOSTILE = {
    "a bomb": (zipped(BOMB), "unpacks to more"),
    "no conversations": (zipped({"../../etc/passwd": "x"}), "no conversations.json"),
    "cut off": (zipped({"conversations.json": [claude()]})[:-30], "broken"),
    "no list": (b'{"a": 1}', "no list"),
    "no JSON": (b"[{]", "no JSON from [1]"),
    "half a list": (b'[{"a": 1}', "cut off after [1]"),
    "no text": (b'["\xff"]', "no UTF-8"),
    "deep": (b"[" + b"[" * 100_000, "no JSON from [1]"),
    "nothing": (b"   ", "no list"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_upload_ends_with_a_reason(page: Client, kind: str) -> None:
    content, reason = HOSTILE[kind]

    row = worked_off(upload(page, content))

    assert row.status == "failed"
    assert reason in row.error
    assert not Thread.objects.exists()
    assert not FileChunk.objects.exists()


def test_a_zip_with_too_many_entries_is_refused(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_ENTRIES", 2)
    entries = {f"{n}.json": "[]" for n in range(3)}

    assert "entries" in worked_off(upload(page, zipped(entries))).error


def test_what_came_before_a_break_stays(page: Client) -> None:
    cut = json.dumps([claude("a"), claude("b")]).encode()[:-100]

    row = worked_off(upload(page, cut))

    assert (row.status, row.threads_made) == ("failed", 1)
    assert Message.objects.count() == 3


def test_a_file_of_many_pieces_is_read_as_one(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("runs.files", "runs.imports.archive"):
        monkeypatch.setattr(f"{module}.PIECE", 1_000)
    monkeypatch.setattr(archive, "READ_AT_ONCE", 700)
    many = [chatgpt(f"c{n}") for n in range(12)]

    by_zip = worked_off(upload(page, zipped({"x/conversations-000.json": many})))
    by_json = worked_off(upload(page, many, "c.json"))

    assert (by_zip.threads_made, by_json.threads_skipped) == (12, 12)


def test_an_upload_that_stops_the_server_is_given_up(page: Client) -> None:
    row = upload(page, [claude()])
    Import.objects.update(attempt=uploads.ATTEMPTS)

    assert "several times" in worked_off(row).error


def test_nobody_sees_another_persons_imports(page: Client, bob: User) -> None:
    upload(page, [claude()], "mine.json")

    assert "mine.json" not in text_of(client_of(bob).get("/settings/import"))
