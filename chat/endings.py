"""How a run's end is told to the person who asked: what happened, and what is kept."""

from __future__ import annotations

from dataclasses import dataclass

from runs.models import Run, RunStatus

BROKEN_OFF = {
    "interrupted": (
        "Interrupted",
        "The server stopped while this answer was being written.",
    ),
    "upstream_truncated": (
        "Cut off",
        "The model server closed the connection before the answer was complete.",
    ),
}
LIMITS = {
    "max_completion_tokens": "The answer reached its limit of tokens.",
    "max_prompt_tokens": "The conversation reached its limit of tokens.",
    "content_filter": "The model server's content filter stopped this answer.",
}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Kinds: stopped, failed, interrupted, incomplete, expired; they differ in looks."""

    kind: str
    title: str
    detail: str = ""
    action: str = "Retry"


def ending(run: Run) -> Ending | None:
    """What to say below the answer; None for active and completed runs."""
    match run.status:
        case RunStatus.CANCELLED:
            return _stopped(run)
        case RunStatus.FAILED:
            return _failed(run)
        case RunStatus.INCOMPLETE:
            detail = LIMITS.get(run.incomplete_reason, "The answer reached a limit.")
            return Ending(kind="incomplete", title="Incomplete", detail=detail)
        case RunStatus.EXPIRED:
            detail = "The answer was not finished in the time it had."
            return Ending(kind="expired", title="Expired", detail=detail)
    return None


def _stopped(run: Run) -> Ending:
    someone_else = run.cancelled_by not in {"", run.user_name}
    detail = f"by {run.cancelled_by}" if someone_else else ""
    return Ending(kind="stopped", title="Stopped", detail=detail, action="Try again")


def _failed(run: Run) -> Ending:
    if run.error_code in BROKEN_OFF:
        title, detail = BROKEN_OFF[run.error_code]
        return Ending(kind="interrupted", title=title, detail=detail)
    error = run.last_error or {}
    detail = error.get("message") or "Internal error."
    return Ending(kind="failed", title="This answer failed", detail=detail)
