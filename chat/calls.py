"""Calls of tools as cards: what was asked for, with what, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from runs.decisions import DECLINED
from runs.models import Run, RunStatus

MOST_CHARACTERS = 20_000
STATES: dict[str, Promise] = {
    "asked": _("Calling"),
    "running": _("Running"),
    "waiting": _("Waiting"),
    "done": _("Done"),
    "error": _("Error"),
    "declined": _("Declined"),
    "cancelled": _("Stopped"),
    "expired": _("Expired, no result came in time"),
    "failed": _("No result"),
    "completed": _("Done"),
}
HOSTED: dict[str, Promise] = {
    "file_search": _("File search"),
    "code_interpreter": _("Code interpreter"),
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One card. ``state`` is a key of STATES."""

    id: str
    name: str | Promise
    arguments: str
    output: str | None
    state: str
    is_hosted: bool = False

    @property
    def words(self) -> Promise:
        return STATES[self.state]


def cards(calls: Sequence[dict[str, Any]], *, state: str) -> list[Call]:
    """The calls of a step; ``state`` is that of those without an output."""
    return [_card(call, state) for call in calls]


def live_state(run: Run, phase: str) -> str:
    """Of calls without an output in a run that is active."""
    if run.status == RunStatus.REQUIRES_ACTION:
        return "waiting"
    return "running" if phase == "tools" else "asked"


def _card(call: dict[str, Any], state: str) -> Call:
    kind = call["type"]
    if kind == "function":
        function = call["function"]
        output = function["output"]
        return Call(
            id=call["id"],
            name=function["name"] or "",
            arguments=pretty(function["arguments"]),
            output=None if output is None else pretty(output),
            state=state if output is None else _state_of(output),
        )
    arguments, output = _hosted(call[kind])
    return Call(
        id=call["id"],
        name=HOSTED.get(kind, kind),
        arguments=bounded(arguments),
        output=bounded(output) if output else None,
        state="done" if output else state,
        is_hosted=True,
    )


def _hosted(said: dict[str, Any]) -> tuple[str, str]:
    """What a tool of the model server was given, and what it gave."""
    logs = [one.get("logs") or one["type"] for one in said.get("outputs", ())]
    found = [
        f"{one.get('file_name', '')} ({one.get('score', 0):.2f})"
        for one in said.get("results", ())
    ]
    return said.get("input", ""), "\n".join([*logs, *found])


def _state_of(output: str) -> str:
    if output == DECLINED:
        return "declined"
    return "error" if output.startswith("Error: ") else "done"


def pretty(text: str) -> str:
    """JSON with line breaks; other text as it is."""
    if len(text) > MOST_CHARACTERS:
        return bounded(text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, dict | list):
        return text
    return bounded(json.dumps(value, indent=2, ensure_ascii=False))


def bounded(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}\n…"
