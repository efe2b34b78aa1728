"""What a page shows of a run that is still being written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from runs.course import add_call, add_outputs
from runs.models import TERMINAL_EVENTS, EventType, Run, RunEvent, StepType

PHASES: dict[str, str] = {
    EventType.RUN_QUEUED: "queued",
    EventType.RUN_IN_PROGRESS: "started",
    EventType.RUN_SENT: "sent",
    EventType.REASONING_DELTA: "answering",
    EventType.STEP_CREATED: "answering",
    EventType.TOOLS_STARTED: "tools",
}


@dataclass(slots=True)
class Snapshot:
    """What a page rendered now shows of a run; followers go on after ``seq``.

    ``finished`` maps the messages that are whole to their text, ``calls`` the steps that
    call tools to their calls; ``order`` has the ids of both as they came. ``text`` is
    that of the message being written. All of it is of one moment, that of ``seq``.
    """

    seq: int = 0
    finished: dict[str, str] = field(default_factory=dict)
    calls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    text: str = ""
    message: str = ""
    reasoning: str = ""
    phase: str = "queued"
    started: dt.datetime | None = None
    is_over: bool = False

    def take_call(self, kind: str, data: dict[str, Any]) -> None:
        """What an event says of the calls of tools."""
        step = data.get("step", "")
        if kind == EventType.STEP_CREATED and data["type"] == StepType.TOOL_CALLS:
            self.calls[step] = []
            self.order.append(step)
        elif kind == EventType.STEP_DELTA:
            add_call(self.calls[step], data)
        elif "outputs" in data:
            add_outputs(self.calls[step], data["outputs"])


def snapshot(run: Run) -> Snapshot:
    """The run as its log has it at this moment, in one query."""
    shot = Snapshot()
    text: list[str] = []
    reasoning: list[str] = []
    entries = RunEvent.objects.filter(run=run).order_by("seq")
    for seq, kind, data, at in entries.values_list("seq", "type", "data", "created_at"):
        shot.seq = seq
        shot.is_over = kind in TERMINAL_EVENTS
        if kind in PHASES:
            shot.phase, shot.started = PHASES[kind], at
        if kind == EventType.MESSAGE_DELTA:
            text.append(data.get("text") or data.get("refusal", ""))
        elif kind == EventType.REASONING_DELTA:
            reasoning.append(data["text"])
        elif kind == EventType.MESSAGE_CREATED:
            shot.message = data["message"]
        elif kind in (EventType.MESSAGE_COMPLETED, EventType.MESSAGE_INCOMPLETE):
            shot.finished[data["message"]] = "".join(text)
            shot.order.append(data["message"])
            shot.message, text = "", []
        else:
            shot.take_call(kind, data)
    shot.text, shot.reasoning = "".join(text), "".join(reasoning)
    return shot
