"""The list of a person's threads: pinned ones first, then by day, in pieces that follow
a cursor. A piece is one query, and so are the pinned ones."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from chat import paging
from runs.models import Run, Thread, ThreadSeen, User
from runs.models.threads import ThreadQuerySet

PIECE = 60
MOST = 600  # that a refreshed list brings at once, for whoever has scrolled far
MOST_PINNED = 100


@dataclass(frozen=True, kw_only=True)
class Threads:
    """One piece of the list, under headings; `more` is the next cursor.

    ``pinned`` is empty but in the first piece.
    """

    groups: list[tuple[str, list[Thread]]]
    pinned: list[Thread] = field(default_factory=list)
    more: str = ""
    is_piece: bool = False


def threads(user: User, *, cursor: str = "", rows: int = 0) -> Threads:
    """The user's threads beyond the cursor, with their marks.

    ``rows`` is how many are shown already, when a list is brought up to date.
    """
    shown = _marked(user).filter(archived_at=None, pinned_at=None)
    if cursor:
        return _piece(shown, cursor, PIECE)
    pinned = _marked(user).filter(pinned_at__isnull=False).order_by("-pinned_at", "-pk")
    size = min(max(PIECE, rows), MOST)
    return _piece(shown, "", size, list(pinned[:MOST_PINNED]))


def archived(user: User, *, cursor: str = "") -> Threads:
    """What the user has put away, the newest first."""
    return _piece(_marked(user).filter(archived_at__isnull=False), cursor, PIECE)


def _marked(user: User) -> ThreadQuerySet:
    """Each with ``is_running`` and ``is_unread``.

    Unread is what has ended since the user last looked. A thread that the user has
    neither opened nor written to in the browser, such as a program's, has no mark.
    """
    seen = ThreadSeen.objects.filter(thread=OuterRef("pk"), user=user)
    missed = seen.filter(seen_at__lt=OuterRef("answered_at"))
    running = Run.objects.active().filter(thread=OuterRef("pk"))
    rows = Thread.objects.listed_for(user).newest_first()
    return rows.defer("metadata", "tool_resources").annotate(
        is_running=Exists(running), is_unread=Exists(missed)
    )


def _piece(
    rows: Any, cursor: str, size: int, pinned: list[Thread] | None = None
) -> Threads:
    found = list(rows.filter(paging.beyond(cursor))[: size + 1])
    more = paging.cursor_of(found[size - 1]) if len(found) > size else ""
    groups = _grouped(found[:size])
    at = paging.moment_of(cursor)
    if groups and at and groups[0][0] == _heading(at, timezone.localdate()):
        groups[0] = ("", groups[0][1])  # Its heading stands in the piece before.
    return Threads(groups=groups, pinned=pinned or [], more=more, is_piece=bool(cursor))


def _grouped(threads: list[Thread]) -> list[tuple[str, list[Thread]]]:
    today = timezone.localdate()
    groups: dict[str, list[Thread]] = {}
    for thread in threads:
        heading = _heading(thread.last_activity_at, today)
        groups.setdefault(heading, []).append(thread)
    return list(groups.items())


def _heading(at: dt.datetime, today: dt.date) -> str:
    day = timezone.localdate(at)
    days = (today - day).days
    if days <= 0:
        return _("Today")
    if days == 1:
        return _("Yesterday")
    if days < 7:
        return _("Last 7 days")
    return _("Last 30 days") if days < 30 else date_format(day, "YEAR_MONTH_FORMAT")
