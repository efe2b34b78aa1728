"""What the official clients cannot bear of a server (the table of api.md 2.4), row by row.

Each rule is held against the streams of everything that a run can come to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from tests.api.conftest import Site
from tests.api.run_helpers import (
    ONE_CALL,
    TWO_CALLS,
    Sent,
    begin,
    new_assistant,
    new_thread,
    raw_stream,
    until,
)
from tests.model_server import Script

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*Assistants API is deprecated.*:DeprecationWarning"
)
Stream = list[Sent]
ENDS = {
    f"thread.run.{status}"
    for status in ("completed", "failed", "cancelled", "expired", "incomplete")
}
WHOLE_MESSAGES = ("thread.message.completed", "thread.message.incomplete")


def plain(client: OpenAI, site: Site) -> Stream:
    site.model.enqueue(Script(tokens=["It ", "is ", "sunny."], pace=20))
    return asked(client, site, "Hello?")


def two_calls(client: OpenAI, site: Site) -> Stream:
    site.model.enqueue(TWO_CALLS)
    return asked(client, site, "The weather, now?")


def submitted(client: OpenAI, site: Site) -> Stream:
    site.model.enqueue(ONE_CALL, Script(tokens=["Sunny", "."], pace=20))
    run = until(client, begin(client), "requires_action")
    path = f"/threads/{run.thread_id}/runs/{run.id}/submit_tool_outputs"
    outputs = [{"tool_call_id": "call_w", "output": "Sunny"}]
    body = {"tool_outputs": outputs, "stream": True}
    return raw_stream(site, "POST", path, json=body)


def failed(client: OpenAI, site: Site) -> Stream:
    return asked(client, site, "scenario: failed")


def failed_at_once(client: OpenAI, site: Site) -> Stream:
    return asked(client, site, "scenario: quota")


def cut_short(client: OpenAI, site: Site) -> Stream:
    site.model.enqueue(Script(tokens=["As ", "far"], pace=20, finish="length"))
    return asked(client, site, "Much, please.")


def refused(client: OpenAI, site: Site) -> Stream:
    site.model.enqueue(Script(tokens=0, refusal=["I ", "won't."]))
    return asked(client, site, "Something bad.")


def asked(client: OpenAI, site: Site, text: str) -> Stream:
    body = {"assistant_id": new_assistant(client), "stream": True}
    return raw_stream(
        site, "POST", f"/threads/{new_thread(client, text)}/runs", json=body
    )


COURSES: list[Callable[[OpenAI, Site], Stream]] = [
    plain, two_calls, submitted, failed, failed_at_once, cut_short, refused,
]  # fmt: skip


@pytest.fixture(scope="module", params=COURSES, ids=lambda course: course.__name__)
def stream(request: pytest.FixtureRequest, site: Site) -> Stream:
    """The events of one course of a run, as they came over the wire."""
    events: Stream = request.param(site.client(), site)
    assert events
    return events


def ids(stream: Stream, event: str) -> list[str]:
    return [one.data["id"] for one in stream if one.event == event]


def fragments(stream: Stream) -> list[tuple[str, dict[str, Any]]]:
    """Each piece of a call, with the step that it belongs to."""
    return [
        (one.data["id"], call)
        for one in stream
        if one.event == "thread.run.step.delta"
        for call in one.data["delta"]["step_details"]["tool_calls"]
    ]


def test_a_delta_comes_after_what_it_belongs_to(stream: Stream) -> None:
    """2.4 message.delta before message.created; step.delta before step.created."""
    known: set[str] = set()
    for one in stream:
        if one.event in ("thread.message.created", "thread.run.step.created"):
            known.add(one.data["id"])
        if one.event in ("thread.message.delta", "thread.run.step.delta"):
            assert one.data["id"] in known


def test_one_message_is_open_at_a_time(stream: Stream) -> None:
    """2.4 the Node helper: one open message, and deltas of that one alone."""
    opened = ""
    for one in stream:
        if one.event == "thread.message.created":
            assert opened == ""
            opened = one.data["id"]
        if one.event == "thread.message.delta":
            assert one.data["id"] == opened
        if one.event in WHOLE_MESSAGES:
            assert one.data["id"] == opened
            opened = ""
    assert opened == ""


def test_parts_are_counted_without_a_gap_and_none_is_taken_back(stream: Stream) -> None:
    """2.4 content index gap; message.completed with fewer parts than streamed."""
    seen: dict[str, list[int]] = {}
    for one in stream:
        if one.event == "thread.message.delta":
            indexes = seen.setdefault(one.data["id"], [])
            indexes += [part["index"] for part in one.data["delta"]["content"]]
    for indexes in seen.values():
        assert list(dict.fromkeys(indexes)) == list(range(max(indexes) + 1))
    for one in stream:
        if one.event in WHOLE_MESSAGES and one.data["id"] in seen:
            assert len(one.data["content"]) > max(seen[one.data["id"]])


def test_a_call_is_named_once_and_its_arguments_come_later(stream: Stream) -> None:
    """2.4 repeating id and name; arguments already complete in the first delta."""
    named: set[tuple[str, int]] = set()
    for step, call in fragments(stream):
        place = (step, call["index"])
        if place in named:
            assert "id" not in call
            assert "name" not in call["function"]
            continue
        named.add(place)
        assert call["id"]
        assert call["function"]["name"]
        assert call["function"]["arguments"] == ""


def test_the_first_text_of_a_part_has_its_annotations(stream: Stream) -> None:
    """2.4 first text delta without annotations."""
    begun: set[tuple[str, int]] = set()
    for one in stream:
        if one.event != "thread.message.delta":
            continue
        for part in one.data["delta"]["content"]:
            place = (one.data["id"], part["index"])
            if part["type"] == "text" and place not in begun:
                assert part["text"]["annotations"] == []
            begun.add(place)


def test_every_name_is_the_protocols_and_no_error_goes_past_it(stream: Stream) -> None:
    """2.4 custom event not starting with thread; flat and nested errors."""
    for one in stream[:-1]:
        assert one.event.startswith("thread.")
        assert "error" not in one.data


def test_the_end_is_told_before_done(stream: Stream) -> None:
    """2.4 stream ends without terminal run event; missing [DONE]."""
    assert (stream[-1].event, stream[-1].data) == ("done", "[DONE]")
    assert stream[-2].event in {*ENDS, "thread.run.requires_action"}


def test_there_are_no_ids_beside_which_a_comment_would_be_an_event(
    stream: Stream,
) -> None:
    """2.4 id line plus comment keepalive."""
    assert not any(one.id for one in stream)


def test_lines_end_by_a_line_feed_alone(client: OpenAI, site: Site) -> None:
    """2.4 CRLF line ends: borne, and not sent."""
    path = f"{site.url}/threads/{new_thread(client)}/runs"
    body = {"assistant_id": new_assistant(client), "stream": True}
    headers = {"Authorization": f"Bearer {site.keys['alice']}"}
    answer = httpx2.post(path, json=body, headers=headers, timeout=30)
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert b"\r" not in answer.content


def test_a_submit_goes_on_with_a_step_that_its_stream_has_not_opened(
    client: OpenAI, site: Site
) -> None:
    """2.4 submit stream starting with step.completed for an unseen step."""
    events = submitted(client, site)
    assert events[0].event == "thread.run.step.completed"
    assert events[0].data["id"] not in ids(events, "thread.run.step.created")
