"""A run's log as the protocol's stream: each event with its object as it was then.

The rows are folded from the log in memory, by the code that also writes them, so that a
stream needs nothing of the database but the log.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone

from runs import endings, fold
from runs.api import objects
from runs.course import RUN_FIELDS, Course, Entry
from runs.events import Event
from runs.live import Logged
from runs.models import EventType, Message, Run, RunStatus, RunStep

Shown = dict[str, Any]

OURS = frozenset(
    {
        EventType.RUN_SENT,
        EventType.RUN_RETRYING,
        EventType.RUN_WARNING,
        EventType.REASONING_DELTA,
        EventType.TURN_COMPLETED,
        EventType.TOOLS_STARTED,
        EventType.TOOLS_ANSWERED,
    }
)
# Line ends to some readers of streams, though not by their standard.
LINE_ENDS = {ord(char): f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"}


@dataclass(frozen=True, slots=True)
class Told:
    """An event as a client gets it."""

    event: str
    data: Shown

    def frame(self, seq: int | None = None) -> bytes:
        """The lines of the event; with ``seq`` as its id."""
        number = "" if seq is None else f"id: {seq}\n"
        return f"event: {self.event}\n{number}data: {dumped(self.data)}\n\n".encode()


class Replay:
    """The rows of a run as the log has made them, up to the last event taken."""

    def __init__(
        self, run: Run, *, with_results: bool = False, with_outputs: bool = False
    ) -> None:
        """``run`` has its setup loaded. ``with_results`` shows what searches found.

        ``with_outputs`` tells what functions of the server gave as soon as they did. The
        original told that with the end of the step; its clients take a call that is
        spoken of again, after another, for a new one.
        """
        self.course = Course(as_created(run))
        self._with_results = with_results
        self._with_outputs = with_outputs

    @property
    def run(self) -> Run:
        return self.course.run

    def skip(self, event: Logged) -> None:
        """Take an event of which nobody needs to be told."""
        self._fold(event, event.data)

    def take(self, event: Logged) -> list[Told]:
        """What to tell of the event: one thing, or two where a call begins whole."""
        data = event.data
        if event.type == EventType.MESSAGE_DELTA:
            return self._message_delta(event, data)
        if event.type == EventType.STEP_DELTA:
            return self._step_delta(event, data)
        self._fold(event, data)
        if event.type in OURS:
            return [Told(event.type, {"run_id": event.run, **data})]
        return [Told(event.type, self._object(event.type, data))]

    def cancellation(self) -> list[Logged]:
        """How the run ended if it is gone before its end could be read.

        Whoever deletes a thread cancels its run first, but a reader may come too late for
        those events. What was open is known here, and so is what they said.
        """
        run, now = self.run, timezone.now()
        ends = [
            *endings.closing(
                _open(self.course.messages),
                _open(self.course.steps),
                "run_cancelled",
                EventType.STEP_CANCELLED,
            ),
            Event(EventType.RUN_CANCELLED),
        ]
        if run.status != RunStatus.CANCELLING:
            ends.insert(0, Event(EventType.RUN_CANCELLING, {"by": ""}))
        return [
            Logged(run.pk, run.last_seq + place, end.type, json.dumps(end.data), now)
            for place, end in enumerate(ends, 1)
        ]

    def texts(self) -> Iterable[str]:
        """The text of each message that the run wrote, in order."""
        written = sorted(self.course.messages.values(), key=lambda row: row.number)
        return (message.text for message in written)

    def _fold(self, event: Logged, data: Shown) -> None:
        at: Any = (
            event.recorded_at
        )  # None for deltas, where nothing shown is made of it
        fold.apply(self.course, Entry(event.seq, event.type, data, at))

    def _object(self, kind: str, data: Shown) -> Shown:
        if kind.startswith("thread.message."):
            return objects.message(self.course.messages[data["message"]])
        if kind.startswith("thread.run.step."):
            step = objects.step(self.course.steps[data["step"]])
            return step if self._with_results else without_results(step)
        return objects.run(self.course.run)

    def _message_delta(self, event: Logged, data: Shown) -> list[Told]:
        content = self.course.messages[data["message"]].content
        is_first = data["index"] == len(content)
        self._fold(event, data)
        part = _part_delta(data, content, is_first=is_first)
        shown = {
            "id": data["message"],
            "object": "thread.message.delta",
            "delta": {"content": [part]},
        }
        return [Told(event.type, shown)]

    def _step_delta(self, event: Logged, data: Shown) -> list[Told]:
        calls = self.course.steps[data["step"]].tool_calls
        is_first = data["index"] == len(calls)
        self._fold(event, data)
        kind = calls[data["index"]]["type"]
        return [
            Told(event.type, _call_delta(data["step"], call))
            for call in _call_pieces(data, kind, is_first=is_first)
            if self._with_outputs or call.get("function", {}).keys() != {"output"}
        ]


def as_created(run: Run) -> Run:
    """The run as it was before its log began; its model as it is known now."""
    kept = {
        field.attname: getattr(run, field.attname)
        for field in Run._meta.concrete_fields
        if field.attname not in RUN_FIELDS or field.attname in ("server", "model")
    }
    time = dt.timedelta(seconds=settings.RUN_EXPIRES_SECONDS)
    bare = Run(**kept, expires_at=run.expires_at or run.created_at + time)
    bare.setup = run.setup
    return bare


def without_results(step: Shown) -> Shown:
    """The step without the texts that searches found, which are told on wish only."""
    details = step["step_details"]
    if not any("file_search" in call for call in details.get("tool_calls", ())):
        return step
    calls = [_without_results(call) for call in details["tool_calls"]]
    return {**step, "step_details": {**details, "tool_calls": calls}}


def _open(rows: Mapping[str, Message | RunStep]) -> list[str]:
    return [key for key, row in rows.items() if row.status == "in_progress"]


def dumped(data: Any) -> str:
    """JSON on one line, for every reader's idea of a line."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else text.translate(LINE_ENDS)


def _without_results(call: Shown) -> Shown:
    if "file_search" not in call:
        return call
    search = dict(call["file_search"])
    if "results" in search:
        search["results"] = [
            {key: value for key, value in found.items() if key != "content"}
            for found in search["results"]
        ]
    return {**call, "file_search": search}


def _part_delta(data: Shown, content: list[Shown], *, is_first: bool) -> Shown:
    if "refusal" in data:
        refusal = data["refusal"]
        return {"index": data["index"], "type": "refusal", "refusal": refusal}
    text: Shown = {"value": data["text"]}
    if is_first:
        text["annotations"] = []
    if "annotation" in data:
        number = len(content[data["index"]]["text"]["annotations"]) - 1
        text["annotations"] = [{"index": number, **data["annotation"]}]
    return {"index": data["index"], "type": "text", "text": text}


def _call_delta(step: str, call: Shown) -> Shown:
    details = {"type": "tool_calls", "tool_calls": [call]}
    return {
        "id": step,
        "object": "thread.run.step.delta",
        "delta": {"step_details": details},
    }


def _call_pieces(data: Shown, kind: str, *, is_first: bool) -> Iterable[Shown]:
    """A call begins without arguments: clients are told of those as they come."""
    head: Shown = {"index": data["index"]}
    if is_first:
        begin = BEGINNINGS[kind](data)
        yield {**head, "id": data["id"], "type": kind, kind: begin}
    if piece := data["arguments"]:
        name = "arguments" if kind == "function" else "input"
        yield {**head, "type": kind, kind: {name: piece}}
    if "output" in data:
        yield {**head, "type": kind, kind: {"output": data["output"]}}
    if outputs := data.get("result", {}).get("outputs"):
        numbered = [{"index": number, **one} for number, one in enumerate(outputs)]
        yield {**head, "type": kind, kind: {"outputs": numbered}}


BEGINNINGS: dict[str, Any] = {
    "function": lambda d: {"name": d["name"], "arguments": "", "output": None},
    "code_interpreter": lambda d: {"input": "", "outputs": []},
    "file_search": lambda d: {},
}
