"""What a scenario found, and the table of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Report:
    """One line of the table. Times in seconds, ages in ms.

    ``recoveries`` has one time for each client that was touched, ``others`` the ages of
    the tokens of those who should not have been.
    """

    name: str
    injected: int = 0
    runs: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    not_run: str = ""

    def figures(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "fault": self.name,
            "injected": self.injected,
            "runs": self.runs,
            "seen": dict(self.ends),
            "touched": len(self.recoveries),
            "recovery_p50_s": rounded(at(0.5, self.recoveries)),
            "recovery_p95_s": rounded(at(0.95, self.recoveries)),
            "others_p99_ms": rounded(at(0.99, self.others)),
            "notes": self.notes,
            "violations": self.violations,
            "seconds": rounded(self.seconds),
            "not_run": self.not_run,
        }


def at(share: float, values: Sequence[float]) -> float | None:
    """The value below which such a share of the values lies; None without values."""
    if not values:
        return None
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def shown(value: object) -> str:
    return "-" if value is None else str(value)


def table(reports: Sequence[Report]) -> str:
    """The figures as text, one line for each fault."""
    head = ("times", "runs", "touched", "p50 s", "p95 s", "others p99 ms", "took s")
    lines = [f"{'fault':28}" + "".join(f"{name:>9}" for name in head[:5])]
    lines[0] += f"{head[5]:>15}{head[6]:>8}  seen"
    for report in reports:
        lines += _lines(report)
    return "\n".join(lines) + "\n"


def _lines(report: Report) -> list[str]:
    if report.not_run:
        return [f"{report.name:28}  not run: {report.not_run}"]
    f = report.figures()
    numbers = (f["injected"], f["runs"], f["touched"])
    times = (f["recovery_p50_s"], f["recovery_p95_s"])
    ends = ", ".join(f"{count} {kind}" for kind, count in report.ends.most_common())
    first = f"{report.name:28}" + "".join(f"{shown(n):>9}" for n in (*numbers, *times))
    first += f"{shown(f['others_p99_ms']):>15}{shown(f['seconds']):>8}  {ends}"
    notes = [f"{'':30}{note}" for note in report.notes]
    broken = [f"{'':30}VIOLATED ({len(report.violations)})"]
    return [first, *notes, *(broken if report.violations else [])]
