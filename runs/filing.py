"""How people file their threads: title, pin, archive, delete with a while for Undo, seen.

Whether a person may is ``access``'s question. What shows in a list tells ``lists``.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.utils import timezone

from runs import conversations, lists
from runs.models import Thread, ThreadSeen, TitledBy, User
from runs.models.fields import without_nul

TITLE_MAX = 200  # characters
IN_BIN = dt.timedelta(minutes=15)  # in which a deleted thread can be had back


class NoTitle(Exception):
    """A title needs at least one letter."""


def rename(thread: Thread, title: str) -> None:
    """Give it a title of a person's own. Raises NoTitle."""
    title = " ".join(str(without_nul(title)).split())[:TITLE_MAX]
    if not title:
        raise NoTitle(NoTitle.__doc__)
    _write(thread, title=title, titled_by=TitledBy.PERSON)


def name_by_model(thread_id: str, title: str) -> None:
    """Give it a model's title, unless somebody has named it meanwhile."""
    untouched = Thread.objects.kept().filter(pk=thread_id, titled_by=TitledBy.WORDS)
    with transaction.atomic():
        for thread in untouched.select_for_update():
            _write(thread, title=title[:TITLE_MAX], titled_by=TitledBy.MODEL)


def pin(thread: Thread, *, is_on: bool) -> None:
    """Keep it at the head of the list, or no longer; a pinned one is not archived."""
    if is_on:
        _write(thread, pinned_at=timezone.now(), archived_at=None)
    else:
        _write(thread, pinned_at=None)


def archive(thread: Thread, *, is_on: bool) -> None:
    """Take it out of the list, or put it back. A new message puts it back, too."""
    if is_on:
        _write(thread, archived_at=timezone.now(), pinned_at=None)
    else:
        _write(thread, archived_at=None)


def delete(thread: Thread, *, user: User) -> None:
    """Hide it from every door at once; for a while it can be restored.

    A run that is active in it ends as cancelled. Under the lock that marks the thread no
    new one can begin.
    """
    with transaction.atomic():
        conversations.locked(thread)
        _write(thread, deleted_at=timezone.now())
    conversations.end_active_runs(thread, user=user)


def restore(thread: Thread) -> None:
    """Undo ``delete``, in its time. Raises ThreadIsGone."""
    if not thread.deleted_at or thread.deleted_at < timezone.now() - IN_BIN:
        raise conversations.ThreadIsGone(f"No thread found with id '{thread.pk}'.")
    _write(thread, deleted_at=None)


def empty_bin(*, most: int) -> None:
    """Remove for good what was deleted a while ago."""
    over = Thread.objects.filter(deleted_at__lt=timezone.now() - IN_BIN)
    for thread in over.select_related("owner").order_by("deleted_at")[:most]:
        try:
            conversations.delete_thread(thread, user=thread.owner)
        except conversations.ThreadIsGone:
            continue  # Another worker was faster.


def see(thread: Thread, *, user: User, at: dt.datetime) -> None:
    """The user has seen all that ended in the thread up to this time."""
    seen = ThreadSeen.objects.filter(thread=thread, user=user)
    with transaction.atomic():
        row, is_new = seen.select_for_update().get_or_create(
            thread=thread, user=user, defaults={"seen_at": at}
        )
        if not is_new:
            if row.seen_at >= at:
                return
            seen.update(seen_at=at)
        lists.changed(user.pk)


def _write(thread: Thread, **columns: Any) -> None:
    """Write these columns, and tell whose list it is in."""
    with transaction.atomic():
        Thread.objects.filter(pk=thread.pk).update(**columns)
        lists.changed(thread.owner_id)
    for name, value in columns.items():
        setattr(thread, name, value)
