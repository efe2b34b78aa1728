"""Messages that wait for the answer before them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from runs import access, actions, endings, events, housekeeping, upcoming
from runs.models import Message, QueuedMessage, Run, Thread, User, text_part
from runs.providers import Sent, TextDelta
from tests.pages_fixtures import HTMX, client_of, ended, text_of
from tests.scripts import WELL, Gate, ProviderError, Scripted, post, working
from tests.scripts import ended as finished

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(alice: User) -> Run:
    """A queued answer in a thread of Alice's."""
    return actions.post_message(user=alice, text="First")


def queue(user: User, thread: Thread, text: str, key: str = "") -> QueuedMessage:
    made = upcoming.post_or_queue(
        user=user, thread=thread, text=text, idempotency_key=key
    )
    assert isinstance(made, QueuedMessage)
    return made


def waiting(thread: Thread) -> list[str]:
    return [row.text for row in thread.queued_messages.all()]


def questions(thread: Thread) -> list[str]:
    asked = Message.objects.shown(thread).filter(role="user")
    return [message.text for message in asked]


def complete(run: Run) -> Run:
    """As a worker would, in one transaction, but for the answer's text."""
    ended(run, "completed")
    upcoming.send_next(run.thread_id)
    return run


# The line


def test_a_message_to_a_busy_thread_waits(run: Run, alice: User) -> None:
    queue(alice, run.thread, "Second")
    queue(alice, run.thread, "Third")
    assert waiting(run.thread) == ["Second", "Third"]
    assert questions(run.thread) == ["First"]


def test_a_message_to_an_idle_thread_is_posted(run: Run, alice: User) -> None:
    ended(run, "cancelled")
    made = upcoming.post_or_queue(user=alice, thread=run.thread, text="Second")
    assert isinstance(made, Run)
    assert questions(run.thread) == ["First", "Second"]


def test_the_same_key_queues_once_and_is_the_runs_key_when_sent(
    run: Run, alice: User
) -> None:
    first = queue(alice, run.thread, "Second", key="k")
    assert queue(alice, run.thread, "Second", key="k") == first
    complete(run)
    again = upcoming.post_or_queue(
        user=alice, thread=run.thread, text="Second", idempotency_key="k"
    )
    assert again == Run.objects.get(idempotency_key="k")
    assert questions(run.thread) == ["First", "Second"]


def test_ten_may_wait_in_a_thread(run: Run, alice: User) -> None:
    for number in range(10):
        queue(alice, run.thread, f"Message {number}")
    with pytest.raises(actions.InvalidInput, match="10 messages waiting"):
        queue(alice, run.thread, "One too many")


@pytest.mark.parametrize("text", ["", " \n", "x" * 100_001])
def test_what_can_not_be_sent_can_not_wait_either(
    run: Run, alice: User, text: str
) -> None:
    with pytest.raises(actions.InvalidInput):
        queue(alice, run.thread, text)
    row = queue(alice, run.thread, "Fine")
    with pytest.raises(actions.InvalidInput):
        upcoming.change(message=row, text=text)


def test_a_waiting_message_is_changed_and_taken_back(run: Run, alice: User) -> None:
    row, other = queue(alice, run.thread, "Scnd"), queue(alice, run.thread, "Third")
    before = upcoming.version(run.thread_id)
    upcoming.change(message=row, text="Second")
    assert upcoming.version(run.thread_id) != before
    upcoming.take_back(message=other)
    assert waiting(run.thread) == ["Second"]


def test_what_was_sent_can_not_be_changed_or_taken_back(run: Run, alice: User) -> None:
    row = queue(alice, run.thread, "Second")
    complete(run)
    for verb, facts in (
        (upcoming.change, {"text": "Other"}),
        (upcoming.take_back, {}),
        (upcoming.send_now, {}),
    ):
        with pytest.raises(actions.InvalidInput, match="sent or removed already"):
            verb(message=row, **facts)
    assert questions(run.thread) == ["First", "Second"]


# When they are sent


def test_they_are_sent_one_by_one_in_their_order(run: Run, alice: User) -> None:
    queue(alice, run.thread, "Second")
    queue(alice, run.thread, "Third")
    complete(run)
    assert (waiting(run.thread), questions(run.thread)[1:]) == (["Third"], ["Second"])
    upcoming.send_next(run.thread_id)  # The thread is busy again.
    assert waiting(run.thread) == ["Third"]
    complete(run.thread.runs.get(status="queued"))
    assert questions(run.thread) == ["First", "Second", "Third"]


@pytest.mark.parametrize("status", ["cancelled", "failed", "incomplete", "expired"])
def test_after_another_end_they_wait_until_they_are_sent(
    run: Run, alice: User, status: str
) -> None:
    row, last = queue(alice, run.thread, "Second"), queue(alice, run.thread, "Third")
    ended(run, status)
    upcoming.send_due()
    assert waiting(run.thread) == ["Second", "Third"]
    upcoming.send_now(message=last)
    assert questions(run.thread) == ["First", "Third"]
    with pytest.raises(actions.ThreadIsBusy):
        upcoming.send_now(message=row)


def test_the_sweep_sends_what_an_end_has_missed(run: Run, alice: User) -> None:
    queue(alice, run.thread, "Second")
    other = actions.post_message(user=alice, text="Elsewhere")
    queue(alice, other.thread, "Not yet")
    ended(run, "completed")
    housekeeping.keep_house()
    assert questions(run.thread) == ["First", "Second"]
    assert waiting(other.thread) == ["Not yet"]


def test_a_full_line_of_runs_lets_it_wait_for_the_next_sweep(
    run: Run, alice: User, settings: Any
) -> None:
    queue(alice, run.thread, "Second")
    ended(run, "completed")
    settings.QUEUED_IN_ALL = 0
    upcoming.send_due()
    assert waiting(run.thread) == ["Second"]
    settings.QUEUED_IN_ALL = 10
    upcoming.send_due()
    assert questions(run.thread) == ["First", "Second"]


def test_the_message_of_somebody_who_may_no_longer_write_is_dropped(
    run: Run, alice: User, bob: User
) -> None:
    queue(bob, run.thread, "Mine?")
    queue(alice, run.thread, "Second")
    complete(run)
    assert questions(run.thread) == ["First", "Second"]
    assert waiting(run.thread) == []


def test_the_author_asks_and_the_attachments_go_along(run: Run, alice: User) -> None:
    row = queue(alice, run.thread, "Second")
    attached = [{"file_id": "file_1", "tools": []}]
    QueuedMessage.objects.filter(pk=row.pk).update(attachments=attached)
    complete(run)
    message = Message.objects.get(number=2)
    assert (message.author, message.attachments) == (alice, attached)
    assert message.content == [text_part("Second")]


def test_what_can_not_be_sent_does_not_spoil_the_end_before_it(
    run: Run, alice: User, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    queue(alice, run.thread, "Second")

    def broken(row: QueuedMessage) -> Run:
        raise RuntimeError("no")

    monkeypatch.setattr(upcoming, "_send", broken)
    complete(run)
    assert "Sending the next message" in caplog.text
    assert waiting(run.thread) == ["Second"]


def test_only_its_author_finds_a_waiting_message(
    run: Run, alice: User, bob: User
) -> None:
    row = queue(alice, run.thread, "Second")
    assert access.queued_message(alice, row.pk) == row
    with pytest.raises(access.NotFound):
        access.queued_message(bob, row.pk)


@pytest.mark.django_db(transaction=True)
async def test_the_worker_that_completes_a_run_sends_the_next_with_it(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    provider.will(Sent(""), TextDelta("One."), gate, WELL)
    provider.will_say("Two.")
    provider.will_say("Three.")
    async with working(monkeypatch, provider):
        run = await post(alice, "First")
        await gate.reached.wait()
        thread = await Thread.objects.aget(pk=run.thread_id)
        for text in ("Second", "Third"):
            await sync_to_async(queue)(alice, thread, text)
        gate.opened.set()
        await finished(run)
        for text in ("Second", "Third"):
            # It is there in the very moment that the run before it is seen to have ended.
            following = await Run.objects.aget(input_preview=text)
            await finished(following)
    said = [(m.role, m.text) async for m in Message.objects.shown(thread)]
    assert said == [
        ("user", "First"),
        ("assistant", "One."),
        ("user", "Second"),
        ("assistant", "Two."),
        ("user", "Third"),
        ("assistant", "Three."),
    ]


@pytest.mark.django_db(transaction=True)
async def test_a_run_that_fails_leaves_them_waiting(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    provider.will(Sent(""), gate, ProviderError("server_error", "No."))
    async with working(monkeypatch, provider):
        run = await post(alice, "First")
        await gate.reached.wait()
        thread = await Thread.objects.aget(pk=run.thread_id)
        await sync_to_async(queue)(alice, thread, "Second")
        gate.opened.set()
        assert (await finished(run)).status == "failed"
    assert await sync_to_async(waiting)(thread) == ["Second"]


# The cards


@pytest.fixture
def page(alice: User) -> Client:
    return client_of(alice)


def test_sending_to_a_busy_thread_answers_with_the_cards(
    page: Client, run: Run
) -> None:
    path = f"/t/{run.thread_id}/messages"
    response = page.post(path, {"text": "Second <b>", "key": "k"}, headers=HTMX)

    html = response.content.decode()
    assert response.status_code == 200
    assert '<hx-partial hx-target="#queued" hx-swap="queued">' in html
    assert html.count("queued-card") == 1
    assert "Second &lt;b&gt;" in html
    assert "<article" not in html
    assert page.post(path, {"text": "Third"}).status_code == 302
    assert "Third" in text_of(page.get(f"/t/{run.thread_id}"))


def test_the_line_is_full_is_said_beside_the_composer(
    page: Client, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upcoming, "MOST", 0)
    path = f"/t/{run.thread_id}/messages"
    response = page.post(path, {"text": "Second"}, headers=HTMX)
    assert response.status_code == 422
    assert "waiting in this thread already" in text_of(response)


def test_a_card_is_changed_removed_and_sent(
    page: Client, run: Run, alice: User
) -> None:
    one, two = queue(alice, run.thread, "One"), queue(alice, run.thread, "Two")
    changed = page.post(f"/queued/{one.pk}", {"text": "Uno\r\n1"}, headers=HTMX)
    assert "Uno" in text_of(changed)
    removed = page.post(f"/queued/{one.pk}/remove", headers=HTMX)
    assert removed.content.decode().count('class="queued-card"') == 1
    busy = page.post(f"/queued/{two.pk}/send", headers=HTMX)
    assert busy.status_code == 409
    ended(run, "cancelled")
    sent = page.post(f"/queued/{two.pk}/send", headers=HTMX)
    assert "data-active" in sent.content.decode()
    assert "queued-card" not in sent.content.decode()
    assert questions(run.thread) == ["First", "Two"]


def test_a_card_shows_the_version_that_the_socket_tells(
    page: Client, run: Run, alice: User
) -> None:
    queue(alice, run.thread, "Second")
    html = page.get(f"/t/{run.thread_id}/queued", headers=HTMX).content.decode()
    found = re.search(r'data-version="([^"]+)"', html)
    assert found
    assert found[1] == upcoming.version(run.thread_id)


@pytest.mark.parametrize("path", ["", "/remove", "/send"])
def test_the_cards_of_others_are_not_to_be_had(
    run: Run, alice: User, mallory: User, path: str
) -> None:
    row = queue(alice, run.thread, "Second")
    ended(run, "cancelled")
    stranger = client_of(mallory)
    assert stranger.post(f"/queued/{row.pk}{path}", {"text": "x"}).status_code == 404
    assert stranger.get(f"/t/{run.thread_id}/queued", headers=HTMX).status_code == 404
    assert waiting(run.thread) == ["Second"]


def test_a_run_that_was_cancelled_after_its_claim_sends_nothing(
    run: Run, alice: User
) -> None:
    queue(alice, run.thread, "Second")
    events.claim(run.pk, worker="w")
    actions.cancel(run=run, user=alice)
    endings.cancelled(run.pk)
    upcoming.send_due()
    assert waiting(run.thread) == ["Second"]
