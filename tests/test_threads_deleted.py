"""Threads that are deleted: gone for every door at once, had back, gone for good."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from runs import (
    access,
    actions,
    conversations,
    events,
    filing,
    housekeeping,
    shares,
    upcoming,
)
from runs.events import Event
from runs.models import EventType, Thread, User
from tests.pages_fixtures import HTMX, client_of, exchange, text_of
from tests.test_threads import list_of, post, titles

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(alice: User) -> Client:
    """Alice's browser."""
    return client_of(alice)


@pytest.fixture
def thread(alice: User) -> Thread:
    """A thread of Alice's with one answered question."""
    return exchange(alice, None, 1)


def test_a_deleted_thread_is_gone_for_every_door_and_can_be_had_back(
    page: Client, alice: User, thread: Thread
) -> None:
    run = thread.runs.get()
    message = thread.messages.order_by("number").first()
    assert message is not None
    html = post(page, f"/t/{thread.pk}/delete").content.decode()
    undo = re.search(r'hx-post="([^"]+/restore)"', html)
    assert undo is not None

    for path in (f"/t/{thread.pk}", f"/runs/{run.pk}", f"/runs/{run.pk}/text"):
        assert page.get(path).status_code == 404
    for verb in ("rename", "pin", "archive", "delete", "seen", "messages"):
        assert post(page, f"/t/{thread.pk}/{verb}", text="x").status_code == 404
    doors: list[Any] = [
        lambda: access.thread(alice, thread.pk),
        lambda: access.thread_to_write(alice, thread.pk),
        lambda: access.own_thread(alice, thread.pk),
        lambda: access.run(alice, run.pk),
        lambda: access.run_to_act(alice, run.pk),
        lambda: access.run_of(alice, thread.pk, run.pk),
        lambda: access.message(alice, message.pk),
        lambda: access.message_to_change(alice, message.pk),
        lambda: access.message_of(alice, thread.pk, message.pk),
    ]
    for door in doors:
        with pytest.raises(access.NotFound):
            door()
    assert titles(list_of(page)) == []
    assert not Thread.objects.visible_to(alice).exists()

    post(page, undo[1])

    assert page.get(f"/t/{thread.pk}").status_code == 200
    assert titles(list_of(page)) == ["Question 1"]


def test_deleting_the_open_thread_leads_to_a_new_chat_with_the_way_back(
    page: Client, thread: Thread
) -> None:
    here = {**HTMX, "HX-Current-URL": f"http://testserver/t/{thread.pk}"}
    response = page.post(f"/t/{thread.pk}/delete", headers=here)
    address = response["HX-Redirect"]
    assert address == f"/?deleted={thread.pk}"
    html = page.get(address).content.decode()
    assert f'hx-post="/t/{thread.pk}/restore"' in html

    there = {**HTMX, "HX-Current-URL": f"http://testserver{address}"}
    response = page.post(f"/t/{thread.pk}/restore", headers=there)

    assert response["HX-Redirect"] == f"/t/{thread.pk}"
    assert "restore" not in page.get(address).content.decode()


def test_a_deleted_thread_is_gone_for_the_team_and_behind_its_links(
    alice: User, bob: User, thread: Thread
) -> None:
    shares.share_with_team(thread, "write", user=alice)
    link = shares.make_link(thread, lasts=dt.timedelta(days=1), user=alice)
    other = client_of(bob)
    pages = (f"/t/{thread.pk}", f"/s/{shares.token_of(link)}")
    assert [other.get(path).status_code for path in pages] == [200, 200]

    filing.delete(thread, user=alice)

    assert [other.get(path).status_code for path in pages] == [404, 404]
    assert "Question 1" not in text_of(other.get("/shared"))
    assert post(other, f"/t/{thread.pk}/messages", text="x").status_code == 404
    assert access.levels([(bob.pk, thread.pk)])[bob.pk, thread.pk] == ""
    filing.restore(thread)
    assert [other.get(path).status_code for path in pages] == [200, 200]


def test_a_message_that_waits_is_not_sent_into_a_deleted_thread(
    alice: User, thread: Thread
) -> None:
    actions.post_message(user=alice, text="More", thread=thread)
    upcoming.post_or_queue(user=alice, thread=thread, text="And more")

    filing.delete(thread, user=alice)
    upcoming.send_due()

    assert not thread.runs.active().exists()
    assert thread.queued_messages.count() == 1


def test_a_temporary_thread_is_not_filed(page: Client, alice: User) -> None:
    run = actions.post_message(user=alice, text="Hello", is_temporary=True)

    assert page.get(f"/t/{run.thread_id}/menu").status_code == 404
    for verb in ("rename", "pin", "archive", "delete"):
        assert post(page, f"/t/{run.thread_id}/{verb}", on="1").status_code == 404
    assert "/rename" not in page.get(f"/t/{run.thread_id}").content.decode()


def test_only_its_owner_may_file_a_thread_or_have_it_back(
    mallory: User, thread: Thread
) -> None:
    other = client_of(mallory)
    for verb in ("menu", "rename"):
        assert other.get(f"/t/{thread.pk}/{verb}").status_code == 404
    for verb in ("rename", "pin", "archive", "delete", "restore", "seen"):
        assert post(other, f"/t/{thread.pk}/{verb}", on="1").status_code == 404
    filing.delete(thread, user=thread.owner)
    assert post(other, f"/t/{thread.pk}/restore").status_code == 404
    assert "restore" not in other.get(f"/?deleted={thread.pk}").content.decode()


def test_deleting_ends_the_run_at_work_in_the_thread(
    page: Client, thread: Thread
) -> None:
    run = actions.post_message(user=thread.owner, text="More", thread=thread)
    assert events.claim(run.pk, worker="w") is not None

    post(page, f"/t/{thread.pk}/delete")

    run.refresh_from_db()
    assert run.status == "cancelled"
    with pytest.raises(events.Fenced):
        events.record(run.pk, [Event(EventType.RUN_COMPLETED)], attempt=1)
    with pytest.raises(conversations.ThreadIsGone):
        actions.post_message(user=thread.owner, text="More", thread=thread)


def test_after_a_while_a_deleted_thread_is_gone_for_good(
    page: Client, thread: Thread
) -> None:
    filing.delete(thread, user=thread.owner)
    housekeeping.keep_house()
    assert Thread.objects.exists()

    over = timezone.now() - filing.IN_BIN - dt.timedelta(seconds=1)
    Thread.objects.update(deleted_at=over)
    assert post(page, f"/t/{thread.pk}/restore").status_code == 404
    housekeeping.keep_house()

    assert not Thread.objects.exists()
