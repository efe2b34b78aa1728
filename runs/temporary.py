"""Temporary threads: their content is erased, the bare records of their runs stay.

What stays of a run is who asked which assistant when, which model answered, how long it
took, how many tokens it used and how it ended.
"""

from __future__ import annotations

import datetime as dt
import logging

from django.conf import settings
from django.db import transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast, Now

from runs import conversations
from runs.models import (
    File,
    Message,
    Run,
    RunEvent,
    RunSetup,
    RunStep,
    RunTimeline,
    Thread,
)
from runs.shares import files_of

log = logging.getLogger(__name__)

AT_ONCE = 20  # threads in one look


def erase_due() -> None:
    """Erase temporary threads that nobody has used for long; some of them."""
    spared = dt.timedelta(hours=settings.TEMPORARY_HOURS)
    due = (
        Thread.objects.kept()
        .filter(is_temporary=True, last_activity_at__lt=Now() - spared)
        .order_by("last_activity_at")
    )
    for thread in due.select_related("owner")[:AT_ONCE]:
        try:
            erase(thread)
        except conversations.ThreadIsGone:
            log.info("Thread %s was closed or deleted meanwhile", thread.pk)


def erase(thread: Thread) -> None:
    """Erase the content of a temporary thread; a run that is active ends first.

    Raises ThreadIsGone.
    """
    while not _erased_while_idle(thread):
        conversations.end_active_runs(thread, user=thread.owner)


def _erased_while_idle(thread: Thread) -> bool:
    """Under the thread's lock no new run can begin."""
    with transaction.atomic():
        row = conversations.locked(thread)
        if row.runs.active().exists():
            return False
        _erase_files(row)
        _erase_runs(row)
        row.messages.all().delete()
        row.queued_messages.all().delete()
        Thread.objects.filter(pk=row.pk).update(
            title="",
            metadata={},
            tool_resources={},
            parameters={},
            erased_at=Now(),
        )
        return True


def _erase_runs(thread: Thread) -> None:
    runs = Run.objects.filter(thread=thread)
    for model in (RunEvent, RunTimeline, RunStep):
        model._default_manager.filter(run__thread=thread).delete()
    setup = RunSetup.of(instructions="", tools=[], tool_resources={})
    runs.update(
        input_preview="",
        last_error=None,
        warnings=None,
        required_action=None,
        metadata={},
        tool_choice=None,
        setup=setup,
        is_at_rest=True,
    )


def _erase_files(thread: Thread) -> None:
    """The files of its people that its messages name, and no other message does."""
    messages = list(thread.messages.all())
    people = {thread.owner_id, *(row.author_id for row in messages)} - {None}
    named = {key for row in messages for key in files_of(row)}
    for key in File.objects.filter(pk__in=named, owner__in=people):
        if not _is_named_elsewhere(key.pk, thread, people):
            key.delete()


def _is_named_elsewhere(file_id: str, thread: Thread, people: set[int | None]) -> bool:
    others = Message.objects.filter(thread__owner__in=people).exclude(thread=thread)
    texts = others.annotate(
        all_content=Cast("content", TextField()),
        all_attachments=Cast("attachments", TextField()),
    )
    named = Q(all_content__contains=file_id) | Q(all_attachments__contains=file_id)
    return bool(texts.filter(named).exists())
