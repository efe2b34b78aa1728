"""How a run ends early: whatever is open is closed with it, partial text kept.

What is open is read from the rows, so the same ends serve a worker that stops, a
sweeper that finds a dead worker's run, and a person who cancels an idle one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from runs import queue
from runs.events import Event, Fenced, record
from runs.models import (
    DELTAS,
    HELD,
    EventType,
    MessageStatus,
    Run,
    RunEvent,
    RunStatus,
    StepStatus,
)

ATTEMPTS = 3  # workers that may die under a run before it ends
WORKER_LOST = "worker_lost"
OUTPUT = (*DELTAS, EventType.STEP_CREATED, EventType.TURN_COMPLETED)
INTERRUPTED = "The server was stopped while this answer was being written."
LAST_ERROR_CODES = {
    "rate_limited": "rate_limit_exceeded",
    "invalid_request": "invalid_prompt",
    "context_length_exceeded": "invalid_prompt",
}


def cancelled(run_id: str, *, attempt: int | None = None) -> None:
    """End a run that is cancelling. Raises Fenced and IllegalTransition, as all here."""
    end = Event(EventType.RUN_CANCELLED)
    _end(run_id, attempt, "run_cancelled", EventType.STEP_CANCELLED, end)


def expired(run_id: str, *, attempt: int | None = None) -> None:
    """End a run whose time is up."""
    end = Event(EventType.RUN_EXPIRED)
    _end(run_id, attempt, "run_expired", EventType.STEP_EXPIRED, end)


def failed(
    run_id: str, *, error_code: str, message: str, attempt: int | None = None
) -> None:
    """End a run with an error: our code, and a sentence for the user.

    The protocol knows only a few codes (api.md 1.4); they are derived here.
    """
    error = {
        "code": LAST_ERROR_CODES.get(error_code, "server_error"),
        "message": message,
    }
    end = Event(EventType.RUN_FAILED, {**error, "error_code": error_code})
    fact = {"last_error": error}
    _end(run_id, attempt, "run_failed", EventType.STEP_FAILED, end, fact)


def interrupted(run_id: str, *, attempt: int | None = None) -> None:
    """End a run whose worker is gone."""
    failed(run_id, error_code="interrupted", message=INTERRUPTED, attempt=attempt)


def lost(run_id: str, *, attempt: int | None = None) -> None:
    """Take a run from a worker that is gone, or going.

    Nothing is lost if it had written nothing: then the run is queued again. Otherwise it
    ends as interrupted, for an answer is never put together from two attempts.
    """
    with transaction.atomic():
        run = _locked(run_id)
        if run.status not in HELD:
            raise Fenced(run_id)  # Somebody else has taken it away before.
        if run.status == RunStatus.IN_PROGRESS and _may_start_over(run):
            again = Event(EventType.RUN_QUEUED, {"reason": WORKER_LOST})
            record(run_id, [again], attempt=attempt)
            queue.enqueue(run)
        else:
            interrupted(run_id, attempt=attempt)


def _locked(run_id: str) -> Run:
    """Raises Fenced for a run that was deleted with its thread."""
    run = Run.objects.select_for_update().filter(pk=run_id).first()
    if run is None:
        raise Fenced(run_id)
    return run


def _may_start_over(run: Run) -> bool:
    log = RunEvent.objects.filter(run=run)
    output = log.filter(attempt=run.attempt, type__in=OUTPUT)
    losses = log.filter(type=EventType.RUN_QUEUED, data__reason=WORKER_LOST)
    return not output.exists() and losses.count() + 1 < ATTEMPTS


def _end(
    run_id: str,
    attempt: int | None,
    reason: str,
    step_end: EventType,
    run_end: Event,
    step_fact: dict[str, Any] | None = None,
) -> None:
    with transaction.atomic():
        run = _locked(run_id)
        if run.status == RunStatus.CANCELLING and reason != "run_cancelled":
            # A person's Stop came first, and is what they should see.
            cancelled(run_id, attempt=attempt)
            return
        messages = _open(run.messages, MessageStatus.IN_PROGRESS)
        steps = _open(run.steps, StepStatus.IN_PROGRESS)
        closed = closing(messages, steps, reason, step_end, step_fact)
        record(run_id, [*closed, run_end], attempt=attempt)


def closing(
    messages: Iterable[str],
    steps: Iterable[str],
    reason: str,
    step_end: EventType,
    step_fact: dict[str, Any] | None = None,
) -> list[Event]:
    """What closes these messages and steps, in the protocol's order."""
    cut = [
        Event(EventType.MESSAGE_INCOMPLETE, {"message": key, "reason": reason})
        for key in messages
    ]
    ends = [Event(step_end, {"step": key, **(step_fact or {})}) for key in steps]
    return [*cut, *ends]


def _open(rows: Any, status: str) -> list[str]:
    return list(rows.filter(status=status).values_list("pk", flat=True))
