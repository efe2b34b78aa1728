"""Threads as people file them: the list and its marks, title, pin, archive, delete, Undo."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from runs import (
    actions,
    conversations,
    filing,
    lists,
    search,
)
from runs.models import Run, Thread, ThreadSeen, TitledBy, User
from tests.pages_fixtures import HTMX, client_of, exchange, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(alice: User) -> Client:
    """Alice's browser."""
    return client_of(alice)


@pytest.fixture
def thread(alice: User) -> Thread:
    """A thread of Alice's with one answered question."""
    return exchange(alice, None, 1)


def at(days: float) -> dt.datetime:
    return timezone.now() - dt.timedelta(days=days)


def older(thread: Thread, days: float) -> None:
    Thread.objects.filter(pk=thread.pk).update(last_activity_at=at(days))


def titles(html: str) -> list[str]:
    return re.findall(r'class="thread-title">([^<]*)<', html)


def list_of(page: Client, **query: Any) -> str:
    return page.get("/threads", query, headers=HTMX).content.decode()


def post(page: Client, path: str, **form: str) -> Any:
    return page.post(path, form, headers=HTMX)


def end(run: Run) -> None:
    """Stop the run, as its owner would."""
    assert run.user is not None
    actions.cancel(run=run, user=run.user)


# The list


def test_threads_stand_under_their_day_and_pinned_ones_before_all(
    page: Client, alice: User
) -> None:
    for number, days in enumerate([0, 1, 3, 20, 400]):
        older(exchange(alice, None, number), days)
    pinned = Thread.objects.get(title="Question 4")
    filing.pin(pinned, is_on=True)

    html = list_of(page)

    headings = re.findall(r"<h2>([^<]*)</h2>", html)
    assert headings == ["Pinned", "Today", "Yesterday", "Last 7 days", "Last 30 days"]
    assert titles(html) == [f"Question {n}" for n in (4, 0, 1, 2, 3)]


def test_a_piece_does_not_repeat_the_heading_of_the_one_before(
    page: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.sidebar.PIECE", 2)
    for number in range(4):
        older(exchange(alice, None, number), 400 + number)

    first = list_of(page)
    more = re.search(r'hx-get="([^"]+)"', first)
    assert more is not None
    second = page.get(more[1].replace("&amp;", "&"), headers=HTMX).content.decode()

    assert first.count("<h2>") == 1
    assert second.count("<h2>") == 0
    assert titles(first) + titles(second) == [f"Question {n}" for n in range(4)]


def test_a_list_is_brought_up_to_date_as_far_as_it_is_shown(
    page: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.sidebar.PIECE", 1)
    for number in range(3):
        exchange(alice, None, number)

    assert len(titles(list_of(page))) == 1
    assert len(titles(list_of(page, rows="2"))) == 2
    assert len(titles(list_of(page, rows="-1"))) == 1


def test_without_script_the_next_piece_is_a_page(
    page: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.sidebar.PIECE", 1)
    for number in range(2):
        exchange(alice, None, number)

    more = re.search(r'href="(/threads\?after=[^"]+)"', page.get("/").content.decode())
    assert more is not None
    html = page.get(more[1].replace("&amp;", "&")).content.decode()

    assert "<!doctype html>" in html
    assert titles(html) == ["Question 0"]


@pytest.mark.parametrize("count", [1, 4])
def test_the_archive_and_the_search_take_the_same_queries_whatever_they_show(
    page: Client,
    alice: User,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(count):
        filing.archive(exchange(alice, None, number), is_on=True)

    # session, user, two of the list, and the page's own; PostgreSQL looks twice
    looks = int(connection.vendor == "postgresql")
    with django_assert_num_queries(5):
        page.get("/threads/archived")
    with django_assert_num_queries(7 + looks):
        page.get("/search", {"q": "question"})
    with django_assert_num_queries(5 + looks):
        page.get("/palette", {"q": "question"}, headers=HTMX)
    with django_assert_num_queries(4):
        list_of(page)


# Unread


def test_an_answer_that_ends_unseen_is_unread_until_it_is_seen(
    page: Client, alice: User
) -> None:
    response = post(page, "/messages", text="Hello")
    run = Run.objects.get()
    assert response.status_code == 200
    assert "is-unread" not in list_of(page)
    end(run)
    assert "is-unread" in list_of(page)
    assert "new answer" in list_of(page)

    assert post(page, f"/t/{run.thread_id}/seen", run=run.pk).status_code == 204

    assert "is-unread" not in list_of(page)


def test_a_running_thread_is_not_unread(page: Client, thread: Thread) -> None:
    first = actions.post_message(user=thread.owner, text="More", thread=thread)
    filing.see(thread, user=thread.owner, at=at(1))
    end(first)
    assert "is-unread" in list_of(page)

    actions.post_message(user=thread.owner, text="And more", thread=thread)

    html = list_of(page)
    assert "is-unread" not in html
    assert "an answer is being written" in html


def test_a_thread_that_was_never_opened_in_the_browser_has_no_mark(
    page: Client, alice: User
) -> None:
    end(actions.post_message(user=alice, text="From a program", source="api"))

    assert "is-unread" not in list_of(page)


def test_what_was_seen_later_stays_seen(alice: User, thread: Thread) -> None:
    filing.see(thread, user=alice, at=at(0))
    filing.see(thread, user=alice, at=at(1))

    assert ThreadSeen.objects.get().seen_at > at(0.5)


def test_only_a_run_of_the_thread_can_be_seen(
    page: Client, bob: User, thread: Thread
) -> None:
    foreign = actions.post_message(user=bob, text="Hello")
    for run in (foreign.pk, "run_none", "", "\0"):
        assert post(page, f"/t/{thread.pk}/seen", run=run).status_code == 404
    assert not ThreadSeen.objects.exists()


# Title, pin, archive


def test_a_person_renames_a_thread(page: Client, thread: Thread) -> None:
    form = page.get(f"/t/{thread.pk}/rename", headers=HTMX).content.decode()
    assert 'value="Question 1"' in form

    response = post(page, f"/t/{thread.pk}/rename", title="  My\nown  title ")

    assert response["HX-Trigger"] == "threads:changed, dialog:close"
    thread.refresh_from_db()
    assert (thread.title, thread.titled_by) == ("My own title", TitledBy.PERSON)


def test_an_empty_title_is_refused_in_the_dialog(page: Client, thread: Thread) -> None:
    response = post(page, f"/t/{thread.pk}/rename", title=" \0 ")

    assert "Write a title first" in text_of(response)
    assert "HX-Trigger" not in response
    thread.refresh_from_db()
    assert thread.title == "Question 1"


def test_a_models_title_never_replaces_a_persons(thread: Thread) -> None:
    filing.name_by_model(thread.pk, "By the model")
    thread.refresh_from_db()
    assert thread.title == "By the model"

    filing.rename(thread, "Mine")
    filing.name_by_model(thread.pk, "By the model again")

    thread.refresh_from_db()
    assert thread.title == "Mine"


def test_pinning_and_archiving_exclude_each_other(page: Client, thread: Thread) -> None:
    post(page, f"/t/{thread.pk}/pin", on="1")
    assert "Pinned" in list_of(page)
    post(page, f"/t/{thread.pk}/archive", on="1")

    assert titles(list_of(page)) == []
    assert "Question 1" in text_of(page.get("/threads/archived"))
    post(page, f"/t/{thread.pk}/pin", on="1")
    assert "Pinned" in list_of(page)
    post(page, f"/t/{thread.pk}/pin", on="0")
    assert titles(list_of(page)) == ["Question 1"]
    assert "Pinned" not in list_of(page)


def test_archiving_offers_undo(page: Client, thread: Thread) -> None:
    html = post(page, f"/t/{thread.pk}/archive", on="1").content.decode()
    undo = re.search(r'hx-post="([^"]+on=0)"', html)
    assert undo is not None

    post(page, undo[1])

    assert titles(list_of(page)) == ["Question 1"]


def test_a_new_message_takes_a_thread_out_of_the_archive(
    page: Client, thread: Thread
) -> None:
    filing.archive(thread, is_on=True)

    actions.post_message(user=thread.owner, text="More", thread=thread)

    assert titles(list_of(page)) == ["Question 1"]


# Finding by title


def test_threads_are_found_by_words_of_their_titles(alice: User) -> None:
    for title in ("Über whales (draft)", "Whales & sharks", "Nothing else"):
        Thread.objects.create(owner=alice, title=title)

    def found(query: str) -> set[str]:
        threads = search.threads(alice, query, most=9)
        return {str(thread).split()[0] for thread in threads}

    assert found("WHAL") == {"Über", "Whales"}
    assert found("über draft") == {"Über"}
    assert found("(.*") == found("") == {"Über", "Whales", "Nothing"}
    assert found("x\0y") == set()


# Who is told


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The people whose list was said to have changed."""
    heard: list[int] = []
    monkeypatch.setattr(lists, "changed", lambda *people: heard.extend(people))
    return heard


def test_every_change_of_a_list_is_told(alice: User, told: list[int]) -> None:
    run = actions.post_message(user=alice, text="Hello")
    thread = run.thread

    def tells(change: Any) -> bool:
        told.clear()
        change()
        return set(told) == {alice.pk}

    assert told
    assert tells(lambda: end(run))
    assert tells(lambda: filing.see(thread, user=alice, at=timezone.now()))
    assert tells(lambda: filing.rename(thread, "Other"))
    assert tells(lambda: filing.pin(thread, is_on=True))
    assert tells(lambda: filing.archive(thread, is_on=True))
    assert tells(lambda: filing.delete(thread, user=alice))
    assert tells(lambda: filing.restore(thread))
    assert tells(lambda: conversations.delete_thread(thread, user=alice))
    assert tells(lambda: conversations.create(owner=alice))
