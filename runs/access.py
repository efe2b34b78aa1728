"""Who may see and do what: one function per kind of object, used by every door."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import models
from django.http import Http404

from runs.models import Assistant, Message, Run, Thread

Row = TypeVar("Row", bound=models.Model)


class NotFound(Http404):
    """There is no such object, or it is not this user's: the answer is the same."""


def thread(user: Any, thread_id: str) -> Thread:
    """The thread, for its owner. Raises NotFound."""
    return _get(Thread.objects.visible_to(user).select_related("assistant"), thread_id)


def run(user: Any, run_id: str) -> Run:
    """The run, for whoever may see its thread. Raises NotFound."""
    return _get(Run.objects.visible_to(user).select_related("thread"), run_id)


def message(user: Any, message_id: str) -> Message:
    """The message, for whoever may see its thread. Raises NotFound."""
    visible = Message.objects.filter(thread__owner=user)
    return _get(visible.select_related("thread"), message_id)


def assistant(user: Any, assistant_id: str) -> Assistant:
    """The assistant, for the team or its owner. Raises NotFound."""
    return _get(Assistant.objects.visible_to(user), assistant_id)


def may_see_history(user: Any) -> bool:
    """Whether the user may inspect everybody's runs."""
    return bool(user.is_active and user.is_staff)


def _get(rows: models.QuerySet[Row], key: str) -> Row:
    row = rows.filter(pk=key).first() if "\0" not in key else None
    if row is None:
        raise NotFound(f"No {rows.model._meta.verbose_name} found with id '{key}'.")
    return row
