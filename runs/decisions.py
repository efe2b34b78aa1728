"""What people and clients say to the calls that a run waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from runs import events, queue
from runs.conversations import InvalidInput
from runs.events import Event
from runs.models import EventType, Run, RunStatus, RunStep, StepStatus, User
from runs.models.fields import without_nul

DECLINED = "The user declined this call."


def submit_tool_outputs(*, run: Run, outputs: dict[str, str]) -> Run:
    """Answer all calls of functions that a run waits for; it goes on, unless it also
    waits for an approval.

    ``outputs`` maps call id to output. Raises InvalidInput.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run.pk)
        _refuse_unless_waiting(run)
        expected = asked(run)
        if sorted(outputs) != sorted(expected) or not expected:
            raise InvalidInput(
                f"Expected tool outputs for call_ids {expected}, got {list(outputs)}"
            )
        return _go_on(run, outputs, calls=[], approvals=to_approve(run))


def decide(*, run: Run, call_id: str, is_approved: bool, user: User) -> Run:
    """Allow a call of one of the server's tools, or decline it.

    Once nothing is left to wait for, the run goes on, and a worker executes what was
    allowed. Raises InvalidInput.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run.pk)
        _refuse_unless_waiting(run)
        waiting = to_approve(run)
        if call_id not in waiting:
            raise InvalidInput("This call does not wait for approval.")
        waiting.remove(call_id)
        said = {"by": user.get_username(), "call": call_id, "is_approved": is_approved}
        outputs = {} if is_approved else {call_id: DECLINED}
        return _go_on(run, outputs, calls=asked(run), approvals=waiting, said=said)


def asked(run: Run) -> list[str]:
    """The ids of the calls that the client must answer."""
    return _ids((run.required_action or {}).get("submit_tool_outputs"))


def to_approve(run: Run) -> list[str]:
    """The ids of the calls that a person must allow."""
    return _ids((run.required_action or {}).get("approval"))


def _ids(part: dict[str, Any] | None) -> list[str]:
    return [call["id"] for call in (part or {}).get("tool_calls", ())]


def _refuse_unless_waiting(run: Run) -> None:
    if run.status != RunStatus.REQUIRES_ACTION:
        message = f'Runs in status "{run.status}" do not accept tool outputs.'
        raise InvalidInput(message)


def _go_on(
    run: Run,
    outputs: dict[str, str],
    *,
    calls: Sequence[str],
    approvals: Sequence[str],
    said: dict[str, Any] | None = None,
) -> Run:
    """Record the answers; ``calls`` and ``approvals`` are what is still waited for.

    Always two events: what was answered, and what that makes of the run.
    """
    step = run.steps.get(status=StepStatus.IN_PROGRESS)
    fact: dict[str, Any] = {"step": step.pk, "outputs": without_nul(outputs)}
    answered = Event(EventType.TOOLS_ANSWERED, {**fact, **(said or {})})
    if calls or approvals:
        left = {"step": step.pk, "calls": calls, "approvals": approvals}
        then = Event(EventType.RUN_REQUIRES_ACTION, left)
    else:
        then = Event(EventType.RUN_QUEUED)
        if _is_whole(step, outputs):
            answered = Event(EventType.STEP_COMPLETED, {**fact, **(said or {})})
    events.record(run.pk, [answered, then])
    run.refresh_from_db()
    if run.status == RunStatus.QUEUED:
        queue.enqueue(run)
    return run


def _is_whole(step: RunStep, outputs: dict[str, str]) -> bool:
    """Whether each call has an output, with these; else some are still to be executed."""
    return all(
        call["function"]["output"] is not None or call["id"] in outputs
        for call in step.tool_calls
    )
