"""What a page shows of a run that is still being written."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from runs.models import EventType, Run, RunEvent

PHASES: dict[str, str] = {
    EventType.RUN_QUEUED: "queued",
    EventType.RUN_IN_PROGRESS: "started",
    EventType.RUN_SENT: "sent",
    EventType.REASONING_DELTA: "answering",
    EventType.STEP_CREATED: "answering",
}


@dataclass(slots=True)
class Snapshot:
    """What a page rendered now shows of an active run; followers go on after ``seq``."""

    seq: int = 0
    text: str = ""
    reasoning: str = ""
    phase: str = "queued"
    started: dt.datetime | None = None


def snapshot(run: Run) -> Snapshot:
    """The text so far of the message being written, and the phase since when."""
    shot = Snapshot()
    text: list[str] = []
    reasoning: list[str] = []
    entries = RunEvent.objects.filter(run=run).order_by("seq")
    for seq, kind, data, at in entries.values_list("seq", "type", "data", "created_at"):
        shot.seq = seq
        if kind in PHASES:
            shot.phase, shot.started = PHASES[kind], at
        if kind == EventType.MESSAGE_CREATED:
            text = []
        elif kind == EventType.RUN_SENT:
            text, reasoning = [], []
        elif kind == EventType.MESSAGE_DELTA:
            text.append(data.get("text") or data.get("refusal", ""))
        elif kind == EventType.REASONING_DELTA:
            reasoning.append(data["text"])
    shot.text, shot.reasoning = "".join(text), "".join(reasoning)
    return shot
