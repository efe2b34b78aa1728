"""`manage.py import_assistants`: what comes in, and what is left alone."""

from __future__ import annotations

import json
import random

import pytest
from django.core.management import CommandError, call_command

from runs import actions
from runs.models import Assistant, Message, Thread, User
from tests.imports_fixtures import ALL, ASSISTANT, FIRST, THREAD, File, Import, message
from tests.imports_fixtures import file as file

pytestmark = pytest.mark.django_db


def shown() -> list[tuple[int, str, str]]:
    rows = Message.objects.filter(thread="thread_abc123", on_path=True)
    return [(row.number, row.pk, row.text) for row in rows.order_by("number")]


def test_everything_keeps_its_id_its_time_and_its_order(
    alice: User, file: File
) -> None:
    done = Import(file(ALL), "--owner", "alice")

    assert done.code == 0
    assert [done.counts(kind) for kind in ("assistants", "threads", "messages")] == [
        (1, 0),
        (1, 0),
        (4, 0),
    ]
    assistant = Assistant.objects.get(pk="asst_abc123")
    assert assistant.owner is None
    assert (assistant.name, assistant.model) == ("Math tutor", "gpt-4o")
    assert assistant.created_at.timestamp() == FIRST
    thread = Thread.objects.get(pk="thread_abc123")
    assert (thread.owner, thread.assistant) == (alice, assistant)
    assert (thread.title, thread.metadata) == ("Message 1", {"ticket": "4711"})
    assert thread.last_activity_at.timestamp() == FIRST + 4
    assert shown() == [(n, f"msg_{n:03}", f"Message {n}") for n in range(1, 5)]
    parents = Message.objects.order_by("number").values_list("parent", flat=True)
    assert list(parents) == [None, "msg_001", "msg_002", "msg_003"]


def test_an_imported_thread_goes_on_in_the_chat(alice: User, file: File) -> None:
    Import(file(ALL), "--owner", "alice")
    thread = Thread.objects.get(pk="thread_abc123")

    run = actions.post_message(user=alice, text="And now?", thread=thread)

    assert run.assistant_id == "asst_abc123"
    assert run.answers is not None
    assert run.answers.number == 5
    assert run.answers.parent_id == "msg_004"


def test_a_second_import_changes_nothing_and_says_so(alice: User, file: File) -> None:
    path = file(ALL)
    Import(path, "--owner", "alice")
    Assistant.objects.update(name="Renamed here")

    again = Import(path, "--owner", "alice")

    assert again.code == 0
    assert again.counts("assistants") == (0, 1)
    assert again.counts("threads") == (0, 1)
    assert again.counts("messages") == (0, 4)
    assert "skipped (there already)" in again.out
    assert Assistant.objects.get(pk="asst_abc123").name == "Renamed here"
    assert len(shown()) == 4


def test_the_order_of_the_objects_does_not_matter(alice: User, file: File) -> None:
    mixed = ALL.copy()
    random.Random(4).shuffle(mixed)  # noqa: S311
    assert mixed != ALL

    done = Import(file(mixed), "--owner", "alice")

    assert done.code == 0
    assert [number for number, *_ in shown()] == [1, 2, 3, 4]
    assert [key for _, key, _ in shown()] == [f"msg_{n:03}" for n in range(1, 5)]


def test_messages_may_come_in_another_file_than_their_thread(
    alice: User, file: File
) -> None:
    messages = file([message(2), message(1)], "messages.json")

    done = Import(messages, file([THREAD], "thread.json"), "--owner", "alice")

    assert done.code == 0
    assert [key for _, key, _ in shown()] == ["msg_001", "msg_002"]


def test_later_messages_go_on_after_those_that_are_there(
    alice: User, file: File
) -> None:
    Import(file([THREAD, message(1), message(2)]), "--owner", "alice")

    done = Import(file([message(4), message(3), message(2)]), "--owner", "alice")

    assert done.counts("messages") == (2, 1)
    assert [(number, key) for number, key, _ in shown()] == [
        (n, f"msg_{n:03}") for n in range(1, 5)
    ]


@pytest.mark.parametrize("newest_first", [True, False])
def test_messages_of_one_second_keep_the_order_of_their_list(
    alice: User, file: File, newest_first: bool
) -> None:
    rows = [message(n, created_at=FIRST + (n > 3)) for n in range(1, 6)]
    page = {"object": "list", "data": rows[::-1] if newest_first else rows}

    Import(file([THREAD, page]), "--owner", "alice")

    assert [key for _, key, _ in shown()] == [f"msg_{n:03}" for n in range(1, 6)]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(one) for one in ALL),
        "\n\n".join(json.dumps(one, indent=2) for one in ALL),
        json.dumps(ALL),
        json.dumps(ALL, indent=4),
        json.dumps({"object": "list", "data": ALL, "has_more": False}),
        json.dumps(ALL[:2]) + "\n" + json.dumps({"object": "list", "data": ALL[2:]}),
        "\ufeff" + "\r\n".join(json.dumps(one) for one in ALL) + "\r\n\r\n",
    ],
    ids=["lines", "objects", "list", "indented", "envelope", "mixed", "windows"],
)
def test_every_way_to_write_several_objects_is_read(
    alice: User, file: File, text: str
) -> None:
    done = Import(file(text), "--owner", "alice")

    assert done.code == 0, done.out
    assert len(shown()) == 4


def test_private_assistants_are_the_owners(alice: User, bob: User, file: File) -> None:
    Import(file([ASSISTANT]), "--owner", "alice", "--private")

    assert Assistant.objects.visible_to(alice).filter(pk="asst_abc123").exists()
    assert not Assistant.objects.visible_to(bob).filter(pk="asst_abc123").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [((), "--owner"), (("--owner", "nobody"), "no user 'nobody'")],
)
def test_threads_need_somebody_who_gets_them(
    db: None, file: File, options: tuple[str, ...], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("import_assistants", file(ALL), *options)

    assert not Assistant.objects.filter(pk="asst_abc123").exists()


def test_assistants_of_the_team_need_no_owner(db: None, file: File) -> None:
    assert Import(file([ASSISTANT])).counts("assistants") == (1, 0)


def test_a_thread_of_somebody_else_is_not_touched(
    alice: User, bob: User, file: File
) -> None:
    Import(file([THREAD, message(1)]), "--owner", "alice")

    done = Import(file([message(2)]), "--owner", "bob")

    assert done.code == 1
    assert "belongs to somebody else" in done.refusals[0]
    assert len(shown()) == 1


def test_a_thread_in_which_an_answer_is_written_is_left_alone(
    alice: User, file: File
) -> None:
    Import(file([THREAD, message(1)]), "--owner", "alice")
    thread = Thread.objects.get(pk="thread_abc123")
    actions.post_message(user=alice, text="Now", thread=thread)

    done = Import(file([message(2)]), "--owner", "alice")

    assert done.code == 1
    assert "an answer is being written" in done.refusals[0]


def test_one_object_twice_in_a_file_is_one(alice: User, file: File) -> None:
    done = Import(file([*ALL, *ALL]), "--owner", "alice")

    assert done.code == 0
    assert done.counts("messages") == (4, 4)
    assert done.counts("threads") == (1, 1)
    assert done.counts("assistants") == (1, 1)


def test_all_kinds_of_content_come_in(alice: User, file: File) -> None:
    content = [
        {"type": "text", "text": "plain"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image_file", "image_file": {"file_id": "file-abc"}},
    ]
    said = [{"type": "refusal", "refusal": "I can't."}]
    ended = {"status": "incomplete", "incomplete_details": {"reason": "max_tokens"}}
    rows = [
        message(1, content=content),
        message(2, content=said, **ended, incomplete_at=FIRST + 2),
        message(3, content="just a string\0"),
    ]

    done = Import(file([THREAD, *rows]), "--owner", "alice")

    assert done.code == 0, done.out
    first, second, third = Message.objects.order_by("number")
    assert [part["type"] for part in first.content] == [
        "text",
        "image_url",
        "image_file",
    ]
    assert first.text.strip() == "plain"
    assert (second.status, second.incomplete_reason) == ("incomplete", "max_tokens")
    assert third.text == "just a string"
