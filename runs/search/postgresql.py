"""Search with PostgreSQL: a GIN index over runs_search(content), and nothing stored.

The function is made by a migration.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import BooleanField, F, Func, Q, QuerySet, TextField, Value
from django.utils import timezone

from runs.models import Message, Thread
from runs.models.threads import MessageQuerySet
from runs.search.words import is_beginning

# Of the newest messages, so many are looked at, and so many of those that one may read are
# tried, which takes a few milliseconds.
LOOKED_AT, TRIED = 300, 30


class Matches(Func):
    """Whether a message's content has what a query asks for.

    The query is a subselect, so that the planner does not know it and takes it for a rare
    one: for a frequent word it would read the whole table and compute all vectors anew,
    a hundred times slower than the index.
    """

    template = "(runs_search(%(expressions)s)))"
    arg_joiner = ") @@ (SELECT to_tsquery('simple', "
    output_field = BooleanField()


class NotIndexed(Func):
    """A text that no index has: else all messages of few threads may be computed anew."""

    template = "(%(expressions)s || '')"
    output_field = TextField()


def look(
    words: list[str], visible: QuerySet[Thread], cursor: str, most: int
) -> list[tuple[str, str]]:
    """Ids of messages, each with the cursor behind it, newest first.

    A frequent word is found often enough among the newest messages, which are few. The
    index would give every message that has it.
    """
    beyond = Message.objects.filter(_beyond(cursor), on_path=True)
    readable = Message.objects.alias(of=NotIndexed(F("thread_id"))).filter(
        of__in=visible.values("pk")
    )
    newest = readable.filter(pk__in=_newest(beyond, LOOKED_AT))
    matching = Matches(F("content"), Value(_query(words)))
    found = _page(readable.filter(matching, pk__in=_newest(newest, TRIED)), most)
    if len(found) == most:
        return found
    return _page(readable.filter(matching, _beyond(cursor), on_path=True), most)


def _newest(rows: MessageQuerySet, most: int) -> Any:
    return rows.order_by("-created_at", "-pk").values("pk")[:most]


def _page(rows: MessageQuerySet, most: int) -> list[tuple[str, str]]:
    """Ordered by a sum, since no index has it: else all messages may be gone through."""
    timed = rows.alias(at=F("created_at") + dt.timedelta(0)).order_by("-at", "-pk")
    page = timed.values_list("pk", "created_at")[:most]
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
