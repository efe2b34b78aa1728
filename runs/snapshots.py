"""What a page shows of a run that is still being written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from runs.models import TERMINAL_EVENTS, EventType, Run, RunEvent

PHASES: dict[str, str] = {
    EventType.RUN_QUEUED: "queued",
    EventType.RUN_IN_PROGRESS: "started",
    EventType.RUN_SENT: "sent",
    EventType.REASONING_DELTA: "answering",
    EventType.STEP_CREATED: "answering",
}


@dataclass(slots=True)
class Snapshot:
    """What a page rendered now shows of a run; followers go on after ``seq``.

    ``finished`` maps the messages that are whole to their text, in order; ``text`` is
    that of the message being written. All of it is of one moment, that of ``seq``.
    """

    seq: int = 0
    finished: dict[str, str] = field(default_factory=dict)
    text: str = ""
    reasoning: str = ""
    phase: str = "queued"
    started: dt.datetime | None = None
    is_over: bool = False


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
        elif kind in (EventType.MESSAGE_COMPLETED, EventType.MESSAGE_INCOMPLETE):
            shot.finished[data["message"]] = "".join(text)
            text = []
    shot.text, shot.reasoning = "".join(text), "".join(reasoning)
    return shot
