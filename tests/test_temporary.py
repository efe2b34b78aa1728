"""Temporary threads leave no content behind, on either database."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import connection
from django.test import Client
from django.utils import timezone

from runs import actions, files, housekeeping, shares, temporary, timelines
from runs.models import File, FileChunk, Message, Run, RunStep, Thread, User
from runs.providers import ProviderError, ReasoningDelta, Sent, TextDelta
from tests.conftest import PASSWORD
from tests.pages_fixtures import HTMX, client_of, ended, text_of
from tests.scripts import USED, WELL, Scripted, post, working
from tests.scripts import ended as until_ended

SENTINEL = "xyzzy-plugh"
pytestmark = pytest.mark.django_db


@pytest.fixture
def page(alice: User) -> Client:
    return client_of(alice)


def whole_database() -> str:
    """Every row of every table as text."""
    text = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - its own names
            text += [repr([readable(value) for value in row]) for row in cursor]
    return "\n".join(text)


def readable(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def begun(page: Client, text: str = f"My secret is {SENTINEL}") -> Run:
    page.post("/messages", {"text": text, "temporary": "1", "key": "k"}, headers=HTMX)
    return Run.objects.select_related("thread", "answers").get()


def test_a_temporary_chat_is_marked_and_listed_nowhere(page: Client) -> None:
    assert "This chat is temporary" in text_of(page.get("/?temporary=1"))
    run = begun(page)

    assert "Temporary" in text_of(page.get(f"/t/{run.thread_id}"))
    for path in ("/threads", "/palette", "/palette?q=secret", "/shared"):
        assert SENTINEL not in text_of(page.get(path, headers=HTMX))
    assert run.input_preview == ""
    assert not Thread.objects.listed_for(run.user).exists()


def test_an_ordinary_message_does_not_make_a_thread_temporary(page: Client) -> None:
    page.post("/messages", {"text": "Hello"}, headers=HTMX)

    assert not Thread.objects.get().is_temporary


def test_it_is_not_shared(page: Client) -> None:
    thread = begun(page).thread

    for level in ("read", "write"):
        with pytest.raises(shares.NotShareable):
            shares.share_with_team(thread, level, user=thread.owner)
    with pytest.raises(shares.NotShareable):
        shares.make_link(thread, lasts=dt.timedelta(days=1), user=thread.owner)


def test_closing_erases_at_once_and_ends_what_is_active(page: Client) -> None:
    run = begun(page)

    answer = page.post(f"/t/{run.thread_id}/close", follow=True)

    assert "is erased" in text_of(answer)
    assert SENTINEL not in whole_database()
    run.refresh_from_db()
    assert run.status == "cancelled"
    assert page.get(f"/t/{run.thread_id}").status_code == 404
    assert page.get(f"/runs/{run.pk}").status_code == 404
    sent = page.post(f"/t/{run.thread_id}/messages", {"text": "More"})
    assert sent.status_code == 404


def test_an_ordinary_thread_cannot_be_closed(page: Client, alice: User) -> None:
    run = ended(actions.post_message(user=alice, text="Hello"), "completed", "Hi.")

    assert page.post(f"/t/{run.thread_id}/close").status_code == 404
    assert Message.objects.count() == 2


def test_files_go_unless_another_message_has_them(page: Client, alice: User) -> None:
    run = ended(begun(page), "completed", "Well.")
    other = actions.post_message(user=alice, text="Hello")
    kept, gone = [
        files.store(owner=alice, filename="a", purpose="user_data", content=[b"Text"])
        for _ in range(2)
    ]
    assert run.answers
    assert other.answers
    for message, named in ((run.answers, [kept, gone]), (other.answers, [kept])):
        message.attachments = [{"file_id": one.pk, "tools": []} for one in named]
        message.save(update_fields=["attachments"])

    temporary.erase(run.thread)

    assert list(File.objects.all()) == [kept]
    assert FileChunk.objects.count() == 1


def test_housekeeping_erases_what_nobody_uses_any_more(page: Client) -> None:
    run = ended(begun(page), "completed", f"{SENTINEL} indeed")
    housekeeping.keep_house()
    assert SENTINEL in whole_database()
    long_ago = timezone.now() - dt.timedelta(hours=25)
    Thread.objects.update(last_activity_at=long_ago)

    housekeeping.keep_house()

    assert SENTINEL not in whole_database()
    run.refresh_from_db()
    assert run.status == "completed"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("at_rest", [False, True])
async def test_a_run_leaves_only_its_bare_record(
    alice: User, monkeypatch: pytest.MonkeyPatch, at_rest: bool
) -> None:
    provider = Scripted()
    said = (Sent("req_1"), ReasoningDelta(f"Hm, {SENTINEL}. "), TextDelta(SENTINEL))
    provider.will(*said, USED, WELL)
    provider.will(ProviderError("invalid_request", f"No {SENTINEL} here."))
    async with working(monkeypatch, provider):
        well = await until_ended(await post(alice, SENTINEL, is_temporary=True))
        thread = await Thread.objects.select_related("owner").aget(pk=well.thread_id)
        failed = await until_ended(await post(alice, SENTINEL, thread=thread))
    if at_rest:
        await sync_to_async(timelines.compact)(well.pk)
    assert SENTINEL in await sync_to_async(whole_database)()

    await sync_to_async(temporary.erase)(thread)

    assert SENTINEL not in await sync_to_async(whole_database)()
    await well.arefresh_from_db()
    await failed.arefresh_from_db()
    assert (well.status, failed.status) == ("completed", "failed")
    assert (well.input_tokens, well.output_tokens) == (10, 5)
    assert well.model_used == "model-1-2026"
    assert well.first_token_at
    assert not await RunStep.objects.aexists()


def test_the_history_still_shows_the_run(page: Client, root: User) -> None:
    run = ended(begun(page), "completed", "Well.")
    temporary.erase(run.thread)

    answer = client_of(root).get(f"/admin/runs/run/{run.pk}/change/")

    assert answer.status_code == 200
    assert SENTINEL not in text_of(answer)


def test_every_model_is_looked_at(page: Client) -> None:
    """The search sees what it must: the sentinel is found while it is there."""
    begun(page)

    assert SENTINEL in whole_database()
    assert len(apps.get_app_config("runs").models) > 10
    assert PASSWORD not in whole_database()
