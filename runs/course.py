"""The rows of one run while events are folded into them: loaded, grown, saved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from runs.models import (
    DELTAS,
    EventType,
    Message,
    MessageStatus,
    Run,
    RunEvent,
    RunStatus,
    RunStep,
    StepStatus,
    text_part,
)

# Which status may follow which (api.md 1.1). A run goes back from in_progress to
# queued only when its worker died before any output.
LEGAL: dict[str, tuple[str, ...]] = {
    RunStatus.QUEUED: (RunStatus.REQUIRES_ACTION, RunStatus.IN_PROGRESS),
    RunStatus.IN_PROGRESS: (RunStatus.QUEUED,),
    RunStatus.REQUIRES_ACTION: (RunStatus.IN_PROGRESS,),
    RunStatus.CANCELLING: (
        RunStatus.QUEUED,
        RunStatus.IN_PROGRESS,
        RunStatus.REQUIRES_ACTION,
    ),
    RunStatus.CANCELLED: (RunStatus.CANCELLING,),
    RunStatus.COMPLETED: (RunStatus.IN_PROGRESS,),
    RunStatus.INCOMPLETE: (RunStatus.IN_PROGRESS,),
    RunStatus.FAILED: (RunStatus.QUEUED, RunStatus.IN_PROGRESS),
    RunStatus.EXPIRED: (
        RunStatus.QUEUED,
        RunStatus.IN_PROGRESS,
        RunStatus.REQUIRES_ACTION,
    ),
}
TOKENS = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
RUN_FIELDS = (
    "status", "error_code", "last_error", "incomplete_reason", "required_action",
    "expires_at", "started_at", "sent_at", "first_token_at", "completed_at",
    "incomplete_at", "failed_at", "cancelled_at", "expired_at", "cancelled_by",
    "server", "model", "model_used", "response_id", "request_id", "finish_reason", *TOKENS,
    "context_from", "context_truncated", "attempt", "worker", "last_seq",
)  # fmt: skip
STEP_FIELDS = (
    "index", "turn", "type", "status", "message_id", "tool_calls", "reasoning",
    "last_error", "finish_reason", *TOKENS, "created_at", "completed_at",
    "failed_at", "cancelled_at", "expired_at",
)  # fmt: skip
MESSAGE_FIELDS = (
    "number", "parent_id", "role", "status", "incomplete_reason", "content",
    "created_at", "completed_at", "incomplete_at",
)  # fmt: skip


class IllegalTransition(Exception):
    """The run's status does not allow this event."""


@dataclass(slots=True)
class Entry:
    """One event as the fold sees it."""

    seq: int
    type: str
    data: dict[str, Any]
    created_at: dt.datetime


@dataclass(slots=True)
class Course:
    """The rows of one run while events are folded into them."""

    run: Run
    steps: dict[str, RunStep] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    reasoning: dict[int, list[str]] = field(default_factory=dict)

    def move(self, status: RunStatus) -> None:
        """Change the run's status. Raises IllegalTransition."""
        if self.run.status not in LEGAL[status]:
            raise IllegalTransition(f"{self.run.status} -> {status}")
        self.run.status = status

    def grow(self, kind: str, data: dict[str, Any]) -> None:
        """Add a delta to what it belongs to; also rebuilds rows that are still open."""
        if kind == EventType.MESSAGE_DELTA:
            add_text(self.messages[data["message"]].content, data)
        elif kind == EventType.STEP_DELTA:
            add_call(self.steps[data["step"]].tool_calls, data)
        else:
            self.reasoning.setdefault(data["turn"], []).append(data["text"])


def add_text(content: list[dict[str, Any]], data: dict[str, Any]) -> None:
    is_refusal = "refusal" in data
    if data["index"] == len(content):
        empty = {"type": "refusal", "refusal": ""} if is_refusal else text_part("")
        content.append(empty)
    part = content[data["index"]]
    if is_refusal:
        part["refusal"] += data["refusal"]
    else:
        part["text"]["value"] += data["text"]


def add_call(calls: list[dict[str, Any]], data: dict[str, Any]) -> None:
    if data["index"] == len(calls):
        function = {"name": data["name"], "arguments": "", "output": None}
        calls.append({"id": data["id"], "type": "function", "function": function})
    calls[data["index"]]["function"]["arguments"] += data["arguments"]


def load_open(course: Course) -> None:
    """Add the steps and messages still in progress, as the log has made them so far.

    What such rows gained by deltas is only in the log, so it is read from there.
    """
    steps = list(course.run.steps.all())
    for step in steps:
        if step.status == StepStatus.IN_PROGRESS:
            step.tool_calls = []
            course.steps[step.pk] = step
    for message in course.run.messages.filter(status=MessageStatus.IN_PROGRESS):
        message.content = []
        course.messages[message.pk] = message
    # A turn's reasoning went to its first step.
    told_turns = {step.turn for step in steps if step.pk not in course.steps}
    deltas = RunEvent.objects.filter(run=course.run, type__in=DELTAS).order_by("seq")
    for kind, data in deltas.values_list("type", "data"):
        owner = data.get("message") or data.get("step")
        if (
            owner in course.messages
            or owner in course.steps
            or (not owner and data["turn"] not in told_turns)
        ):
            course.grow(kind, data)


def save(course: Course, known: Iterable[str]) -> None:
    """Write the rows; those not ``known`` before are new."""
    known = set(known)
    for message in course.messages.values():
        if message.status == MessageStatus.IN_PROGRESS:
            message.content = []  # The log has it; a row never grows with the text.
    course.run.save(update_fields=RUN_FIELDS)
    # Messages first: a step points at the message it made.
    Message.objects.bulk_create(m for k, m in course.messages.items() if k not in known)
    RunStep.objects.bulk_create(s for k, s in course.steps.items() if k not in known)
    for key in known & course.messages.keys():
        course.messages[key].save(update_fields=MESSAGE_FIELDS)
    for key in known & course.steps.keys():
        course.steps[key].save(update_fields=STEP_FIELDS)
