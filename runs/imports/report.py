"""What became of an import."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

KINDS = ("assistant", "thread", "message")


@dataclass
class Report:
    """Counts by kind, and for each refusal its place and the reason."""

    made: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, place: str, reason: str) -> None:
        self.refused.append((place, reason))

    def lines(self) -> list[str]:
        """The refusals, then one line for each kind, then how many were refused."""
        refusals = [f"refused  {place}: {reason}" for place, reason in self.refused]
        counts = [
            f"{kind + 's':<10}  {self.made[kind]} imported, "
            f"{self.skipped[kind]} skipped (there already)"
            for kind in KINDS
        ]
        return [*refusals, *counts, f"{'refused':<10}  {len(self.refused)}"]
