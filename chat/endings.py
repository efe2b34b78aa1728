"""How a run's end is told to the person who asked: what happened, and what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later

from runs import branches
from runs.models import Run, RunStatus

Words = str | Promise

BROKEN_OFF: dict[str, tuple[Words, Words]] = {
    "interrupted": (
        later("Interrupted"),
        later("The server stopped while this answer was being written."),
    ),
    "upstream_truncated": (
        later("Cut off"),
        later("The model server closed the connection before the answer was complete."),
    ),
}
LIMITS: dict[str, Words] = {
    "max_completion_tokens": later("The answer reached its limit of tokens."),
    "max_prompt_tokens": later("The conversation reached its limit of tokens."),
    "content_filter": later("The model server's content filter stopped this answer."),
}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Kinds: stopped, failed, interrupted, incomplete, expired, deleted; they differ in
    looks. The action is to answer again, or to go on where the text ended."""

    kind: str
    title: Words
    detail: Words = ""
    action: Words = field(default_factory=lambda: _("Retry"))
    goes_on: bool = False


def ending(run: Run) -> Ending | None:
    """What to say below the answer; None for active and completed runs."""
    match run.status:
        case RunStatus.CANCELLED:
            return _stopped(run)
        case RunStatus.FAILED:
            return _failed(run)
        case RunStatus.INCOMPLETE:
            return _incomplete(run)
        case RunStatus.EXPIRED:
            detail = _("The answer was not finished in the time it had.")
            return Ending(kind="expired", title=_("Expired"), detail=detail)
    return None


def deleted() -> Ending:
    """An answer whose words somebody has deleted; its run is still on record."""
    return Ending(kind="deleted", title=_("Deleted"), action=_("Answer again"))


def _incomplete(run: Run) -> Ending:
    goes_on = branches.can_continue(run)
    return Ending(
        kind="incomplete",
        title=_("Incomplete"),
        detail=LIMITS.get(run.incomplete_reason, _("The answer reached a limit.")),
        action=_("Continue") if goes_on else _("Retry"),
        goes_on=goes_on,
    )


def _stopped(run: Run) -> Ending:
    someone_else = run.cancelled_by not in {"", run.user_name}
    detail = _("by %(name)s") % {"name": run.cancelled_by} if someone_else else ""
    title, action = _("Stopped"), _("Try again")
    return Ending(kind="stopped", title=title, detail=detail, action=action)


def _failed(run: Run) -> Ending:
    if run.error_code in BROKEN_OFF:
        title, detail = BROKEN_OFF[run.error_code]
        return Ending(kind="interrupted", title=title, detail=detail)
    error = run.last_error or {}
    detail = error.get("message") or _("Internal error.")
    return Ending(kind="failed", title=_("This answer failed"), detail=detail)
