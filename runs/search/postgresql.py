"""Search with PostgreSQL: a GIN index over runs_search(content), and nothing stored.

The function is made by a migration.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.utils import timezone

from runs.models import Message, Thread
from runs.search.words import is_beginning


class Matches(Func):
    """Whether a message's content has what a query asks for."""

    template = "(runs_search(%(expressions)s))"
    arg_joiner = ") @@ to_tsquery('simple', "
    output_field = BooleanField()


def look(
    words: list[str], visible: QuerySet[Thread], cursor: str, most: int
) -> list[tuple[str, str]]:
    """Ids of messages, each with the cursor behind it, newest first."""
    rows = Message.objects.filter(
        Matches(F("content"), Value(_query(words))),
        _beyond(cursor),
        on_path=True,
        thread__in=visible.values("pk"),
    )
    page = rows.order_by("-created_at", "-pk").values_list("pk", "created_at")[:most]
    return [(key, f"{at.isoformat()}~{key}") for key, at in page]


def _query(words: list[str]) -> str:
    parts = [f"'{word}'" for word in words]
    if is_beginning(words[-1]):
        parts[-1] += ":*"
    return " & ".join(parts)


def _beyond(cursor: str) -> Q:
    """A cursor that can't be read means the beginning."""
    text, _, key = cursor.partition("~")
    try:
        at: Any = dt.datetime.fromisoformat(text)
    except ValueError:
        return Q()
    if not timezone.is_aware(at) or "\0" in key:
        return Q()
    return Q(created_at__lte=at) & (Q(created_at__lt=at) | Q(pk__lt=key))
