"""Which assistants a person can choose from, and which one a new chat begins with."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from runs import access
from runs.models import Assistant, Thread, User
from runs.models.fields import without_nul

MOST_SHOWN = 50
RECENT, LOOKED_AT = 5, 60  # of the assistants, and of the newest threads


def begun_with(user: User, assistant_id: str) -> Assistant:
    """The assistant of a new chat; without an id the default. Raises NotFound."""
    if assistant_id:
        return access.assistant(user, assistant_id)
    return Assistant.objects.default()


def matching(user: User, words: str) -> QuerySet[Assistant]:
    """Those the user may talk to whose name or description has these words."""
    rows = Assistant.objects.visible_to(user).select_related("owner")
    for word in str(without_nul(words)).split():
        rows = rows.filter(Q(name__icontains=word) | Q(description__icontains=word))
    return rows


def to_pick(user: User, words: str) -> list[Assistant]:
    """The first of those, with the ones that were used lately before the others."""
    rows = matching(user, words)
    recent = recently_used(user)
    used = sorted(rows.filter(pk__in=recent), key=lambda row: recent.index(row.pk))
    others = rows.exclude(pk__in=recent).order_by(Lower("name"), "pk")
    return [*used, *others[:MOST_SHOWN]]


def recently_used(user: User) -> list[str]:
    """The ids of the assistants of the user's newest threads, newest first."""
    newest = Thread.objects.filter(owner=user).newest_first()
    ids: Iterable[str | None] = newest.values_list("assistant", flat=True)[:LOOKED_AT]
    return list(dict.fromkeys(filter(None, ids)))[:RECENT]
