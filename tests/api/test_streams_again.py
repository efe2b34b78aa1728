"""Following runs at any time, from any door; who leaves and who is shut out."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.api.conftest import Site
from tests.api.run_helpers import (
    ENDED,
    ONE_CALL,
    STALLED,
    begin,
    messages_of,
    names,
    new_assistant,
    new_thread,
    parsed,
    raw_stream,
    until,
    until_event,
)
from tests.api.tab import Tab
from tests.model_server import Script

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*Assistants API is deprecated.*:DeprecationWarning"
)


def events_of(run: Any) -> str:
    return f"/threads/{run.thread_id}/runs/{run.id}/events"


def test_an_expired_run_ends_its_stream(client: OpenAI, site: Site) -> None:
    """2.2 (d) expiry, followed from its begin."""
    site.model.enqueue(ONE_CALL)
    run = until(client, begin(client), "requires_action")
    site.shell(
        "from django.utils import timezone\nfrom runs.models import Run\n"
        f"Run.objects.filter(pk='{run.id}').update(expires_at=timezone.now())"
    )
    events = raw_stream(site, "GET", events_of(run))
    assert names(events)[-4:] == [
        "run.requires_action", "run.step.expired", "run.expired", "done"
    ]  # fmt: skip


def test_the_log_of_a_run_can_be_followed_from_any_event_at_any_time(
    client: OpenAI, site: Site
) -> None:
    """9.3 beyond the original: re-attach, by ``after`` or Last-Event-ID."""
    site.model.enqueue(ONE_CALL)
    run = until(client, begin(client), "requires_action")
    outputs: Any = [{"tool_call_id": "call_w", "output": "Sunny"}]
    client.beta.threads.runs.submit_tool_outputs(
        run.id, thread_id=run.thread_id, tool_outputs=outputs
    )
    until(client, run, "completed")

    whole = raw_stream(site, "GET", events_of(run))
    assert whole[0].id == "1"
    seqs = [int(event.id) for event in whole if event.id and event.event != "done"]
    numbered = sorted(set(seqs))
    assert numbered == list(range(1, numbered[-1] + 1))
    assert whole[-1].event == "done"
    assert "thread.run.sent" in [event.event for event in whole]
    for after in (0, 1, 7, numbered[-2], numbered[-1]):
        rest = raw_stream(site, "GET", f"{events_of(run)}?after={after}")
        assert [(e.event, e.data) for e in rest] == [
            (e.event, e.data) for e in beyond(whole, after)
        ]
    headers = {"Last-Event-ID": "7"}
    assert raw_stream(site, "GET", events_of(run), headers=headers) == raw_stream(
        site, "GET", f"{events_of(run)}?after=7"
    )


def beyond(events: list[Any], after: int) -> list[Any]:
    """The events after that of this number; one without a number goes with the next."""
    place = 0
    for number, event in enumerate(events):
        if event.id and event.event != "done" and int(event.id) <= after:
            place = number + 1
    return events[place:]


def test_a_run_at_rest_is_told_as_it_was_live(client: OpenAI, site: Site) -> None:
    """9.3 re-attach: long after the end the same events come."""
    site.model.enqueue(Script(tokens=[f"w{n} " for n in range(30)], pace=60))
    run = until(client, begin(client), "completed")
    live = raw_stream(site, "GET", events_of(run))
    site.shell(f"from runs.timelines import compact\ncompact('{run.id}')")

    assert raw_stream(site, "GET", events_of(run)) == live
    assert site.shell(
        "from runs.models import RunEvent\n"
        f"print(RunEvent.objects.filter(run='{run.id}', type__endswith='.delta').count())"
    ).split() == ["0"]


def test_the_official_client_reads_the_log_with_its_ids(
    client: OpenAI, site: Site
) -> None:
    """2.4 id lines: nothing in this stream is taken for an empty event."""
    run = until(client, begin(client), "completed")
    stream = client.get(
        events_of(run), cast_to=object, stream=True, stream_cls=openai.Stream[object]
    )
    events: list[Any] = list(stream)
    assert events[-1]["event"] == "thread.run.completed"


def test_a_client_gone_does_not_end_the_run(client: OpenAI, site: Site) -> None:
    """Issue: a client gone does not end the run."""
    site.model.enqueue(Script(tokens=20, pace=20))
    with client.beta.threads.runs.create(
        new_thread(client), assistant_id=new_assistant(client), stream=True
    ) as stream:
        first: Any = next(iter(stream))
    run = until(client, first.data, *ENDED)
    assert run.status == "completed"
    assert messages_of(client, run)[0].content[0].text.value.endswith("word19 ")


def test_a_revoked_key_ends_its_open_stream_within_five_seconds(
    client: OpenAI, site: Site
) -> None:
    """Issue: revocation reaches open streams."""
    secret, key_id = site.shell(
        "from runs import keys\nfrom runs.models import User\n"
        "key, secret = keys.make(User.objects.get(username='alice'), 'x', ['read'])\n"
        "print(secret, key.pk)"
    ).split()
    site.model.enqueue(STALLED)
    run = begin(client)
    until_event(site, run, "thread.message.delta")
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx2.stream(
        "GET", site.url + events_of(run), headers=headers, timeout=7
    ) as answer:
        lines = answer.iter_lines()
        events = parsed(lines)
        while next(events).event != "thread.message.delta":
            pass
        site.shell(
            "from runs import access, keys\nfrom runs.models import ApiKey\n"
            f"keys.revoke(ApiKey.objects.get(pk='{key_id}'))"
        )
        rest = list(events)
    assert [event.event for event in rest] == ["error"]
    assert rest[0].data["error"]["code"] == "invalid_api_key"
    client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)


async def test_a_tab_sees_the_run_that_the_api_began_and_the_api_the_tabs(
    client: OpenAI, site: Site
) -> None:
    """Issue: one thread, two doors."""
    assistant = await asyncio.to_thread(new_assistant, client)
    thread = await asyncio.to_thread(new_thread, client)
    async with Tab(site.base) as alice:
        await alice.sign_in("alice")
        async with alice.watching(thread) as runs:
            assert await anext(runs) == ""
            run = await asyncio.to_thread(
                begin, client, thread_id=thread, assistant_id=assistant
            )
            assert await anext(runs) == run.id
        frames = [frame async for frame in alice.follow(run.id)]
        assert frames[-1]["type"] == "thread.run.completed"
        said = "".join(
            frame["data"].get("text", "")
            for frame in frames
            if frame["type"] == "thread.message.delta"
        )
        assert said == "Hello, world!"

        own = await alice.post("From the browser")
        path = f"/threads/{await alice.thread_of(own)}/runs/{own}/events"
        events = await asyncio.to_thread(raw_stream, site, "GET", path)
        assert names(events)[-2:] == ["run.completed", "done"]
