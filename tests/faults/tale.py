"""What one client saw of one run, from its question to its end."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.model_server_script import Script
from tests.visitor import ENDS

STAMP = re.compile(r"\d{6,}")


@dataclass(slots=True)
class Cut:
    """A lost connection: when, its close code, and when the next one said hello."""

    at: float
    code: int
    back_at: float = 0.0

    @property
    def seconds(self) -> float:
        return self.back_at - self.at


@dataclass(slots=True)
class Tale:
    """All times by the monotonic clock, in seconds; ages in ns.

    ``scripts`` is what the model server was told to do, ``kind`` the run's end,
    ``refusals`` what the client met before its question was taken, ``session`` whose it is,
    ``tries`` why connections came to nothing.
    """

    key: str
    scripts: Sequence[Script]
    session: str = ""
    began: float = field(default_factory=time.monotonic)
    run: str = ""
    asked_at: float = 0.0
    refusals: list[str] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    text: str = ""
    ages: list[int] = field(default_factory=list)
    doubles: int = 0
    gaps: list[str] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    kind: str = ""
    ended_at: float = 0.0
    stopped_at: float = 0.0

    @property
    def question(self) -> str:
        """The message that is posted."""
        return f"question {self.key}"

    @property
    def seq(self) -> int:
        """The cursor: the last event that was seen."""
        return self.seqs[-1] if self.seqs else 0

    def take(self, event: dict[str, Any]) -> bool:
        """Notes an event as a browser does; False if it does not follow the last."""
        if event["seq"] <= self.seq:
            self.doubles += 1
            return True
        if event["seq"] != self.seq + 1:
            self.gaps.append(f"{self.seq} -> {event['seq']}")
            return False
        self.seqs.append(event["seq"])
        self.times.append(time.monotonic())
        self.kinds.append(event["type"])
        if event["type"] == "thread.message.delta":
            self._read(event["data"].get("text", ""))
        if ended := ENDS.match(event["type"]):
            self.kind, self.ended_at = ended[1], self.times[-1]
        return True

    def _read(self, text: str) -> None:
        self.text += text
        now = time.monotonic_ns()
        self.ages += [now - int(stamp) for stamp in STAMP.findall(text)]

    def longest_silence(self, after: float) -> tuple[float, float]:
        """The longest one that ended after a time: its length, and when it ended."""
        times = [self.asked_at, *self.times]
        pauses = [
            (later - max(earlier, after), later)
            for earlier, later in pairwise(times)
            if later > after
        ]
        return max(pauses, default=(0.0, after))

    def __str__(self) -> str:
        cuts = [f"{cut.code} for {cut.seconds:.2f} s" for cut in self.cuts]
        return (
            f"{self.run or 'no run'} ({self.key}): {self.kind or 'no end'}, "
            f"{self.seq} events, {self.doubles} doubles, gaps {self.gaps}, "
            f"cuts {cuts}, refusals {self.refusals}, errors {self.errors}"
        )
