"""The figures of the benchmark, and how they are printed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

STAMP = re.compile(r"\d{6,}")


@dataclass(slots=True)
class Ages:
    """How old tokens were on arrival, in ns; the first of each answer apart."""

    first: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Take the stamps in a text that has just arrived."""
        now = time.monotonic_ns()
        for stamp in STAMP.findall(text):
            self.add(now - int(stamp))

    def add(self, age: float) -> None:
        if not self.all:
            self.first.append(age)
        self.all.append(age)

    @classmethod
    def joined(cls, many: Iterable[Ages]) -> Ages:
        joined = cls()
        for ages in many:
            joined.first += ages.first
            joined.all += ages.all
        return joined


def at(share: float, values: list[float]) -> float:
    """The value below which such a share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@dataclass(slots=True)
class Row:
    """One way of receiving answers, at so many runs at once."""

    name: str
    runs: int
    ages: Ages

    def figures(self) -> dict[str, Any]:
        """Milliseconds, rounded."""
        ms = {
            "first_token_p50": at(0.5, self.ages.first),
            "age_p50": at(0.5, self.ages.all),
            "age_p99": at(0.99, self.ages.all),
        }
        rounded = {name: round(value / 1e6, 2) for name, value in ms.items()}
        return {
            "what": self.name,
            "runs": self.runs,
            "tokens": len(self.ages.all),
            **rounded,
        }


def printed(rows: list[Row], pace: float, tokens: int) -> str:
    lines = [
        f"Token age in ms, {tokens}-token answers at {pace:g} tokens/s per run",
        f"{'':30}{'runs':>5}{'tokens':>9}{'first p50':>11}{'p50':>9}{'p99':>9}",
    ]
    for row in rows:
        f = row.figures()
        lines.append(
            f"{row.name:30}{f['runs']:>5}{f['tokens']:>9}"
            f"{f['first_token_p50']:>11}{f['age_p50']:>9}{f['age_p99']:>9}"
        )
    return "\n".join(lines) + "\n"
