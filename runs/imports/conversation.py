"""A conversation from elsewhere, in one shape whatever it came from."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

FIRST = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
MOST_MESSAGES = 20_000  # in one conversation


class NotTaken(ValueError):
    """The conversation is refused; the message says why."""


@dataclass(slots=True)
class Said:
    """A message; ``parent`` is the key of the one it follows."""

    key: str
    parent: str | None
    role: Literal["user", "assistant"]
    text: str
    at: dt.datetime | None


@dataclass(slots=True)
class Conversation:
    """``said`` has parents before children; ``shown`` are the keys of the shown branch.

    ``left_out`` counts by kind what could not be brought along.
    """

    source: str
    key: str
    title: str
    at: dt.datetime
    said: list[Said]
    shown: set[str]
    left_out: Counter[str] = field(default_factory=Counter)


def text_of(value: Any, most: int = 10_000) -> str:
    return value[:most] if isinstance(value, str) else ""


def moment_of(value: Any) -> dt.datetime | None:
    """A time in seconds since 1970, or as ISO 8601; None for what is neither."""
    try:
        if isinstance(value, str):
            at = dt.datetime.fromisoformat(value)
            at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            at = dt.datetime.fromtimestamp(value, dt.UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return at if at >= FIRST and at.year < 9999 else None


def in_order(nodes: dict[str, Said]) -> list[Said]:
    """Parents before children, siblings in the order given; loops are left out."""
    children: dict[str | None, list[str]] = {}
    for key, said in nodes.items():
        parent = said.parent if said.parent in nodes else None
        children.setdefault(parent, []).append(key)
    ordered, waiting = [], children.get(None, [])[::-1]
    while waiting:
        key = waiting.pop()
        ordered.append(nodes[key])
        waiting += children.get(key, [])[::-1]
    return ordered


def branch_to(key: str | None, nodes: dict[str, Said]) -> set[str]:
    """The keys from this one up to its root."""
    branch: set[str] = set()
    while key in nodes and key not in branch:
        branch.add(key)
        key = nodes[key].parent
    return branch
