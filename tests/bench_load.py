"""What a benchmark asks of the scripted model server, and what came of it."""

from __future__ import annotations

import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any

STAMP = re.compile(r"\d{12,}")
MARGIN = 0.5  # seconds between the last request and the first token of all


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """So many answers at once, through one of the ways in bench_client.

    They are asked for within ``asked_within`` seconds and begin within ``spread``
    seconds after that: the requests are not what is measured. With 0 for the first,
    each answer begins at once.
    """

    through: str
    runs: int
    tokens: int = 200
    pace: float = 30
    stamp: bool = True
    asked_within: float = 0
    spread: float = 0

    def asked_at(self, number: int) -> float:
        """Seconds from the start to the request of this answer, counted from 0."""
        return self.asked_within * number / self.runs

    @property
    def seconds(self) -> float:
        """From the first request to the last token, when nothing is late."""
        return self.asked_within + self.spread + self.tokens / self.pace

    def scripts(self) -> list[dict[str, Any]]:
        """What the model server is to do for each request in turn."""
        margin = MARGIN if self.asked_within else 0.0
        return [
            {
                "tokens": self.tokens,
                "pace": self.pace,
                "stamp": self.stamp,
                "delay_first_token": self.asked_within
                - self.asked_at(number)
                + margin
                + self.spread * number / self.runs,
            }
            for number in range(self.runs)
        ]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def steady(through: str, runs: int, pace: float = 30, tokens: int = 200) -> Load:
    """A load whose answers all overlap for the greater part of their time."""
    asked_within = max(0.5, runs / 10)
    return Load(
        through=through,
        runs=runs,
        tokens=tokens,
        pace=pace,
        asked_within=asked_within,
        spread=min(2.0, runs / 25),
    )


@dataclass(slots=True)
class Received:
    """The tokens of one answer as (sent, received) by the monotonic clock in ns."""

    tokens: list[tuple[int, int]] = field(default_factory=list)
    failed: str = ""

    def note(self, text: str) -> None:
        """Take the stamps in what has just arrived."""
        now = time.monotonic_ns()
        for stamp in STAMP.findall(text):
            self.tokens.append((int(stamp), now))


def summary(load: Load, answers: list[Received]) -> dict[str, Any]:
    """Ages in ms, counts, and the time in which all answers were under way, in ns.

    ``sent`` and ``delivered`` are tokens within that time, ``ages`` those of tokens
    that were sent in it; where the answers do not overlap, it is the whole time.
    """
    whole = [a for a in answers if len(a.tokens) == load.tokens and not a.failed]
    every = sorted(pair for answer in whole for pair in answer.tokens)
    begin = max((a.tokens[0][1] for a in whole), default=0)
    end = min((a.tokens[-1][0] for a in whole), default=0)
    if end <= begin and every:
        begin, end = every[0][0], max(received for _, received in every)
    ages = [received - sent for sent, received in every if begin <= sent <= end]
    first = [a.tokens[0][1] - a.tokens[0][0] for a in whole]
    seconds = max(end - begin, 1) / 1e9
    delivered = sum(begin <= received <= end for _, received in every)
    return {
        "through": load.through,
        "runs": load.runs,
        "pace": load.pace,
        "failed": len(answers) - len(whole),
        "why": sorted({a.failed for a in answers if a.failed})[:3],
        "begin": begin,
        "end": end,
        "seconds": round(seconds, 2),
        "sent_per_second": round(len(ages) / seconds),
        "delivered_per_second": round(delivered / seconds),
        "delivered": delivered,
        "first_p50": in_ms(at(0.5, first)),
        "first_p99": in_ms(at(0.99, first)),
        "age_p50": in_ms(at(0.5, ages)),
        "age_p99": in_ms(at(0.99, ages)),
    }


def at(share: float, values: list[int]) -> float:
    """The value below which such a share of the values lies."""
    if not values:
        return float("nan")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def in_ms(ns: float) -> float:
    return round(ns / 1e6, 2)
