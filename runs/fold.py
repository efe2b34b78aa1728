"""The fold: what an event of the log does to the rows of its run. Writes nothing.

``events.record`` folds new events into stored rows; folding a whole log from a bare
run gives the same rows, which the tests hold it to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runs.course import Course, Entry, IllegalTransition, add_outputs
from runs.models import (
    EventType,
    Message,
    MessageRole,
    MessageStatus,
    RunStatus,
    RunStep,
    StepStatus,
    StepType,
)


def apply(course: Course, entry: Entry) -> None:
    """Fold one event. Raises IllegalTransition where the status forbids it."""
    course.run.last_seq = entry.seq
    FOLDS[EventType(entry.type)](course, entry)


def created(course: Course, entry: Entry) -> None:
    if course.run.last_seq != 1:
        raise IllegalTransition("a run is created once")


def queued(course: Course, entry: Entry) -> None:
    if entry.seq != 2:  # A new run is queued from the start (api.md 2.2).
        course.move(RunStatus.QUEUED)
    course.run.required_action = None
    course.run.worker = ""


def in_progress(course: Course, entry: Entry) -> None:
    course.move(RunStatus.IN_PROGRESS)
    course.run.started_at = entry.created_at
    course.run.attempt = entry.data["attempt"]
    course.run.worker = entry.data["worker"]


def sent(course: Course, entry: Entry) -> None:
    run, data = course.run, entry.data
    run.sent_at = entry.created_at
    run.server, run.model = data["server"], data["model"]
    run.context_from = data.get("context_from", "")
    run.context_truncated = data.get("context_truncated", 0)


def requires_action(course: Course, entry: Entry) -> None:
    """Calls that a client must answer, and beside them those that a person must allow.

    An event that names none means all calls of the step.
    """
    course.move(RunStatus.REQUIRES_ACTION)
    data, step = entry.data, course.steps[entry.data["step"]]
    wanted = data.get("calls", [call["id"] for call in step.tool_calls])
    course.run.required_action = {
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": _asked(step, wanted)},
    }
    if approvals := data.get("approvals"):
        asked = {"tool_calls": _asked(step, approvals)}
        course.run.required_action["approval"] = asked


def _asked(step: RunStep, ids: list[str]) -> list[dict[str, Any]]:
    return [
        {**call, "function": {k: call["function"][k] for k in ("name", "arguments")}}
        for call in step.tool_calls
        if call["id"] in ids
    ]


def tools_answered(course: Course, entry: Entry) -> None:
    if course.run.status != RunStatus.REQUIRES_ACTION:
        raise IllegalTransition(f"answers while {course.run.status}")
    add_outputs(course.steps[entry.data["step"]].tool_calls, entry.data["outputs"])


def end(course: Course, status: RunStatus, entry: Entry) -> None:
    course.move(status)
    course.run.expires_at = None
    course.run.required_action = None
    setattr(course.run, f"{status}_at", entry.created_at)


def completed(course: Course, entry: Entry) -> None:
    end(course, RunStatus.COMPLETED, entry)


def incomplete(course: Course, entry: Entry) -> None:
    end(course, RunStatus.INCOMPLETE, entry)
    course.run.incomplete_reason = entry.data["reason"]


def failed(course: Course, entry: Entry) -> None:
    end(course, RunStatus.FAILED, entry)
    course.run.error_code = entry.data["error_code"]
    course.run.last_error = {k: entry.data[k] for k in ("code", "message")}


def cancelling(course: Course, entry: Entry) -> None:
    course.move(RunStatus.CANCELLING)
    course.run.required_action = None
    course.run.cancelled_by = entry.data["by"]


def cancelled(course: Course, entry: Entry) -> None:
    end(course, RunStatus.CANCELLED, entry)


def expired(course: Course, entry: Entry) -> None:
    end(course, RunStatus.EXPIRED, entry)
    course.run.error_code = "expired"


def turn_completed(course: Course, entry: Entry) -> None:
    data, step = entry.data, course.steps.get(entry.data["step"])
    course.run.model_used = data["model"] or course.run.model_used
    course.run.response_id = data["response_id"]
    course.run.request_id = data["request_id"]
    course.run.finish_reason = data["finish_reason"]
    if step:
        step.finish_reason = data["finish_reason"]
    for name, count in (data["usage"] or {}).items():
        if count is not None:
            setattr(course.run, name, (getattr(course.run, name) or 0) + count)
        if step:
            setattr(step, name, count)


def step_created(course: Course, entry: Entry) -> None:
    data = entry.data
    course.steps[data["step"]] = RunStep(
        id=data["step"],
        run=course.run,
        index=data["index"],
        turn=data["turn"],
        type=data["type"],
        created_at=entry.created_at,
    )


def delta(course: Course, entry: Entry) -> None:
    if course.run.status != RunStatus.IN_PROGRESS:
        raise IllegalTransition(f"output while {course.run.status}")
    course.run.first_token_at = course.run.first_token_at or entry.created_at
    course.grow(entry.type, entry.data)


def end_step(status: StepStatus) -> Callable[[Course, Entry], None]:
    def fold(course: Course, entry: Entry) -> None:
        step = course.steps[entry.data["step"]]
        step.status = status
        setattr(step, f"{status}_at", entry.created_at)
        step.reasoning = "".join(course.reasoning.pop(step.turn, ()))
        step.last_error = entry.data.get("last_error")
        add_outputs(step.tool_calls, entry.data.get("outputs", {}))

    return fold


def message_created(course: Course, entry: Entry) -> None:
    data, run = entry.data, course.run
    course.messages[data["message"]] = Message(
        id=data["message"],
        thread_id=run.thread_id,
        run=run,
        assistant_id=run.assistant_id,
        number=data["number"],
        parent_id=data["parent"],
        role=MessageRole.ASSISTANT,
        status=MessageStatus.IN_PROGRESS,
        created_at=entry.created_at,
    )
    step = course.steps[data["step"]]
    if step.type == StepType.MESSAGE_CREATION:
        step.message_id = data["message"]


def message_completed(course: Course, entry: Entry) -> None:
    message = course.messages[entry.data["message"]]
    message.status = MessageStatus.COMPLETED
    message.completed_at = entry.created_at


def message_incomplete(course: Course, entry: Entry) -> None:
    message = course.messages[entry.data["message"]]
    message.status = MessageStatus.INCOMPLETE
    message.incomplete_reason = entry.data["reason"]
    message.incomplete_at = entry.created_at


def nothing(course: Course, entry: Entry) -> None:
    """Events that tell the browser or the protocol something the rows don't keep."""


FOLDS: dict[EventType, Callable[[Course, Entry], None]] = {
    EventType.RUN_CREATED: created,
    EventType.RUN_QUEUED: queued,
    EventType.RUN_IN_PROGRESS: in_progress,
    EventType.RUN_SENT: sent,
    EventType.RUN_RETRYING: nothing,
    EventType.RUN_WARNING: nothing,
    EventType.RUN_REQUIRES_ACTION: requires_action,
    EventType.RUN_COMPLETED: completed,
    EventType.RUN_INCOMPLETE: incomplete,
    EventType.RUN_FAILED: failed,
    EventType.RUN_CANCELLING: cancelling,
    EventType.RUN_CANCELLED: cancelled,
    EventType.RUN_EXPIRED: expired,
    EventType.TURN_COMPLETED: turn_completed,
    EventType.TOOLS_STARTED: nothing,
    EventType.TOOLS_ANSWERED: tools_answered,
    EventType.STEP_CREATED: step_created,
    EventType.STEP_IN_PROGRESS: nothing,
    EventType.STEP_DELTA: delta,
    EventType.REASONING_DELTA: delta,
    EventType.STEP_COMPLETED: end_step(StepStatus.COMPLETED),
    EventType.STEP_FAILED: end_step(StepStatus.FAILED),
    EventType.STEP_CANCELLED: end_step(StepStatus.CANCELLED),
    EventType.STEP_EXPIRED: end_step(StepStatus.EXPIRED),
    EventType.MESSAGE_CREATED: message_created,
    EventType.MESSAGE_IN_PROGRESS: nothing,
    EventType.MESSAGE_DELTA: delta,
    EventType.MESSAGE_COMPLETED: message_completed,
    EventType.MESSAGE_INCOMPLETE: message_incomplete,
}
