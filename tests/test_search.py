"""Full-text search: what is found, in which order, by whom, and how it is shown."""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from runs import actions, conversations, filing, search, shares, temporary, tree
from runs.conversations import Draft
from runs.models import Message, MessageStatus, Thread, User, text_part
from runs.search import sqlite
from tests.pages_fixtures import HTMX, client_of, text_of

pytestmark = pytest.mark.django_db
on_sqlite = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="of SQLite's index alone"
)


def said(user: User, *texts: str, role: str = "user") -> Thread:
    """A thread with these messages."""
    drafts = [Draft(role=role, content=[text_part(text)]) for text in texts]
    return conversations.create(owner=user, messages=drafts)


def found(user: User, query: str) -> list[str]:
    return [message.text for message in search.find(user, query).messages]


def titled(user: User, query: str) -> list[str]:
    return [str(thread) for thread in search.threads(user, query, most=9)]


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("whale", True),
        ("WHALE", True),
        ("wha", True),
        ("hale", False),
        ("whale sea", True),
        ("sea whale", True),
        ("wha sea", False),
        ("whale ocean", False),
        ("wörld", True),
        ("WÖR", True),
        ("foo_bar", True),
        ("bar", True),
        ("usr local lib", True),
        ("/usr/local", True),
        ("example.com", True),
        ("1.2.3", True),
        ("don't", True),
        ("w", False),
        ("x", True),
        ("\u6771", True),
        ("", False),
        ("  ", False),
        ("\"' & | ! ( ) : * < > - ^ \\ % \0", False),
        ("whale:* OR NOT NEAR(", False),
        ("and", True),
    ],
)
def test_words_are_found_whole_and_the_last_by_its_beginning(
    alice: User, query: str, is_found: bool
) -> None:
    text = (
        "A whale in the sea, and a wörld. foo_bar() in /usr/local/lib, "
        "see https://example.com/x?y=1.2.3 don't \u6771\u4eac"
    )
    said(alice, text)

    assert found(alice, query) == ([text] if is_found else [])


def test_only_threads_that_one_may_see_are_searched(alice: User, mallory: User) -> None:
    thread = said(alice, "A secret whale")

    assert found(mallory, "whale") == []
    assert found(alice, "whale") == ["A secret whale"]
    filing.archive(thread, is_on=True)
    assert found(alice, "whale") == ["A secret whale"]
    filing.delete(thread, user=alice)
    assert found(alice, "whale") == []
    filing.restore(thread)
    assert found(alice, "whale") == ["A secret whale"]


def test_the_team_finds_what_is_shared_with_it_for_as_long_as_it_is(
    alice: User, bob: User
) -> None:
    thread = said(alice, "A common whale")
    filing.rename(thread, "On animals")
    assert found(bob, "whale") == titled(bob, "animals") == []

    for level in ("read", "write"):
        shares.share_with_team(thread, level, user=alice)
        assert found(bob, "whale") == ["A common whale"]
        assert titled(bob, "animals") == ["On animals"]

    filing.delete(thread, user=alice)
    assert found(bob, "whale") == titled(bob, "animals") == []
    filing.restore(thread)
    shares.share_with_team(thread, "", user=alice)
    assert found(bob, "whale") == titled(bob, "animals") == []


def test_a_temporary_thread_is_never_found(alice: User) -> None:
    run = actions.post_message(user=alice, text="A secret whale", is_temporary=True)

    assert found(alice, "whale") == titled(alice, "whale") == []
    temporary.erase(run.thread)
    assert found(alice, "whale") == []


def test_what_is_off_the_shown_path_is_not_found(alice: User) -> None:
    thread = said(alice, "First whale", "Second whale")
    Message.objects.filter(number=1).update(on_path=False)

    assert found(alice, "whale") == ["Second whale"]
    assert thread.messages.count() == 2


def test_an_answer_is_found_once_it_is_written(alice: User) -> None:
    run = actions.post_message(user=alice, text="Hello")
    answer = Message.objects.create(
        thread=run.thread,
        number=2,
        role="assistant",
        status=MessageStatus.IN_PROGRESS,
        content=[],
    )
    assert found(alice, "whale") == []

    answer.content = [text_part("A whale"), {"type": "refusal", "refusal": "no shark"}]
    answer.save(update_fields=["content"])
    assert len(found(alice, "whale")) == len(found(alice, "shark")) == 1

    answer.content = [text_part("A dolphin")]
    answer.save(update_fields=["content"])
    assert found(alice, "whale") == []
    assert found(alice, "dolphin") == ["A dolphin"]

    answer.delete()
    assert found(alice, "dolphin") == []


def test_pages_follow_time_without_a_gap_or_a_double(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = Thread.objects.create(owner=alice)
    now = timezone.now().replace(microsecond=0)
    # Several of one moment, as imports have them, and stored in no order of time.
    for number, minutes in enumerate([5, 1, 5, 3, 5, 2, 5, 4], start=1):
        Message.objects.create(
            thread=thread,
            number=number,
            role="user",
            content=[text_part(f"whale {number}")],
            created_at=now - dt.timedelta(minutes=minutes),
        )

    pages: list[list[int]] = []
    cursor = ""
    while not pages or cursor:
        page = search.find(alice, "whale", cursor=cursor, most=3)
        pages.append([message.number for message in page.messages])
        cursor = page.more

    assert [len(page) for page in pages] == [3, 3, 2]
    numbers = [number for page in pages for number in page]
    assert numbers[:4] == [2, 6, 4, 8]
    assert sorted(numbers[4:]) == [1, 3, 5, 7]


@pytest.mark.parametrize("cursor", ["x", "2026-99-99~x", "-1", "9" * 40, "~", "\0~\0"])
def test_a_cursor_nobody_gave_begins_at_the_beginning(alice: User, cursor: str) -> None:
    said(alice, "A whale")

    assert len(search.find(alice, "whale", cursor=cursor).messages) == 1


def test_the_longest_answers_can_be_stored_and_are_found_by_their_beginning(
    alice: User,
) -> None:
    rare = " ".join(chr(0x20000 + n) for n in range(40_000))
    said(alice, f"whale {rare} " + "word " * 400_000)

    assert len(search.find(alice, "whale").messages) == 1


def test_an_excerpt_marks_the_words_and_nothing_else() -> None:
    text = (
        "x " * 100 + "A **big** <b>Whale</b> whaling\nin a SEA, seaside. " + "y " * 200
    )
    pieces = search.excerpt(text, search.words_of("sea whal"))

    assert [p.text for p in pieces if p.is_hit] == ["Whale", "whaling", "SEA"]
    assert pieces[0].text == "…"
    assert "A big <b>" in "".join(p.text for p in pieces)
    assert "".join(p.text for p in pieces).endswith("…")
    assert len("".join(p.text for p in pieces)) < 250


def test_the_page_shows_hits_as_words_and_leads_to_the_message(
    alice: User,
) -> None:
    thread = said(alice, "Say <script>alert(1)</script> whale", "Other")
    page = client_of(alice)

    html = page.get("/search", {"q": "whale"}).content.decode()

    assert "<mark>whale</mark>" in html
    assert "<script>alert" not in html
    message = thread.messages.get(number=1)
    link = f'href="/t/{thread.pk}?q=whale#{message.pk}"'
    assert link in html
    assert link in page.get("/palette", {"q": "whale"}).content.decode()
    assert f'id="{message.pk}"' in page.get(f"/t/{thread.pk}?q=whale").content.decode()


def test_results_are_a_fragment_for_htmx_and_titles_come_first(alice: User) -> None:
    filing.rename(said(alice, "Nothing of the kind"), "On whales")
    said(alice, "A whale")

    response = client_of(alice).get("/search", {"q": "whal"}, headers=HTMX)

    text = text_of(response)
    assert "<html" not in response.content.decode()
    assert "HX-Request" in response["Vary"]
    assert text.index("On whales") < text.index("Messages")
    nothing = client_of(alice).get("/search", {"q": "shark"}, headers=HTMX)
    assert "Nothing has “shark” in it" in text_of(nothing)


# SQLite's index


@on_sqlite
def test_a_table_made_anew_loses_no_message(alice: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER runs_search_added")
    said(alice, "A whale")
    assert found(alice, "whale") == []

    sqlite.install()

    assert found(alice, "whale") == ["A whale"]
    said(alice, "Another whale")
    assert len(found(alice, "whale")) == 2


@on_sqlite
def test_words_of_a_temporary_thread_never_get_into_the_index(alice: User) -> None:
    run = actions.post_message(user=alice, text="A secret whale", is_temporary=True)
    sqlite.install()
    assert run.answers is not None
    run.answers.content = [text_part("Another secret whale")]
    run.answers.save(update_fields=["content"])

    with connection.cursor() as cursor:
        cursor.execute("SELECT message FROM runs_search_entry")
        assert cursor.fetchall() == []
        cursor.execute("SELECT rowid FROM runs_search WHERE runs_search MATCH 'whale'")
        assert cursor.fetchall() == []


@on_sqlite
def test_entries_leave_the_index_with_their_messages(alice: User) -> None:
    thread = said(alice, "A whale", "Another whale")
    conversations.delete_thread(thread, user=alice)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM runs_search_entry")
        assert cursor.fetchone() == (0,)
        cursor.execute(
            "INSERT INTO runs_search (runs_search) VALUES ('integrity-check')"
        )
        cursor.execute(
            "SELECT count(*) FROM runs_search WHERE runs_search MATCH 'whale'"
        )
        assert cursor.fetchone() == (0,)


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_copy_by_vacuum_finds_the_same(alice: User, tmp_path: Path) -> None:
    thread = said(alice, *(f"whale {n}" for n in range(5)))
    tree.cut(thread, thread.messages.filter(number__in=[1, 3]))
    copy = tmp_path / "copy.sqlite3"
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM INTO '{copy}'")

    query = (
        "SELECT json_extract(m.content, '$[0].text.value') FROM runs_search"
        " JOIN runs_search_entry AS e ON e.number = runs_search.rowid"
        " JOIN runs_message AS m ON m.id = e.message WHERE runs_search MATCH '\"whale\"'"
        " ORDER BY m.number"
    )
    with sqlite3.connect(copy) as opened:
        texts: list[Any] = opened.execute(query).fetchall()
    opened.close()
    assert texts == [("whale 1",), ("whale 3",), ("whale 4",)]
