"""The table of the benchmark: each figure beside its goal and the bare programs'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]
HEAD = ("", "Threadmill", "goal", "", "bare client", "bare relay")


@dataclass(frozen=True, slots=True)
class Line:
    """What is measured, and of which load or part; the goals bound each key.

    ``least`` means that the goal is a lower bound.
    """

    title: str
    of: str
    keys: tuple[str, ...]
    goals: tuple[float, ...] = ()
    least: bool = False


LINES = (
    Line("first token, 1 run, p50, ms", "first {}", ("first_p50",), (10,)),
    Line("the same, model answers at once, ms", "at once {}", ("first_p50",)),
    Line("token age, 1 run, p50 / p99, ms", "1 at 30 {}", ("age_p50", "age_p99")),
    Line(
        "token age, 50 runs, p50 / p99, ms",
        "50 at 30 {}",
        ("age_p50", "age_p99"),
        (15, 80),
    ),
    Line("first token, 50 runs, p50, ms", "50 at 30 {}", ("first_p50",)),
    Line(
        "token age, 200 runs of 20/s, p50 / p99, ms",
        "200 at 20 {}",
        ("age_p50", "age_p99"),
        (30, 150),
    ),
    Line(
        "token age, 200 runs, p50 / p99, ms",
        "200 at 30 {}",
        ("age_p50", "age_p99"),
        (100, 500),
    ),
    Line("first token, 200 runs, p50, ms", "200 at 30 {}", ("first_p50",)),
    Line("tokens/s sent, 200 runs", "200 at 30 {}", ("sent_per_second",)),
    Line(
        "tokens/s delivered, 200 runs",
        "200 at 30 {}",
        ("delivered_per_second",),
        (5000,),
        least=True,
    ),
    Line("runs failed of 200", "200 at 30 {}", ("failed",), (0,)),
    Line("CPU s per 100,000 tokens, 200 runs", "200 at 30 {}", ("cpu",), (19,)),
    Line("CPU s per 100,000 tokens, 50 runs", "50 at 30 {}", ("cpu",)),
    Line("commits to disk/s, 200 runs", "200 at 30 {}", ("syncs_per_second",)),
    Line("memory idle, web + worker, PSS, MB", "memory", ("pss_mb",), (200,)),
    Line("an idle socket of 1,000, KB", "sockets", ("kb_each",), (60,)),
    Line("stored per run of 200 tokens, bytes", "stored", ("live",)),
    Line("the same at rest", "stored", ("at_rest",), (4096,)),
    Line("opening 1,000 messages, KB / ms", "opening", ("kb", "ms")),
    Line("painted, 1 run, p50 / p99, ms", "painted 1", ("age_p50", "age_p99")),
    Line("painted among 50, p50 / p99, ms", "painted 50", ("age_p50", "age_p99")),
)


def printed(figures: Figures, cores: int) -> str:
    """The table, and what made up the CPU seconds."""
    rows = [HEAD, *rows_of(figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    parts = [
        f"CPU at {name.removesuffix(' threadmill')}: {value['cpu_of']}"
        for name, value in figures.items()
        if name.endswith("threadmill") and "cpu_of" in value
    ]
    text = [f"{cores} cores, PostgreSQL with fsync, 1 web and 1 worker process"]
    return "\n".join(line.rstrip() for line in [*text, *lines, *parts]) + "\n"


def rows_of(figures: Figures) -> Iterable[tuple[str, ...]]:
    for line in LINES:
        ours = values(figures, line, "threadmill")
        if not ours:
            continue
        bare = [shown(values(figures, line, way)) for way in ("openai", "relay")]
        if line.keys == ("syncs_per_second",):
            bare = ["", ""]
        verdict = ""
        if line.goals:
            verdict = "met" if is_met(line, ours) else "NOT MET"
        yield (line.title, shown(ours), shown(line.goals), verdict, *bare)


def values(figures: Figures, line: Line, way: str) -> tuple[float, ...]:
    """The figures of this line by this way; none where it was not measured."""
    if "{}" not in line.of and way != "threadmill":
        return ()
    part = figures.get(line.of.format(way), {})
    found = tuple(part.get(key) for key in line.keys)
    return () if None in found else found


def shown(numbers: Iterable[float]) -> str:
    return " / ".join(f"{number:,.10g}" for number in numbers)


def is_met(line: Line, ours: tuple[float, ...]) -> bool:
    pairs = zip(ours, line.goals, strict=True)
    return all(mine >= goal if line.least else mine <= goal for mine, goal in pairs)
