"""Lists of threads in pieces: the cursor is the last activity and the id of a thread."""

from __future__ import annotations

import datetime as dt

from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from runs.models import Thread


def cursor_of(thread: Thread) -> str:
    return f"{thread.last_activity_at.isoformat()}~{thread.pk}"


def beyond(cursor: str) -> Q:
    """What comes after the cursor; a cursor that can't be read means the beginning."""
    moment, key = moment_of(cursor), cursor.partition("~")[2]
    if moment is None or "\0" in key:
        return Q()
    return Q(last_activity_at__lt=moment) | Q(last_activity_at=moment, pk__lt=key)


def moment_of(cursor: str) -> dt.datetime | None:
    try:
        moment = parse_datetime(cursor.partition("~")[0])
    except ValueError:
        return None
    return moment if moment and timezone.is_aware(moment) else None
