"""Sharing with the team and by link: who sees what, and how soon it is over."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from chat import permits
from runs import actions, contents, conversations, files, shares
from runs.models import Message, Run, Shared, ShareLink, Thread, User, text_part
from tests.pages_fixtures import HTMX, client_of, ended, exchange, text_of
from tests.test_consumers import Tab, signed_in

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


@pytest.fixture
def thread(alice: User) -> Thread:
    return exchange(alice, None, 1)


def shared(thread: Thread, level: str) -> Thread:
    return shares.share_with_team(thread, level, user=thread.owner)


# With the team


def test_the_owner_shares_in_the_dialog_and_the_head_tells(
    alice: User, thread: Thread
) -> None:
    page = client_of(alice)
    assert "With the team" in text_of(page.get(f"/t/{thread.pk}/share", headers=HTMX))

    said = page.post(f"/t/{thread.pk}/share", {"level": "read"}, headers=HTMX)

    assert "Saved" in text_of(said)
    assert "Team may read" in text_of(said)
    assert "Team may read" in text_of(page.get(f"/t/{thread.pk}"))


def test_a_level_that_there_is_not_changes_nothing(alice: User, thread: Thread) -> None:
    answer = client_of(alice).post(f"/t/{thread.pk}/share", {"level": "all"})

    assert answer.status_code == 422
    thread.refresh_from_db()
    assert thread.shared == Shared.PRIVATE


def test_the_team_finds_it_with_its_owners_name(
    alice: User, bob: User, thread: Thread
) -> None:
    assert "Question 1" not in text_of(client_of(bob).get("/shared"))
    shared(thread, "write")

    assert "Question 1 by alice · to take part" in text_of(
        client_of(bob).get("/shared")
    )
    assert "Question 1 yours" in text_of(client_of(alice).get("/shared"))
    assert "Question 1" not in text_of(client_of(bob).get("/threads", headers=HTMX))


def test_the_teams_list_pages_on_from_a_cursor_in_one_query(
    alice: User,
    bob: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    monkeypatch.setattr("chat.sharing.PIECE", 2)
    for number in range(3):
        shared(exchange(alice, None, number), "read")
    page = client_of(bob)

    with django_assert_num_queries(3):  # session, user, threads
        first = page.get("/shared").content.decode()
    more = re.search(r'hx-get="([^"]+)"', first)
    assert more is not None
    second = page.get(more[1].replace("&amp;", "&"), headers=HTMX).content.decode()

    assert [f"Question {n}" in first for n in range(3)] == [False, True, True]
    assert [f"Question {n}" in second for n in range(3)] == [True, False, False]


def test_what_others_wrote_bears_their_name(
    alice: User, bob: User, thread: Thread
) -> None:
    exchange(bob, shared(thread, "write"), 2)

    assert "B bob Question 2" in text_of(client_of(alice).get(f"/t/{thread.pk}"))
    seen_by_bob = text_of(client_of(bob).get(f"/t/{thread.pk}"))
    assert "A alice Question 1" in seen_by_bob
    assert "B bob Question" not in seen_by_bob


def test_a_page_for_reading_says_so(bob: User, thread: Thread) -> None:
    shared(thread, "read")

    html = client_of(bob).get(f"/t/{thread.pk}").content.decode()

    assert 'data-may="read"' in html
    assert "alice shares this thread for reading." in html


def test_a_model_gets_the_files_of_whoever_wrote_and_of_nobody_else(
    alice: User, bob: User, mallory: User, thread: Thread
) -> None:
    shared(thread, "write")
    kept = {
        user: files.store(
            owner=user, filename=f"{user}.txt", purpose="user_data", content=[b"Text."]
        )
        for user in (bob, mallory)
    }
    attachments = [{"file_id": file.pk, "tools": []} for file in kept.values()]
    draft = conversations.Draft("user", [text_part("See")], attachments)
    message = conversations.add_message(thread, draft, user=bob)
    run = Run.objects.filter(thread=thread).select_related("thread")[0]

    found = contents.extras(run, [message], documents=False)

    assert found.of_message[message.pk].texts == ["[bob.txt]\nText."]
    assert len(found.warnings) == 1


# Open sockets


@pytest.mark.django_db(transaction=True)
async def test_unsharing_reaches_an_open_socket(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permits, "LOOK", 0.05)
    run = await sync_to_async(actions.post_message)(user=alice, text="Hello")
    thread = await Thread.objects.select_related("owner").aget(pk=run.thread_id)
    await sync_to_async(shared)(thread, "write")
    tab = await Tab(await signed_in(bob)).open()
    await tab.hear()
    await tab.say(op="watch", thread=thread.pk)
    assert (await tab.hear())["run"] == run.pk
    await tab.say(op="subscribe", run=run.pk, after=run.last_seq)

    await sync_to_async(shared)(thread, "read")
    assert await heard(tab, "access") == "read"
    await sync_to_async(shared)(thread, "")
    assert await heard(tab, "access") == ""
    assert await heard(tab, "error") is None
    await sync_to_async(ended)(run, "completed")
    assert await tab.socket.receive_nothing(timeout=0.3)
    await tab.say(op="watch", thread=thread.pk)
    assert (await tab.hear())["code"] == "not_found"
    await tab.socket.disconnect()


async def heard(tab: Tab, op: str) -> Any:
    """The level that the next frame of this kind tells."""
    async with asyncio.timeout(5):
        while (frame := await tab.hear())["op"] != op:
            pass
    return frame.get("level")


@pytest.mark.django_db(transaction=True)
async def test_one_look_serves_all_sockets(
    alice: User, bob: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    told: list[tuple[str, str]] = []

    async def tell(thread_id: str, level: str) -> None:
        told.append((thread_id, level))

    threads = [await sync_to_async(exchange)(alice, None, n) for n in range(5)]
    looks = permits.Permits()
    looks._permits = {permits.Permit(bob.pk, one.pk, "read", tell) for one in threads}

    def look() -> None:
        from runs import access  # noqa: PLC0415

        with django_assert_num_queries(1):
            access.levels({(bob.pk, one.pk) for one in threads})

    await sync_to_async(look)()
    await looks._look()

    assert sorted(told) == sorted((one.pk, "") for one in threads)


# By link


def link_to(thread: Thread, lasts: dt.timedelta = DAY) -> ShareLink:
    return shares.make_link(thread, lasts=lasts, user=thread.owner)


def address(link: ShareLink) -> str:
    return f"/s/{shares.token_of(link)}"


def test_a_link_shows_a_frozen_copy_to_anybody(alice: User, thread: Thread) -> None:
    User.objects.filter(pk=alice.pk).update(email="alice@example.org")
    link = link_to(thread)
    exchange(alice, thread, 2)
    Message.objects.filter(thread=thread).update(content=[text_part("changed")])

    answer = Client().get(address(link))

    shown = text_of(answer)
    assert "alice Question 1 Assistant Answer 1" in shown
    for left_out in ("Question 2", "changed", "alice@", "tokens", thread.pk, "run_"):
        assert left_out not in answer.content.decode()
    assert b"<script" not in answer.content
    assert "noindex" in answer["X-Robots-Tag"]
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "private, no-cache"


def test_a_copy_is_sanitised_and_names_files_only(alice: User) -> None:
    file = files.store(
        owner=alice, filename="plan.txt", purpose="user_data", content=[b"Secret."]
    )
    run = actions.post_message(user=alice, text="<script>alert(1)</script>")
    assert run.answers
    run.answers.attachments = [{"file_id": file.pk, "tools": []}]
    run.answers.save(update_fields=["attachments"])
    hostile = "<img src=x onerror=alert(1)> [x](javascript:alert(1)) *well*"
    thread = ended(run, "completed", hostile).thread

    html = Client().get(address(link_to(thread))).content.decode()

    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert "<em>well</em>" in html
    assert "plan.txt" in html
    assert file.pk not in html


def test_a_revoked_or_expired_link_is_gone_and_a_guessed_one_never_was(
    alice: User, thread: Thread
) -> None:
    revoked, expired = link_to(thread), link_to(thread)
    client_of(alice).post(f"/links/{revoked.pk}/revoke")
    ShareLink.objects.filter(pk=expired.pk).update(expires_at=timezone.now())

    for link, words in ((revoked, "withdrawn"), (expired, "time of this link is over")):
        answer = Client().get(address(link))
        assert answer.status_code == 410
        assert words in text_of(answer)
        assert "Question 1" not in text_of(answer)
    for token in (revoked.pk, f"{link_to(thread).pk}.x", "x"):
        assert Client().get(f"/s/{token}").status_code == 404
    revoked.refresh_from_db()
    assert revoked.messages == []


def test_with_share_links_off_there_are_none(
    alice: User, thread: Thread, settings: Settings
) -> None:
    link = link_to(thread)
    settings.SHARE_LINKS = False

    assert Client().get(address(link)).status_code == 404
    page = client_of(alice)
    assert "switched off" in text_of(page.get(f"/t/{thread.pk}/share", headers=HTMX))
    answer = page.post(f"/t/{thread.pk}/links", {"days": 7}, headers=HTMX)
    assert answer.status_code == 422
    assert ShareLink.objects.count() == 1


def test_the_owner_sees_address_expiry_and_how_often_it_was_opened(
    alice: User, thread: Thread
) -> None:
    page = client_of(alice)
    made = page.post(f"/t/{thread.pk}/links", {"days": 7}, headers=HTMX)
    link = ShareLink.objects.get()
    for _ in range(2):
        Client().get(address(link))

    assert address(link) in made.content.decode()
    assert link.expires_at - timezone.now() > 6 * DAY
    shown = page.get(f"/t/{thread.pk}/share", headers=HTMX)
    assert address(link) in shown.content.decode()
    assert "opened 2 times" in text_of(shown)


def test_no_link_is_made_of_what_is_too_long_or_not_finished(
    alice: User, thread: Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MOST_MESSAGES", 1)
    page = client_of(alice)
    answer = page.post(f"/t/{thread.pk}/links", {"days": 7}, headers=HTMX)
    assert "too long for a link" in text_of(answer)
    actions.post_message(user=alice, text="More", thread=thread)
    answer = page.post(f"/t/{thread.pk}/links", {"days": 7}, headers=HTMX)
    assert "An answer is being written" in text_of(answer)
    assert not ShareLink.objects.exists()


def test_a_long_copy_has_pages(thread: Thread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.sharing.COPIED_AT_ONCE", 1)
    link = link_to(thread)

    assert "Page 1 of 2" in text_of(Client().get(address(link)))
    assert "Answer 1" in text_of(Client().get(address(link), {"page": 2}))


def test_links_go_with_their_thread(alice: User, thread: Thread) -> None:
    link = link_to(thread)
    conversations.delete_thread(thread, user=alice)

    assert Client().get(address(link)).status_code == 404
