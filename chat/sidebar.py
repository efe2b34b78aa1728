"""The list of a person's threads, newest first, in pieces that follow a cursor."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from chat import paging
from runs.models import Run, Thread, User

PIECE = 60


@dataclass(frozen=True, kw_only=True)
class Threads:
    """One piece of the list, under headings of time; `more` is the next cursor."""

    groups: list[tuple[str, list[Thread]]]
    more: str = ""


def threads(user: User, *, cursor: str = "") -> Threads:
    """The user's threads beyond the cursor, with `is_running` on each. One query."""
    rows = (
        Thread.objects.listed_for(user)
        .newest_first()
        .annotate(is_running=Exists(Run.objects.active().filter(thread=OuterRef("pk"))))
    )
    found = list(
        rows.filter(paging.beyond(cursor)).defer("metadata", "tool_resources")[
            : PIECE + 1
        ]
    )
    more = paging.cursor_of(found[PIECE - 1]) if len(found) > PIECE else ""
    return Threads(groups=_grouped(found[:PIECE]), more=more)


def _grouped(threads: list[Thread]) -> list[tuple[str, list[Thread]]]:
    today = timezone.localdate()
    groups: dict[str, list[Thread]] = {}
    for thread in threads:
        groups.setdefault(_heading(thread, today), []).append(thread)
    return list(groups.items())


def _heading(thread: Thread, today: dt.date) -> str:
    days = (today - timezone.localdate(thread.last_activity_at)).days
    if days <= 0:
        return _("Today")
    if days == 1:
        return _("Yesterday")
    if days < 7:
        return _("Last 7 days")
    return _("Last 30 days") if days < 30 else _("Older")
