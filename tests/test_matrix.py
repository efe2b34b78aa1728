"""Who may do what in the browser: every route and every websocket operation, asked by
everybody. What is not listed in these tables fails the first tests.

/v1 has a matrix of its own, and the admin site the rules of Django.
"""

from __future__ import annotations

import datetime as dt
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from chat.consumers import RunConsumer
from runs import actions, assistants, files, filing, keys, shares, uses
from runs.models import FileExtract, Prompt, QueuedMessage, Run, User, text_part
from tests.pages_fixtures import ended
from tests.test_consumers import Tab, signed_in

# The columns are: the owner, a team mate with whom the thread is shared to be read, one
# with whom it is shared to take part, another member, and somebody not signed in.
# A number is the status; "ask" asks to sign in. Names in braces are ids of the owner's.
ROUTES = """
GET  /                               200 200 200 200 ask
POST /messages                       302 302 302 302 ask
GET  /threads                        200 200 200 200 ask
GET  /threads/archived               200 200 200 200 ask
GET  /search                         200 200 200 200 ask
GET  /t/{thread}                     200 200 200 404 ask
POST /t/{thread}/messages            302 404 302 404 ask
GET  /t/{thread}/menu                200 404 404 404 ask
GET  /t/{thread}/rename              200 404 404 404 ask
POST /t/{thread}/rename              302 404 404 404 ask
POST /t/{thread}/pin                 302 404 404 404 ask
POST /t/{thread}/archive             302 404 404 404 ask
POST /t/{thread}/delete              302 404 404 404 ask
POST /t/{deleted}/restore            302 404 404 404 ask
POST /t/{thread}/seen                204 204 204 404 ask
GET  /t/{thread}/share               200 404 404 404 ask
POST /files                          400 400 400 400 ask
GET  /files/waiting                  200 200 200 200 ask
GET  /files/{file}                   200 200 200 404 ask
GET  /files/{file}/thumb             200 200 200 404 ask
POST /files/{file}/discard           204 404 404 404 ask
POST /t/{thread}/share               302 404 404 404 ask
POST /t/{thread}/links               302 404 404 404 ask
GET  /t/{thread}/export/{kind}       200 200 200 404 ask
POST /t/{temporary}/close            302 404 404 404 ask
GET  /t/{thread}/queued              302 302 302 404 ask
POST /queued/{message}               302 404 404 404 ask
POST /queued/{message}/remove        302 404 404 404 ask
POST /queued/{message}/send          302 404 404 404 ask
POST /t/{thread}/assistant           302 404 302 404 ask
GET  /t/{thread}/parameters          200 404 200 404 ask
POST /t/{thread}/parameters          302 404 302 404 ask
GET  /assistants                     200 200 200 200 ask
GET  /assistants/new                 200 200 200 200 ask
POST /assistants/new                 302 302 302 302 ask
GET  /assistants/pick                302 302 302 302 ask
GET  /assistants/models              200 200 200 200 ask
GET  /assistants/{assistant}         200 404 404 404 ask
POST /assistants/{assistant}         302 404 404 404 ask
POST /assistants/{assistant}/duplicate 302 404 404 404 ask
GET  /assistants/{assistant}/delete  200 404 404 404 ask
POST /assistants/{assistant}/delete  302 404 404 404 ask
GET  /prompts                        200 200 200 200 ask
GET  /prompts/new                    200 200 200 200 ask
POST /prompts/new                    302 302 302 302 ask
GET  /prompts/list                   200 200 200 200 ask
GET  /prompts/{prompt}               200 404 404 404 ask
POST /prompts/{prompt}               302 404 404 404 ask
GET  /prompts/{prompt}/text          200 404 404 404 ask
GET  /prompts/{prompt}/delete        200 404 404 404 ask
POST /prompts/{prompt}/delete        302 404 404 404 ask
GET  /runs/{run}/waits               302 302 302 404 ask
POST /runs/{run}/outputs             409 404 409 404 ask
POST /runs/{run}/decide              409 404 409 404 ask
POST /links/{link}/revoke            302 404 404 404 ask
GET  /shared                         200 200 200 200 ask
GET  /s/{token}                      200 200 200 200 200
GET  /runs/{run}                     302 302 302 404 ask
GET  /runs/{run}/text                200 200 200 404 ask
POST /runs/{run}/cancel              302 404 302 404 ask
POST /runs/{run}/retry               302 404 302 404 ask
POST /runs/{run}/continue            409 404 409 404 ask
POST /runs/{run}/show                302 404 302 404 ask
GET  /runs/{run}/menu                200 200 200 404 ask
GET  /runs/{run}/delete              200 404 200 404 ask
POST /runs/{run}/delete              302 404 302 404 ask
GET  /runs/{run}/details             200 200 200 404 ask
POST /runs/{run}/feedback            302 302 302 404 ask
GET  /runs/{run}/feedback/note       200 200 200 404 ask
POST /runs/{run}/feedback/note       302 302 302 404 ask
POST /messages/{question}/edit       302 404 302 404 ask
GET  /messages/{question}/edit/form  200 404 200 404 ask
GET  /messages/{question}/text       200 200 200 404 ask
POST /messages/{question}/show       302 404 302 404 ask
GET  /messages/{question}/menu       200 200 200 404 ask
GET  /messages/{question}/delete     200 404 200 404 ask
POST /messages/{question}/delete     302 404 302 404 ask
GET  /t/{thread}/at/{anchor}         204 204 204 404 ask
GET  /doctor                         404 404 404 404 404
GET  /doctor/checks                  404 404 404 404 404
GET  /doctor/drip                    404 404 404 404 404
GET  /diagram                        200 200 200 200 200
GET  /palette                        200 200 200 200 ask
GET  /shortcuts                      200 200 200 200 ask
GET  /manifest.webmanifest           200 200 200 200 200
GET  /words.js                       200 200 200 200 200
GET  /settings                       200 200 200 200 ask
POST /settings                       302 302 302 302 ask
GET  /settings/export                200 200 200 200 ask
GET  /settings/import                200 200 200 200 ask
POST /settings/import                422 422 422 422 ask
GET  /settings/keys                  200 200 200 200 ask
POST /settings/keys                  200 200 200 200 ask
POST /settings/keys/{key}/revoke     302 404 404 404 ask
GET  /setup/{setup}                  404 404 404 404 404
GET  /login                          302 302 302 302 200
POST /logout                         302 302 302 302 302
GET  /password                       200 200 200 200 ask
GET  /password/done                  302 302 302 302 ask
GET  /api                            200 200 200 200 ask
GET  /api/openapi.json               200 200 200 200 ask
"""
BODIES: dict[str, dict[str, Any]] = {
    "/messages": {"text": "Hello"},
    "/t/{thread}/messages": {"text": "More"},
    "/t/{thread}/rename": {"title": "Another"},
    "/t/{thread}/pin": {"on": "1"},
    "/t/{thread}/archive": {"on": "1"},
    "/t/{thread}/seen": {"run": "{run}"},
    "/t/{thread}/share": {"level": "read"},
    "/t/{thread}/links": {"days": 7},
    "/messages/{question}/edit": {"text": "What is that?"},
    "/queued/{message}": {"text": "Or this?"},
    "/t/{thread}/assistant": {"assistant": "asst_default"},
    "/assistants/new": {"name": "Another", "format": "text", "colour": "teal"},
    "/assistants/{assistant}": {"name": "Tutor", "format": "text", "colour": "teal"},
    "/prompts/new": {"name": "greet", "text": "Hello"},
    "/prompts/{prompt}": {"name": "sum", "text": "Sum it up"},
    "/settings": {"theme": "dark", "send_key": "enter"},
    "/settings/keys": {"name": "a key", "days": 30, "scopes": ["read"]},
}
# What a socket answers to each operation. Without a sign-in it closes at once, with 4401.
OPERATIONS = """
subscribe    event     event     event     not_found
watch        run       run       run       not_found
threads      nothing   nothing   nothing   nothing
unsubscribe  nothing   nothing   nothing   nothing
ack          nothing   nothing   nothing   nothing
ping         pong      pong      pong      pong
pong         nothing   nothing   nothing   nothing
"""
WHO = ("owner", "reader", "writer", "member", "nobody")
ELSEWHERE = {"admin/"}
# Where the name of an id says less than the table must.
RENAMED = {
    "/t/{temporary}/close": "/t/{thread}/close",
    "/t/{deleted}/restore": "/t/{thread}/restore",
    "/setup/{setup}": "/setup/{token}",
}
PLACEHOLDER = re.compile(r"<(?:\w+:)?(\w+?)(?:_id)?>")

Row = tuple[str, str, list[str]]


def rows(table: str) -> list[Row]:
    split = [line.split() for line in table.strip().splitlines()]
    return [(method, path, expected) for method, path, *expected in split]


def served(patterns: list[Any], before: str = "/") -> Iterator[str]:
    """Every address of the site, with names in braces."""
    for one in patterns:
        route = str(one.pattern)
        if isinstance(one, URLResolver) and route not in ELSEWHERE:
            yield from served(one.url_patterns, before + route)
        elif isinstance(one, URLPattern) and route not in ELSEWHERE:
            yield before + PLACEHOLDER.sub(r"{\1}", route)


class World:
    """Alice's threads: one of her own, and two that she shares; others ask for them."""

    def __init__(self, alice: User, bob: User) -> None:
        self.people = dict.fromkeys(WHO[1:4], bob) | {"owner": alice}
        self.key = keys.make(alice, name="mine", scopes=["read"])[0].pk
        self.runs = {who: self._run(alice) for who in WHO}
        asked = {who: run.answers for who, run in self.runs.items()}
        self.files = {who: next(uses.file_ids(m)) for who, m in asked.items() if m}
        self._share(self.runs["reader"], "read")
        self._share(self.runs["writer"], "write")
        self.temporary = self._run(alice, is_temporary=True).thread_id
        deleted = self._run(alice).thread
        filing.delete(deleted, user=alice)
        self.deleted = deleted.pk
        own = self.runs["owner"].thread
        self.queued = QueuedMessage.objects.create(
            thread=own, author=alice, number=1, content=[text_part("And this?")]
        )
        self.assistant = assistants.create(owner=alice, name="Tutor", model="m")
        self.prompt = Prompt.objects.create(owner=alice, name="sum", text="Sum up")
        self.link = shares.make_link(own, lasts=dt.timedelta(days=1), user=alice)

    def _run(self, alice: User, **options: Any) -> Run:
        file = files.store(
            owner=alice,
            filename="a.png",
            purpose="vision",
            content=[b"\x89PNG\r\n\x1a\n"],
            is_attachment=True,
        )
        FileExtract.objects.create(file=file, thumbnail=b"RIFF")
        run = actions.post_message(
            user=alice, text="What is it?", attachments=[file], **options
        )
        return ended(run, "completed", "It is this.")

    def _share(self, run: Run, level: str) -> None:
        shares.share_with_team(run.thread, level, user=self.people["owner"])

    def ids(self, who: str) -> dict[str, str]:
        """What this person asks for."""
        run = self.runs[who]
        return {
            "thread": run.thread_id,
            "run": run.pk,
            "key": self.key,
            "file": self.files[who],
            "link": self.link.pk,
            "token": shares.token_of(self.link),
            "temporary": self.temporary,
            "deleted": self.deleted,
            "message": self.queued.pk,
            "question": run.answers_id,
            "anchor": run.pk,
            "assistant": self.assistant.pk,
            "prompt": self.prompt.pk,
            "setup": "guessed",
            "kind": "json",
        }

    def body(self, who: str, path: str) -> dict[str, Any]:
        """The form that is sent there; some name what this person asks for."""
        ids = {f"{{{name}}}": key for name, key in self.ids(who).items()}
        form = BODIES.get(path, {})
        return {k: ids.get(v, v) if isinstance(v, str) else v for k, v in form.items()}

    def client(self, who: str) -> Client:
        client = Client()
        if who in self.people:
            client.force_login(self.people[who])
        return client

    def ask(self, who: str, method: str, path: str) -> str:
        """What the answer is called in the table; nothing of it stays."""
        client, address = self.client(who), path.format(**self.ids(who))
        with transaction.atomic():
            answer = client.generic(method, address) if method == "GET" else None
            answer = answer or client.post(address, self.body(who, path))
            transaction.set_rollback(True)
        return called(answer)


def called(answer: Any) -> str:
    asks = answer.status_code == 302 and answer["Location"].startswith("/login?next=")
    return "ask" if asks else str(answer.status_code)


@pytest.fixture
def world(db: None, alice: User, bob: User) -> World:
    return World(alice, bob)


def test_every_route_is_in_the_matrix() -> None:
    listed = {RENAMED.get(path, path) for _, path, _ in rows(ROUTES)}
    listed = {path.replace("{question}", "{message}") for path in listed}

    assert set(served(get_resolver().url_patterns)) == listed


def test_every_operation_of_the_socket_is_in_the_matrix() -> None:
    known = re.findall(r'"(\w+)"', inspect.getsource(RunConsumer._obey))

    listed = {line.split()[0] for line in OPERATIONS.strip().splitlines()}
    assert listed == set(known) - {"op", "run", "after", "thread"}


@pytest.mark.parametrize(
    ("method", "path", "expected"), rows(ROUTES), ids=lambda one: str(one)[:40]
)
def test_a_route_answers_each_as_the_matrix_says(
    world: World, method: str, path: str, expected: list[str]
) -> None:
    assert [world.ask(who, method, path) for who in WHO] == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who", WHO[:4])
async def test_a_socket_answers_each_as_the_matrix_says(
    alice: User, bob: User, who: str
) -> None:
    world = await database_sync_to_async(World)(alice, bob)
    ids, answers = world.ids(who), {}
    tab = await Tab(await signed_in(world.people[who])).open()
    await tab.hear()

    for operation in (line.split()[0] for line in OPERATIONS.strip().splitlines()):
        frame = {"run": ids["run"], "thread": ids["thread"], "after": 0, "seq": 0}
        await tab.say(op=operation, **frame)
        answers[operation] = await heard(tab)
    await tab.socket.disconnect()

    column = 1 + WHO.index(who)
    lines = [line.split() for line in OPERATIONS.strip().splitlines()]
    assert answers == {line[0]: line[column] for line in lines}


async def heard(tab: Tab) -> str:
    """What comes next, after a ping that shows when nothing does; then all of it is read."""
    said: list[str] = []
    await tab.say(op="ping")
    while not said or said[-1] != "pong":
        frame = await tab.hear()
        said.append(frame.get("code", frame["op"]))
    while not await tab.socket.receive_nothing(timeout=0.1):
        frame = await tab.hear()
        said.insert(0, frame.get("code", frame["op"]))
    said.remove("pong")
    return said[0] if said else "nothing"


@pytest.mark.django_db(transaction=True)
async def test_a_socket_without_a_sign_in_is_closed() -> None:
    tab = await Tab("nobody").open()

    assert await tab.closed() == 4401
