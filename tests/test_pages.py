"""The chat's pages: who may see them, what they cost, and the frame they share."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from chat import render
from runs import actions
from runs.models import Message, Run, RunStatus, User
from tests.pages_fixtures import HTMX, client_of, exchange, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(alice: User) -> Client:
    """Alice's browser."""
    return client_of(alice)


@pytest.fixture
def run(alice: User) -> Run:
    """A queued answer in a thread of Alice's."""
    return actions.post_message(user=alice, text="What is a *fold*?")


# Who sees what


@pytest.mark.parametrize(
    "path", ["/", "/threads", "/t/{thread}", "/runs/{run}", "/runs/{run}/text"]
)
def test_a_stranger_is_asked_to_sign_in(run: Run, path: str) -> None:
    path = path.format(thread=run.thread_id, run=run.pk)

    response = Client().get(path)

    assert response.status_code == 302
    assert response["Location"] == f"/login?next={path}"


@pytest.mark.parametrize("path", ["/runs/{run}", "/runs/{run}/text", "/t/{thread}"])
def test_another_persons_thread_is_not_found(
    run: Run, mallory: User, path: str
) -> None:
    response = client_of(mallory).get(path.format(thread=run.thread_id, run=run.pk))

    assert response.status_code == 404


@pytest.mark.parametrize(
    "path", ["/t/{thread}/messages", "/runs/{run}/cancel", "/runs/{run}/retry"]
)
def test_another_persons_thread_can_not_be_written_to(
    run: Run, mallory: User, path: str
) -> None:
    path = path.format(thread=run.thread_id, run=run.pk)

    response = client_of(mallory).post(path, {"text": "mine now"})

    assert response.status_code == 404
    assert Message.objects.count() == 1
    run.refresh_from_db()
    assert run.status == RunStatus.QUEUED


def test_a_fragment_without_a_session_says_so_and_is_no_page(run: Run) -> None:
    response = Client().post("/messages", {"text": "hello"}, headers=HTMX)

    assert response.status_code == 401
    assert response["HX-Retarget"] == "#composer-error"
    assert "your text is kept" in text_of(response)


@pytest.mark.parametrize(
    "path",
    ["/messages", "/runs/{run}/cancel", "/runs/{run}/retry", "/logout", "/password"],
)
def test_every_post_needs_the_csrf_token(alice: User, run: Run, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    response = client.post(path.format(run=run.pk), {"text": "forged"})

    assert response.status_code == 403
    assert "This page is out of date" in text_of(response)
    assert Run.objects.count() == 1


@pytest.mark.parametrize("path", ["/messages", "/runs/{run}/cancel", "/logout"])
def test_nothing_is_changed_by_get(page: Client, run: Run, path: str) -> None:
    assert page.get(path.format(run=run.pk)).status_code == 405


def test_the_token_of_the_page_lets_htmx_post(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    html = client.get("/").content.decode()
    found = re.search(r'hx-headers:inherited=.{"X-CSRFToken": "(\w+)"}', html)
    assert found is not None

    headers = {**HTMX, "X-CSRFToken": found[1]}
    response = client.post("/messages", {"text": "hello"}, headers=headers)

    assert response.status_code == 200


# Cost


@pytest.mark.parametrize("count", [1, 3, 12])
def test_a_thread_takes_the_same_queries_whatever_its_length(
    page: Client,
    alice: User,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    thread = None
    for number in range(count):
        thread = exchange(alice, thread, number)
    assert thread is not None

    # session, user, thread, active run, messages, runs, steps, versions of messages and
    # of answers, feedback, pinned and other threads of the list, queue
    with django_assert_num_queries(13):
        page.get(f"/t/{thread.pk}")


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_of_threads_is_two_queries(
    page: Client,
    alice: User,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(count):
        exchange(alice, None, number)

    # session, user, pinned threads, others
    with django_assert_num_queries(4):
        html = page.get("/threads", headers=HTMX).content.decode()

    assert html.count("thread-link") == count
    assert "running" not in html


def test_a_thread_with_an_active_run_is_marked(page: Client, run: Run) -> None:
    assert "an answer is being written" in text_of(page.get("/threads", headers=HTMX))


def test_threads_page_on_from_a_cursor(
    page: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.sidebar.PIECE", 2)
    for number in range(3):
        exchange(alice, None, number)

    first = page.get("/threads", headers=HTMX).content.decode()
    more = re.search(r'hx-get="([^"]+)"', first)
    assert more is not None
    second = page.get(more[1].replace("&amp;", "&"), headers=HTMX).content.decode()

    assert [f"Question {n}" in first for n in range(3)] == [False, True, True]
    assert [f"Question {n}" in second for n in range(3)] == [True, False, False]


def test_a_cursor_nobody_gave_begins_at_the_beginning(page: Client, run: Run) -> None:
    response = page.get("/threads", {"after": "2026-99-99~x"}, headers=HTMX)

    assert run.thread_id in response.content.decode()


def test_earlier_messages_are_fetched_a_page_at_a_time(
    page: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "PAGE", 4)
    thread = None
    for number in range(5):
        thread = exchange(alice, thread, number)
    assert thread is not None

    latest = page.get(f"/t/{thread.pk}").content.decode()
    found = re.search(r'hx-get="(/t/[^"]+before=\d+)"', latest)
    assert found is not None
    earlier = page.get(found[1], headers=HTMX).content.decode()

    assert [f"Answer {n}<" in latest for n in range(5)] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert [f"Answer {n}<" in earlier for n in range(5)] == [
        False,
        True,
        True,
        False,
        False,
    ]


# The frame


@pytest.mark.parametrize("path", ["/", "/password", "/nowhere"])
def test_pages_obey_a_policy_without_inline_code(page: Client, path: str) -> None:
    response = page.get(path)

    html = response.content.decode()
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=|<style", html)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)


@pytest.mark.parametrize("path", ["/", "/password", "/nowhere"])
def test_pages_say_when_answers_are_a_demo(
    page: Client, settings: Settings, path: str
) -> None:
    assert "OPENAI_API_KEY" in text_of(page.get(path))
    settings.DEFAULT_MODEL_SERVER = "openai"
    assert "OPENAI_API_KEY" not in text_of(page.get(path))


def test_only_staff_are_shown_the_way_to_administration(
    page: Client, root: User
) -> None:
    assert "Administration" not in text_of(page.get("/"))
    assert "Administration" in text_of(client_of(root).get("/"))


def test_the_sign_in_page_obeys_the_policy_and_says_that_answers_are_a_demo() -> None:
    response = Client().get("/login")

    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert b"<script" not in response.content
    assert "OPENAI_API_KEY" in text_of(response)
