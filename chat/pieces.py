"""Lists by name, in pieces that follow a cursor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Lower

from runs.models.fields import without_nul

PIECE = 24


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some rows; ``more`` is the next cursor, empty where there are no more."""

    rows: list[Any]
    more: str = ""


def by_name(rows: QuerySet[Model], *, after: str = "") -> Piece:
    """The rows beyond the cursor, in the order of their names. One query."""
    rows = rows.annotate(sort=Lower("name")).order_by("sort", "pk")
    name, _, key = str(without_nul(after)).rpartition("~")
    if key:
        rows = rows.filter(Q(sort__gt=name) | Q(sort=name, pk__gt=key))
    found: list[Any] = list(rows[: PIECE + 1])
    last = found[PIECE - 1] if len(found) > PIECE else None
    more = f"{last.sort}~{last.pk}" if last else ""
    return Piece(rows=found[:PIECE], more=more)
