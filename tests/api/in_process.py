"""The API asked in this process, where a test needs its worker or provider in hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from runs import keys, starts
from runs.api import sse
from runs.conversations import Draft
from runs.models import ApiKey, Assistant, Run, User, text_part
from runs.overrides import Overrides
from tests.api.run_helpers import Listener

Call = Callable[..., Any]


@pytest.fixture
def key(alice: User) -> tuple[ApiKey, str]:
    return keys.make(alice, "tests", ["read", "write"])


@pytest.fixture
def call(key: tuple[ApiKey, str]) -> Call:
    """A request with Alice's key; gives status and JSON."""
    client = Client(headers={"Authorization": f"Bearer {key[1]}"})

    def send(method: str, path: str, body: Any = None) -> tuple[int, Any]:
        data = json.dumps(body) if body is not None else ""
        answer = client.generic(method, f"/v1{path}", data, "application/json")
        return answer.status_code, json.loads(answer.content)

    return send


def run_of(user: User, *texts: str, **fields: Any) -> Run:
    """A queued run of an assistant with these fields."""
    over = fields.pop("over", Overrides())
    drafts = fields.pop("drafts", None)
    assistant = Assistant.objects.create(owner=user, name="A", **fields)
    told = drafts or [Draft("user", [text_part(text)]) for text in texts or ("Hi",)]
    run = starts.start_in_new_thread(
        assistant=assistant, user=user, messages=told, over=over
    )
    return Run.objects.select_related("setup").get(pk=run.pk)


def path_of(run: Run, more: str = "") -> str:
    return f"/threads/{run.thread_id}/runs/{run.pk}{more}"


async def stream_of(run: Run, key: ApiKey, **options: Any) -> bytes:
    """All that the stream of this run sends, from its begin."""
    fresh = await Run.objects.select_related("setup").aget(pk=run.pk)
    response = await sync_to_async(sse.stream)(fresh, key.pk, **options)
    return b"".join([chunk async for chunk in response])


def heard_by_helper(stream: bytes) -> Listener:
    """What the official client's helper makes of a stream."""
    kind = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(
        lambda request: httpx2.Response(200, content=stream, headers=kind)
    )
    listener = Listener()
    with (
        httpx2.Client(transport=transport) as http,
        openai.OpenAI(base_url="http://x/v1", api_key="x", http_client=http) as client,
        client.beta.threads.runs.stream(
            thread_id="t", assistant_id="a", event_handler=listener
        ) as heard,
    ):
        heard.until_done()
    assert not listener.called("exception")
    return listener
