"""The list of a person's threads, newest first, in pieces that follow a cursor."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

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
        Thread.objects.visible_to(user)
        .newest_first()
        .annotate(is_running=Exists(Run.objects.active().filter(thread=OuterRef("pk"))))
    )
    found = list(
        rows.filter(_beyond(cursor)).defer("metadata", "tool_resources")[: PIECE + 1]
    )
    more = _cursor(found[PIECE - 1]) if len(found) > PIECE else ""
    return Threads(groups=_grouped(found[:PIECE]), more=more)


def _cursor(thread: Thread) -> str:
    return f"{thread.last_activity_at.isoformat()}~{thread.pk}"


def _beyond(cursor: str) -> Q:
    """What comes after the cursor; a cursor that can't be read means the beginning."""
    at, _, key = cursor.partition("~")
    moment = _moment(at)
    if moment is None:
        return Q()
    return Q(last_activity_at__lt=moment) | Q(last_activity_at=moment, pk__lt=key)


def _moment(text: str) -> dt.datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment and timezone.is_aware(moment) else None


def _grouped(threads: list[Thread]) -> list[tuple[str, list[Thread]]]:
    today = timezone.localdate()
    groups: dict[str, list[Thread]] = {}
    for thread in threads:
        groups.setdefault(_heading(thread, today), []).append(thread)
    return list(groups.items())


def _heading(thread: Thread, today: dt.date) -> str:
    days = (today - timezone.localdate(thread.last_activity_at)).days
    if days <= 0:
        return "Today"
    if days == 1:
        return "Yesterday"
    return "Last 7 days" if days < 7 else "Last 30 days" if days < 30 else "Older"
