"""The websocket, driven from outside as a browser tab would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.contrib.auth import SESSION_KEY
from django.test import Client

from chat import consumers, signin, window
from chat.routing import websocket_application
from runs import actions, branches, endings, events
from runs.models import EventType, Run, Thread, User
from runs.providers import TextDelta
from tests.conftest import PASSWORD
from tests.scripts import Gate, Scripted, ended, post, until, working

pytestmark = pytest.mark.django_db(transaction=True)

HOST = b"127.0.0.1:8000"
ORIGIN = b"http://127.0.0.1:8000"


class Tab:
    """A browser tab's socket."""

    def __init__(self, cookie: str, origin: bytes | None = ORIGIN, path: str = "/ws"):
        headers = [(b"host", HOST)]
        if origin is not None:
            headers.append((b"origin", origin))
        name = django_settings.SESSION_COOKIE_NAME
        headers.append((b"cookie", f"{name}={cookie}".encode()))
        self.socket = WebsocketCommunicator(websocket_application, path, headers)

    async def open(self) -> Tab:
        assert (await self.socket.connect())[0]
        return self

    async def hear(self) -> dict[str, Any]:
        return dict(json.loads(await self.socket.receive_from(timeout=5)))

    async def say(self, **frame: Any) -> None:
        await self.socket.send_to(text_data=json.dumps(frame))

    async def closed(self) -> int:
        """The close code, after whatever else was still sent."""
        while True:
            output = await self.socket.receive_output(timeout=5)
            if output["type"] == "websocket.close":
                return int(output["code"])

    async def events_of(self, run: Run, after: int = 0) -> list[dict[str, Any]]:
        """All frames of the run up to its terminal event, acknowledged as they come."""
        await self.say(op="subscribe", run=run.pk, after=after)
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["type"] != EventType.RUN_COMPLETED:
            frames.append(await self.hear())
            await self.say(op="ack", run=run.pk, seq=frames[-1]["seq"])
        return frames


@pytest_asyncio.fixture
async def cookie(alice: User) -> str:
    return await signed_in(alice)


async def signed_in(user: User) -> str:
    client = Client()
    await sync_to_async(client.login)(username=user.username, password=PASSWORD)
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


@pytest_asyncio.fixture
async def tab(cookie: str) -> AsyncIterator[Tab]:
    tab = await Tab(cookie).open()
    assert await tab.hear() == {"op": "hello", "protocol": 1, "ping": 20}
    yield tab
    await tab.socket.disconnect()


async def text_of(frames: list[dict[str, Any]]) -> str:
    return "".join(f["data"].get("text", "") for f in frames)


async def test_a_tab_sees_a_run_from_its_first_to_its_last_event(
    alice: User, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, gate = Scripted(), Gate()
    provider.will(TextDelta("Hel"), gate, TextDelta("lo"), *scripted_end())
    async with working(monkeypatch, provider):
        run = await post(alice)
        await until(run, "thread.message.delta")
        watching = asyncio.create_task(tab.events_of(run))
        gate.opened.set()
        frames = await watching
    assert [f["seq"] for f in frames] == list(range(1, len(frames) + 1))
    assert await text_of(frames) == "Hello"
    assert {f["op"] for f in frames} == {"event"}


async def test_a_cursor_resumes_behind_it_even_long_after_the_end(
    alice: User, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Scripted()
    provider.will_say("Hello")
    async with working(monkeypatch, provider):
        run = await ended(await post(alice))
    frames = await tab.events_of(run, after=run.last_seq - 2)
    assert [f["seq"] for f in frames] == [run.last_seq - 1, run.last_seq]


async def test_another_users_run_is_not_found(
    tab: Tab, mallory: User, bob: User
) -> None:
    run = await post(bob)
    await tab.say(op="subscribe", run=run.pk, after=0)
    answer = await tab.hear()
    assert (answer["op"], answer["code"], answer["run"]) == (
        "error",
        "not_found",
        run.pk,
    )
    await tab.say(op="subscribe", run="run_none", after=0)
    assert (await tab.hear())["code"] == "not_found"


@pytest.mark.parametrize(
    "origin",
    [
        None,
        b"null",
        b"http://127.0.0.1:9000",
        b"https://127.0.0.1:8000",
        b"http://127.0.0.1",
        b"http://127.0.0.1:8000.evil.example",
        b"http://evil.example",
    ],
)
async def test_a_foreign_page_is_refused(cookie: str, origin: bytes | None) -> None:
    tab = await Tab(cookie, origin).open()
    assert await tab.closed() == 4403


async def test_behind_a_public_url_only_that_origin_is_ours(
    cookie: str, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://chat.example.com"
    assert await (await Tab(cookie).open()).closed() == 4403
    tab = await Tab(cookie, b"https://chat.example.com").open()
    assert (await tab.hear())["op"] == "hello"
    await tab.socket.disconnect()


@pytest.mark.parametrize("cookie", ["", "no-such-session"])
async def test_without_a_sign_in_the_socket_is_closed(cookie: str) -> None:
    assert await (await Tab(cookie).open()).closed() == 4401


async def test_an_unknown_path_is_closed_with_a_code(cookie: str) -> None:
    assert await (await Tab(cookie, path="/nowhere").open()).closed() == 4404


@pytest.mark.parametrize(
    "frame",
    [
        " ",
        "nonsense",
        "[]",
        '"subscribe"',
        "[" * 20_000,
        '{"op": "explode"}',
        '{"op": "subscribe"}',
        '{"op": "subscribe", "run": 7, "after": 0}',
        '{"op": "subscribe", "run": "run_1", "after": -1}',
        '{"op": "subscribe", "run": "run_1", "after": true}',
        '{"op": "subscribe", "run": "run_1", "after": 1e99}',
        '{"op": "ack", "run": "' + "x" * 999 + '", "seq": 1}',
    ],
)
async def test_a_bad_frame_is_explained_and_closes_the_socket(
    tab: Tab, frame: str
) -> None:
    await tab.socket.send_to(text_data=frame)
    assert (await tab.hear())["code"] == "bad_frame"
    assert await tab.closed() == 4400


async def test_a_binary_frame_is_a_bad_frame(tab: Tab) -> None:
    await tab.socket.send_to(bytes_data=b"\0\1")
    assert await tab.closed() == 4400


async def test_too_many_frames_close_the_socket(tab: Tab) -> None:
    for _ in range(window.BURST + 2):
        await tab.say(op="ping")
    assert await tab.closed() == 4429


async def test_a_ping_is_answered(tab: Tab) -> None:
    await tab.say(op="ping")
    assert await tab.hear() == {"op": "pong"}


async def test_the_server_pings_by_itself(
    cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "PING", 0.01)
    tab = await Tab(cookie).open()
    await tab.hear()
    assert await tab.hear() == {"op": "ping"}
    await tab.socket.disconnect()


async def long_run(alice: User, deltas: int) -> Run:
    """A run in mid-answer whose log has so many deltas."""
    run = await post(alice)
    claimed = await sync_to_async(events.claim)(run.pk, worker="w:1")
    assert claimed
    opening = [
        events.Event(
            EventType.STEP_CREATED,
            {"step": "step_1", "type": "message_creation", "index": 0, "turn": 1},
        ),
        events.Event(EventType.MESSAGE_CREATED, {"message": "msg_1", "step": "step_1"}),
    ]
    words = [
        events.Event(
            EventType.MESSAGE_DELTA, {"message": "msg_1", "index": 0, "text": "x"}
        )
        for _ in range(deltas)
    ]
    await sync_to_async(events.record)(run.pk, opening + words, attempt=1)
    return run


async def test_no_more_than_the_window_is_sent_beyond_the_last_ack(
    alice: User, tab: Tab
) -> None:
    run = await long_run(alice, deltas=450)
    await tab.say(op="subscribe", run=run.pk, after=0)
    for seq in range(1, window.MOST_EVENTS + 1):
        assert (await tab.hear())["seq"] == seq
    assert await tab.socket.receive_nothing(timeout=0.1)
    await tab.say(op="ack", run=run.pk, seq=window.MOST_EVENTS)
    assert (await tab.hear())["seq"] == window.MOST_EVENTS + 1


async def test_acks_that_free_something_are_never_too_many(
    alice: User, tab: Tab
) -> None:
    run = await long_run(alice, deltas=window.BURST * 3)
    await tab.say(op="subscribe", run=run.pk, after=0)
    for seq in range(1, window.BURST * 3):
        assert (await tab.hear())["seq"] == seq
        await tab.say(op="ack", run=run.pk, seq=seq)


async def test_a_tab_that_stops_reading_is_closed_as_slow(
    alice: User, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "PATIENCE", 0.05)
    run = await long_run(alice, deltas=450)
    await tab.say(op="subscribe", run=run.pk, after=0)
    assert await tab.closed() == 4408


async def test_following_costs_no_query_per_token_on_the_shared_thread(
    alice: User, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await long_run(alice, deltas=100)
    asked: list[Any] = []
    real = database_sync_to_async

    def counting(function: Any) -> Any:
        asked.append(function)
        return real(function)

    monkeypatch.setattr("chat.consumers.database_sync_to_async", counting)
    await tab.say(op="subscribe", run=run.pk, after=0)
    for _ in range(100):
        await tab.hear()
    assert len(asked) == 1


async def test_an_idle_tab_is_told_of_a_new_run_in_its_thread(
    alice: User, tab: Tab
) -> None:
    first = await post(alice)
    await sync_to_async(endings.expired)(first.pk)
    await tab.say(op="watch", thread=first.thread_id)
    told = {"op": "run", "thread": first.thread_id}
    assert await tab.hear() == {**told, "run": first.pk}
    path = {"op": "path", "thread": first.thread_id}
    assert await tab.hear() == {**path, "tip": first.answers_id}
    assert await tab.hear() == {**told, "op": "queued", "version": ""}
    await post(alice, "Elsewhere")
    thread = await Thread.objects.aget(pk=first.thread_id)
    second = await post(alice, thread=thread)
    assert await tab.hear() == {**told, "run": second.pk}
    await sync_to_async(endings.expired)(second.pk)
    await sync_to_async(branches.show_answer)(run=first)
    assert await tab.hear() == {**path, "tip": ""}


async def test_another_users_thread_cannot_be_watched(tab: Tab, bob: User) -> None:
    run = await post(bob)
    await tab.say(op="watch", thread=run.thread_id)
    assert (await tab.hear())["code"] == "not_found"


@pytest.mark.parametrize("how", ["sign-out", "password", "deactivation"])
async def test_what_is_revoked_closes_open_sockets(
    alice: User, cookie: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signin, "LOOK", 0.05)
    tab = await Tab(cookie).open()
    await tab.hear()
    await revoke(alice, cookie, how)
    assert await tab.closed() == 4401


@sync_to_async
def revoke(user: User, cookie: str, how: str) -> None:
    if how == "sign-out":
        client = Client()
        client.cookies[django_settings.SESSION_COOKIE_NAME] = cookie
        assert client.session[SESSION_KEY] == str(user.pk)
        client.session.flush()
    elif how == "password":
        user.set_password("something else entirely")
        user.save(update_fields=["password"])
    else:
        User.objects.filter(pk=user.pk).update(is_active=False)


def scripted_end() -> list[Any]:
    script = Scripted()
    script.will_say()
    return script.turns[0][1:]


async def test_a_cursor_beyond_the_log_is_told_that_it_is_gone(
    alice: User, tab: Tab
) -> None:
    run = await post(alice)
    await tab.say(op="subscribe", run=run.pk, after=run.last_seq + 1)
    assert (await tab.hear())["code"] == "gone"


async def test_a_waiting_run_is_told_its_place_and_again_when_it_moves(
    alice: User, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.places.LOOK", 0.05)
    first, second = await post(alice), await post(alice)
    await tab.say(op="subscribe", run=second.pk, after=second.last_seq)
    assert await tab.hear() == {"op": "place", "run": second.pk, "place": 2}
    await sync_to_async(actions.cancel)(run=first, user=alice)
    assert await tab.hear() == {"op": "place", "run": second.pk, "place": 1}


async def test_a_run_that_is_being_answered_is_told_no_place(
    alice: User, tab: Tab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.places.LOOK", 0.05)
    provider, gate = Scripted(), Gate()
    provider.will(TextDelta("Hel"), gate, TextDelta("lo"), *scripted_end())
    async with working(monkeypatch, provider):
        run = await post(alice)
        await until(run, "thread.message.delta")
        await tab.say(op="subscribe", run=run.pk, after=0)
        frames = [await tab.hear()]
        while frames[-1].get("type") != EventType.MESSAGE_DELTA:
            frames.append(await tab.hear())
        assert await tab.socket.receive_nothing(timeout=0.25)  # For five looks.
        gate.opened.set()
        await ended(run)
    assert {frame["op"] for frame in frames} == {"event"}
