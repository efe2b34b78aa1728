"""Streams with the official client: orders, shapes, helpers, re-attaching (api.md 2)."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.api.conftest import Site
from tests.api.run_helpers import (
    ONE_CALL,
    PLAIN,
    STALLED,
    TWO_CALLS,
    AsyncListener,
    Listener,
    begin,
    names,
    new_assistant,
    new_thread,
    raw_stream,
    until,
)
from tests.model_server import Script

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*Assistants API is deprecated.*:DeprecationWarning"
)


def streamed(client: OpenAI, site: Site, **fields: Any) -> list[Any]:
    """The events of a streamed run on a new thread, as they came over the wire."""
    body = {"assistant_id": new_assistant(client), "stream": True} | fields
    return raw_stream(site, "POST", f"/threads/{new_thread(client)}/runs", json=body)


def test_a_plain_reply_comes_in_the_protocols_order(client: OpenAI, site: Site) -> None:
    """2.2 (a) plain reply; 2.1 framing, no id lines."""
    site.model.enqueue(Script(tokens=["Hel", "lo"], pace=20))
    events = streamed(client, site)

    assert names(events) == [*PLAIN, "done"]
    assert events[-1].data == "[DONE]"
    assert not any(event.id for event in events)
    by_name = {event.event: event.data for event in events}
    assert by_name["thread.run.created"]["status"] == "queued"
    assert by_name["thread.run.queued"]["status"] == "queued"
    assert by_name["thread.run.in_progress"]["status"] == "in_progress"
    assert by_name["thread.run.in_progress"]["started_at"] is not None
    assert by_name["thread.message.created"]["content"] == []
    assert by_name["thread.message.created"]["status"] == "in_progress"
    whole = by_name["thread.message.completed"]
    assert whole["content"][0]["text"]["value"] == "Hello"
    assert by_name["thread.run.step.completed"]["usage"]["total_tokens"] == 18
    assert by_name["thread.run.completed"]["usage"]["total_tokens"] == 18
    assert by_name["thread.run.completed"]["expires_at"] is None


def test_text_deltas_have_the_protocols_shape(client: OpenAI, site: Site) -> None:
    """2.3 text: first with annotations, later without, no role."""
    site.model.enqueue(Script(tokens=["Hel", "lo"], pace=4))
    events = streamed(client, site)

    deltas = [e.data for e in events if e.event == "thread.message.delta"]
    message = next(e.data["id"] for e in events if e.event == "thread.message.created")
    assert deltas[0] == delta_of(message, {"value": "Hel", "annotations": []})
    assert deltas[1:] == [delta_of(message, {"value": "lo"})]


def delta_of(message: str, text: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": message,
        "object": "thread.message.delta",
        "delta": {"content": [{"index": 0, "type": "text", "text": text}]},
    }


def test_every_object_in_a_stream_is_the_one_that_is_stored(
    client: OpenAI, site: Site
) -> None:
    """1.7 objects: what the stream folds in memory is what REST shows."""
    events = streamed(client, site)
    by_name = {event.event: event.data for event in events}

    run = by_name["thread.run.completed"]
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    assert site.call("GET", path).json() == run
    (step,) = site.call("GET", f"{path}/steps").json()["data"]
    assert step == by_name["thread.run.step.completed"]
    message = by_name["thread.message.completed"]
    shown = site.call("GET", f"/threads/{run['thread_id']}/messages/{message['id']}")
    assert shown.json() == message


def test_function_calls_end_the_stream_without_completing_their_step(
    client: OpenAI, site: Site
) -> None:
    """2.2 (b) function call; 2.3 shapes of its deltas."""
    site.model.enqueue(TWO_CALLS)
    events = streamed(client, site)

    assert names(events) == [
        "run.created", "run.queued", "run.in_progress", "run.step.created",
        "run.step.in_progress", "run.step.delta", "run.requires_action", "done",
    ]  # fmt: skip
    created = next(e.data for e in events if e.event == "thread.run.step.created")
    assert created["step_details"] == {"type": "tool_calls", "tool_calls": []}
    deltas = [e.data for e in events if e.event == "thread.run.step.delta"]
    assert all(delta["id"] == created["id"] for delta in deltas)
    calls = [delta["delta"]["step_details"]["tool_calls"] for delta in deltas]
    assert all(len(call) == 1 for call in calls)
    first, *more, second, empty = [call[0] for call in calls]
    begin_with = {"name": "weather", "arguments": "", "output": None}
    assert first == {
        "index": 0,
        "id": "call_w",
        "type": "function",
        "function": begin_with,
    }
    assert all(call.keys() == {"index", "type", "function"} for call in more)
    assert "".join(c["function"]["arguments"] for c in more) == '{"city":"Rome"}'
    assert (second["id"], second["function"]["name"]) == ("call_n", "now")
    assert empty["function"] == {"arguments": "{}"}
    waits = events[-2].data
    asked = waits["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [call["id"] for call in asked] == ["call_w", "call_n"]
    assert all(call["function"].keys() == {"name", "arguments"} for call in asked)


def test_the_stream_of_a_submit_begins_with_the_completed_step(
    client: OpenAI, site: Site
) -> None:
    """2.2 (b) submit_tool_outputs stream; 2.4 step.completed for an unseen step."""
    site.model.enqueue(ONE_CALL)
    run = until(client, begin(client), "requires_action")
    path = f"/threads/{run.thread_id}/runs/{run.id}/submit_tool_outputs"
    outputs = [{"tool_call_id": "call_w", "output": "Sunny"}]
    body = {"tool_outputs": outputs, "stream": True}
    events = raw_stream(site, "POST", path, json=body)

    assert names(events) == ["run.step.completed", *PLAIN[1:], "done"]
    (call,) = events[0].data["step_details"]["tool_calls"]
    assert call["function"]["output"] == "Sunny"
    assert events[1].data["required_action"] is None
    assert events[1].data["started_at"] == run.started_at


def test_a_thread_and_run_stream_begins_with_the_thread(
    client: OpenAI, site: Site
) -> None:
    """2.2 (e) create_thread_and_run."""
    thread = {"messages": [{"role": "user", "content": "Hi"}]}
    body = {"assistant_id": new_assistant(client), "thread": thread, "stream": True}
    events = raw_stream(site, "POST", "/threads/runs", json=body)

    assert names(events) == ["created", *PLAIN, "done"]
    assert events[0].data["id"] == events[1].data["thread_id"]


def test_a_cancelled_stream_keeps_the_text_and_ends(client: OpenAI, site: Site) -> None:
    """2.2 (c) cancel midway."""
    site.model.enqueue(STALLED)
    listener = Listener()
    with client.beta.threads.runs.stream(
        thread_id=new_thread(client),
        assistant_id=new_assistant(client),
        event_handler=listener,
    ) as stream:
        for event in stream:
            if event.event == "thread.message.delta":
                run = stream.current_run
                assert run
                client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
        final = stream.get_final_run()

    assert names(listener.called("event")) == [
        *PLAIN[:8], "run.cancelling", "message.incomplete", "run.step.cancelled",
        "run.cancelled",
    ]  # fmt: skip
    assert final.status == "cancelled"
    assert listener.called("text_done") == ["Half"]
    (message,) = listener.called("message_done")
    assert message.incomplete_details.reason == "run_cancelled"


def test_a_failure_is_told_by_a_terminal_event(client: OpenAI, site: Site) -> None:
    """2.2 (d) failure; 2.4 no flat error event."""
    listener = Listener()
    with client.beta.threads.runs.stream(
        thread_id=new_thread(client, "scenario: failed"),
        assistant_id=new_assistant(client),
        event_handler=listener,
    ) as stream:
        stream.until_done()

    told = names(listener.called("event"))
    assert told[-3:] == ["message.incomplete", "run.step.failed", "run.failed"]
    assert stream.current_run
    assert stream.current_run.last_error
    assert stream.current_run.last_error.code == "server_error"


def test_a_failure_before_any_word_has_no_message(client: OpenAI, site: Site) -> None:
    """2.2 (d); 2.4 get_final_messages() when no message raises."""
    with client.beta.threads.runs.stream(
        thread_id=new_thread(client, "scenario: quota"),
        assistant_id=new_assistant(client),
    ) as stream:
        events = list(stream)
    assert names(events) == [
        "run.created", "run.queued", "run.in_progress", "run.failed"
    ]  # fmt: skip
    assert stream.get_final_run().status == "failed"
    with pytest.raises(RuntimeError):
        stream.get_final_messages()


def test_a_full_budget_is_told_on_message_and_run(client: OpenAI, site: Site) -> None:
    """2.2 (d) budget."""
    site.model.enqueue(Script(tokens=["As far"], finish="length"))
    events = streamed(client, site)
    assert names(events)[-4:] == [
        "message.incomplete", "run.step.completed", "run.incomplete", "done"
    ]  # fmt: skip


def test_every_callback_of_the_helper_is_called(client: OpenAI, site: Site) -> None:
    """2.4 callbacks; accumulation of text and of calls."""
    site.model.enqueue(TWO_CALLS, Script(tokens=["It ", "is ", "sunny."], pace=20))
    first, second = Listener(), Listener()
    runs = client.beta.threads.runs
    with runs.stream(
        thread_id=new_thread(client),
        assistant_id=new_assistant(client),
        event_handler=first,
    ) as stream:
        stream.until_done()
    run = stream.current_run
    assert run
    assert run.status == "requires_action"
    created, done = first.called("call_created"), first.called("call_done")
    assert [call.id for call in created] == ["call_w", "call_n"]
    assert [call.function.arguments for call in created] == ["", ""]
    assert first.called("call_delta")
    assert first.called("step_delta")
    assert [call.function.arguments for call in done] == ['{"city":"Rome"}', "{}"]
    assert len(first.called("step_created")) == 1
    assert first.called("end") == [None]

    outputs: Any = [{"tool_call_id": c.id, "output": "ok"} for c in done]
    with runs.submit_tool_outputs_stream(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=outputs,
        event_handler=second,
    ) as stream:
        stream.until_done()
    assert "".join(second.called("text_delta")) == "It is sunny."
    assert [text.value for text in second.called("text_created")] == [
        second.called("text_delta")[0]
    ]
    assert second.called("text_done") == ["It is sunny."]
    assert [m.content for m in second.called("message_created")] == [[]]
    (message,) = second.called("message_done")
    assert message.content[0].text.annotations == []
    assert [step.type for step in second.called("step_done")] == [
        "tool_calls",
        "message_creation",
    ]
    assert not second.called("exception")
    assert stream.get_final_run().status == "completed"
    assert stream.get_final_messages()[0].id == message.id


async def test_the_asynchronous_helper_hears_the_same(
    aclient: AsyncOpenAI, client: OpenAI, site: Site
) -> None:
    """2.4 callbacks, asynchronous; arguments that come whole."""
    site.model.enqueue(ONE_CALL, Script(tokens=["Sun", "ny"], pace=20))
    first, second = AsyncListener(), AsyncListener()
    runs = aclient.beta.threads.runs
    async with aclient.beta.threads.create_and_run_stream(
        assistant_id=new_assistant(client),
        thread={"messages": [{"role": "user", "content": "Hi"}]},
        event_handler=first,
    ) as stream:
        await stream.until_done()
    run = stream.current_run
    assert run
    assert [call.function.arguments for call in first.calls] == ['{"city":"Rome"}']

    async with runs.submit_tool_outputs_stream(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": "call_w", "output": "ok"}],
        event_handler=second,
    ) as stream:
        final = await stream.get_final_run()
    assert "".join(second.texts) == "Sunny"
    assert second.has_ended
    assert final.status == "completed"


def test_the_plain_iterator_gives_typed_events(client: OpenAI, site: Site) -> None:
    """2.4 create(stream=True)."""
    stream = client.beta.threads.runs.create(
        new_thread(client), assistant_id=new_assistant(client), stream=True
    )
    events = list(stream)
    assert names(events) == PLAIN
    last: Any = events[-1]
    assert last.data.status == "completed"


def test_a_refusal_comes_as_one(client: OpenAI, site: Site) -> None:
    """2.3, 9.2 refusal part."""
    site.model.enqueue(Script(tokens=0, refusal=["I ", "won't."]))
    with client.beta.threads.runs.stream(
        thread_id=new_thread(client), assistant_id=new_assistant(client)
    ) as stream:
        (message,) = stream.get_final_messages()
    part: Any = message.content[0]
    assert (part.type, part.refusal) == ("refusal", "I won't.")


def test_line_ends_of_every_kind_stay_within_their_line(
    client: OpenAI, site: Site
) -> None:
    """2.1 one-line JSON, for readers that know more line ends than the standard."""
    text = "a\u2028b\u2029c\x85d\r\ne"
    site.model.enqueue(Script(tokens=[text]))
    events = streamed(client, site)
    whole = next(e.data for e in events if e.event == "thread.message.completed")
    assert whole["content"][0]["text"]["value"] == text
