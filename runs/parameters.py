"""What a person sets for one thread: who answers next, and what that one is told here."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from runs.conversations import locked
from runs.models import Assistant, Thread
from runs.models.fields import without_nul
from runs.overrides import OF_THREAD


def choose(thread: Thread, *, assistant: Assistant) -> Thread:
    """From now on this assistant answers; a run that is active goes on as told."""
    with transaction.atomic():
        row = locked(thread)
        row.assistant = assistant
        row.save(update_fields=["assistant"])
    return row


def set_for(thread: Thread, *, assistant: Assistant, **parameters: Any) -> Thread:
    """The same, and what replaces the assistant's in this thread; None replaces nothing.

    ``parameters`` are all of those in OF_THREAD that this thread is to have.
    """
    kept = {
        name: without_nul(value)
        for name, value in parameters.items()
        if name in OF_THREAD and value not in (None, "")
    }
    with transaction.atomic():
        row = locked(thread)
        row.assistant, row.parameters = assistant, kept
        row.save(update_fields=["assistant", "parameters"])
    return row
