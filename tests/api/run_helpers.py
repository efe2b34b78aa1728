"""What the tests of runs share: assistants, tools, listeners, and raw streams."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
from openai import AssistantEventHandler, AsyncAssistantEventHandler, OpenAI
from typing_extensions import override

from tests.api.conftest import Site
from tests.model_server import Call, Script

ENDED = ("completed", "failed", "cancelled", "expired", "incomplete")


def function(name: str) -> Any:
    """A function tool as clients send it."""
    return {"type": "function", "function": {"name": name, "parameters": {}}}


WEATHER = Call(id="call_w", name="weather", arguments=['{"city":', '"Rome"}'])
NOW = Call(id="call_n", name="now")
TWO_CALLS = Script(tokens=0, finish="tool_calls", tool_calls=[WEATHER, NOW])
ONE_CALL = Script(tokens=0, finish="tool_calls", tool_calls=[WEATHER])
STALLED = Script(tokens=["Half"], fault="stall", after=1)


def new_assistant(client: OpenAI, **fields: Any) -> str:
    """The id of an assistant with two functions."""
    tools = [function("weather"), function("now")]
    given = {"model": "scripted", "instructions": "Be brief.", "tools": tools} | fields
    return client.beta.assistants.create(**given).id


def new_thread(client: OpenAI, text: str = "Hello?") -> str:
    """The id of a thread with one question."""
    return client.beta.threads.create(messages=[{"role": "user", "content": text}]).id


def begin(client: OpenAI, **fields: Any) -> Any:
    """A run on a thread of its own."""
    assistant = fields.pop("assistant_id", None) or new_assistant(client)
    thread = fields.pop("thread_id", None) or new_thread(client)
    return client.beta.threads.runs.create(thread, assistant_id=assistant, **fields)


def again(client: OpenAI, run: Any) -> Any:
    return client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)


def until(client: OpenAI, run: Any, *statuses: str, within: float = 20) -> Any:
    """The run, once it has one of these statuses."""
    limit = time.monotonic() + within
    while time.monotonic() < limit:
        run = again(client, run)
        if run.status in statuses:
            return run
        time.sleep(0.05)
    raise AssertionError(f"{run.id} is still {run.status}")


def messages_of(client: OpenAI, run: Any) -> Any:
    listed = client.beta.threads.messages.list(run.thread_id, run_id=run.id)
    return listed.data


def steps_of(client: OpenAI, run: Any) -> Any:
    steps = client.beta.threads.runs.steps
    return steps.list(run.id, thread_id=run.thread_id, order="asc").data


def last_request(site: Site) -> dict[str, Any]:
    """What the model server was asked last."""
    return site.model.requests[-1].body


@dataclass
class Sent:
    """One event of a stream as it came over the wire."""

    event: str
    data: Any
    id: str = ""


def parsed(lines: Iterator[str]) -> Iterator[Sent]:
    """The events in the lines of a stream, as the standard has it."""
    event = data = number = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            data = value
        elif name == "id":
            number = value
        elif not line and event:
            yield Sent(event, data if data == "[DONE]" else json.loads(data), number)
            event = data = number = ""


def until_event(site: Site, run: Any, kind: str) -> Sent:
    """The run's first event of this type, as soon as it is there."""
    path = f"/threads/{run.thread_id}/runs/{run.id}/events"
    headers = {"Authorization": f"Bearer {site.keys['alice']}"}
    with httpx2.stream("GET", site.url + path, headers=headers, timeout=30) as answer:
        return next(one for one in parsed(answer.iter_lines()) if one.event == kind)


def raw_stream(
    site: Site, method: str, path: str, *, key: str = "alice", **options: Any
) -> list[Sent]:
    """All events that this request is answered with."""
    headers = {"Authorization": f"Bearer {site.keys[key]}"} | options.pop("headers", {})
    with httpx2.stream(
        method, site.url + path, headers=headers, timeout=30, **options
    ) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        return list(parsed(response.iter_lines()))


def names(stream: list[Any]) -> list[str]:
    """The events' names, deltas of one kind in a row told once."""
    told: list[str] = []
    for one in stream:
        name = one.event.removeprefix("thread.")
        if not (name.endswith(".delta") and told and told[-1] == name):
            told.append(name)
    return told


PLAIN = [
    "run.created", "run.queued", "run.in_progress", "run.step.created",
    "run.step.in_progress", "message.created", "message.in_progress", "message.delta",
    "message.completed", "run.step.completed", "run.completed",
]  # fmt: skip


class Listener(AssistantEventHandler):
    """Writes down every callback, with what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, Any]] = []

    def called(self, name: str) -> list[Any]:
        return [what for heard, what in self.heard if heard == name]

    @override
    def on_end(self) -> None:
        self.heard.append(("end", None))

    @override
    def on_event(self, event: Any) -> None:
        self.heard.append(("event", event))

    @override
    def on_run_step_created(self, run_step: Any) -> None:
        self.heard.append(("step_created", run_step))

    @override
    def on_run_step_delta(self, delta: Any, snapshot: Any) -> None:
        self.heard.append(("step_delta", delta))

    @override
    def on_run_step_done(self, run_step: Any) -> None:
        self.heard.append(("step_done", run_step))

    @override
    def on_tool_call_created(self, tool_call: Any) -> None:
        self.heard.append(("call_created", tool_call.model_copy(deep=True)))

    @override
    def on_tool_call_delta(self, delta: Any, snapshot: Any) -> None:
        self.heard.append(("call_delta", delta))

    @override
    def on_tool_call_done(self, tool_call: Any) -> None:
        self.heard.append(("call_done", tool_call))

    @override
    def on_exception(self, exception: Exception) -> None:
        self.heard.append(("exception", exception))

    @override
    def on_message_created(self, message: Any) -> None:
        self.heard.append(("message_created", message.model_copy(deep=True)))

    @override
    def on_message_delta(self, delta: Any, snapshot: Any) -> None:
        self.heard.append(("message_delta", delta))

    @override
    def on_message_done(self, message: Any) -> None:
        self.heard.append(("message_done", message))

    @override
    def on_text_created(self, text: Any) -> None:
        self.heard.append(("text_created", text.model_copy(deep=True)))

    @override
    def on_text_delta(self, delta: Any, snapshot: Any) -> None:
        self.heard.append(("text_delta", delta.value))

    @override
    def on_text_done(self, text: Any) -> None:
        self.heard.append(("text_done", text.value))


class AsyncListener(AsyncAssistantEventHandler):
    """The same for the asynchronous client, for what differs most."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.calls: list[Any] = []
        self.has_ended = False

    @override
    async def on_text_delta(self, delta: Any, snapshot: Any) -> None:
        self.texts.append(delta.value)

    @override
    async def on_tool_call_done(self, tool_call: Any) -> None:
        self.calls.append(tool_call)

    @override
    async def on_end(self) -> None:
        self.has_ended = True
