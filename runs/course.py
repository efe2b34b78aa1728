"""The rows of one run while events are folded into them: loaded, grown, saved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

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
from runs.rows import Change

# Which status may follow which (api.md 1.1). A run goes back from in_progress to
# queued only when its worker died before any output.
LEGAL: dict[str, tuple[str, ...]] = {
    RunStatus.QUEUED: (RunStatus.REQUIRES_ACTION, RunStatus.IN_PROGRESS),
    RunStatus.IN_PROGRESS: (RunStatus.QUEUED,),
    # From itself: part of what it waited for was answered.
    RunStatus.REQUIRES_ACTION: (RunStatus.IN_PROGRESS, RunStatus.REQUIRES_ACTION),
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
STEP_ENDS = frozenset(
    {
        EventType.STEP_COMPLETED,
        EventType.STEP_FAILED,
        EventType.STEP_CANCELLED,
        EventType.STEP_EXPIRED,
    }
)
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

# Written as SQL, since the ORM takes longer to put it together than to run it.
READ = "SELECT run.*{more} FROM runs_run AS run{joins} WHERE run.id IN ({keys}) ORDER BY run.id{lock}"
NEWEST = ", newest.number AS newest_number, newest.run_id AS newest_run, newest.id AS newest_id"
JOINS = """
    JOIN runs_thread AS thread ON thread.id = run.thread_id
    LEFT JOIN runs_message AS newest ON newest.id = (
        SELECT id FROM runs_message WHERE thread_id = run.thread_id
        ORDER BY number DESC LIMIT 1
    )
"""


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
        elif kind == EventType.TOOLS_ANSWERED:
            add_outputs(self.steps[data["step"]].tool_calls, data["outputs"])
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
    if "annotation" in data:
        part["text"]["annotations"].append(data["annotation"])


def add_call(calls: list[dict[str, Any]], data: dict[str, Any]) -> None:
    """Add a piece of a call; of one of a hosted tool, the code or the result."""
    if data["index"] == len(calls):
        calls.append(new_call(data))
    call = calls[data["index"]]
    if call["type"] == "function":
        call["function"]["arguments"] += data["arguments"]
    elif call["type"] == "code_interpreter":
        call["code_interpreter"]["input"] += data["arguments"]
    if "result" in data:
        call[call["type"]].update(data["result"])
    if "output" in data:
        call["function"]["output"] = data["output"]


def add_outputs(calls: list[dict[str, Any]], outputs: dict[str, str]) -> None:
    """Add what functions gave, by the ids of their calls."""
    for call in calls:
        if call["id"] in outputs:
            call["function"]["output"] = outputs[call["id"]]


def new_call(data: dict[str, Any]) -> dict[str, Any]:
    """A call as it begins, from its first delta."""
    kind = data.get("type", "function")
    beginnings: dict[str, dict[str, Any]] = {
        "function": {"name": data.get("name"), "arguments": "", "output": None},
        "code_interpreter": {"input": "", "outputs": []},
        "file_search": {},
    }
    return {"id": data["id"], "type": kind, kind: beginnings[kind]}


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
    turns = {step.pk: step.turn for step in steps}
    grown_by = DELTAS | STEP_ENDS | {EventType.TOOLS_ANSWERED}
    log = RunEvent.objects.filter(run=course.run, type__in=grown_by)
    for kind, data in log.order_by("seq").values_list("type", "data"):
        owner = data.get("message") or data.get("step")
        if kind in STEP_ENDS:
            # What the turn had reasoned so far went to this step.
            course.reasoning.pop(turns[owner], None)
        elif not owner or owner in course.messages or owner in course.steps:
            course.grow(kind, data)


def locked(run_ids: Sequence[str], *, for_message: bool) -> dict[str, Run]:
    """The runs, their rows locked; for a new message with the newest of their threads.

    Those threads are locked as well. Nobody else adds messages while a run holds its
    thread, so the newest may be read by the statement that waits for the lock.
    """
    lock = ""
    if connection.features.has_select_for_update:
        lock = " FOR UPDATE OF run, thread" if for_message else " FOR UPDATE"
    sql = READ.format(
        more=NEWEST if for_message else "",
        joins=JOINS if for_message else "",
        keys=", ".join(["%s"] * len(run_ids)),
        lock=lock,
    )
    return {run.pk: run for run in Run.objects.raw(sql, run_ids)}


def state(run: Run) -> dict[str, Any]:
    """What events can change of a run, as it is now."""
    return {name: getattr(run, name) for name in RUN_FIELDS}


def changes(
    course: Course, known: Iterable[str], before: dict[str, Any]
) -> Iterable[Change]:
    """What is to be written of the rows; those not ``known`` before are new.

    ``before`` is the ``state`` of the run before the fold: a row as wide as a run's is
    written only where it has changed.
    """
    known = set(known)
    for message in course.messages.values():
        if message.status == MessageStatus.IN_PROGRESS:
            message.content = []  # The log has it; a row never grows with the text.
    after = state(course.run)
    yield Change(
        course.run, [name for name in RUN_FIELDS if after[name] != before[name]]
    )
    # Messages first: a step points at the message it made.
    for key, message in course.messages.items():
        yield Change(message, MESSAGE_FIELDS if key in known else ())
    for key, step in course.steps.items():
        yield Change(step, STEP_FIELDS if key in known else ())
