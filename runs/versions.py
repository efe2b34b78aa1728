"""The versions of a message or an answer, side by side.

Versions of a question are user messages that follow the same message. Versions of an
answer are the assistant's messages that follow the same message, and the runs that
answered it without leaving one: an answer that failed is a version, too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from runs.models import Message, MessageRole, Run, Thread


@dataclass(frozen=True, slots=True)
class Version:
    """``id`` is that of the run which wrote it or, without one, of the message."""

    at: dt.datetime
    id: str
    is_run: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where one version stands among several; ``number`` counts from 1."""

    number: int
    count: int
    previous: Version | None
    next: Version | None


Slot = tuple[str | None, bool]  # what it follows, and whether it is a question


class Versions:
    """Those of some messages of a thread and of the runs beside them, in two queries."""

    def __init__(self, thread: Thread, messages: Sequence[Message]) -> None:
        parents = {row.parent_id for row in messages}
        above = [key for key in parents | {row.pk for row in messages} if key]
        beside = Q(parent__in=above)
        if None in parents:
            beside |= Q(thread=thread, parent=None)
        self._slots: dict[Slot, dict[str, Version]] = {}
        self._take(
            Message.objects.filter(beside), Run.objects.filter(answers__in=above)
        )

    def _take(self, messages: QuerySet[Message], runs: QuerySet[Run]) -> None:
        columns = ("pk", "parent", "role", "run", "created_at")
        answers = {
            pk: (question, Version(at, pk, is_run=True))
            for pk, question, at in runs.values_list("pk", "answers", "created_at")
        }
        rows = messages.order_by("number").values_list(*columns)
        for pk, parent, role, run, at in rows:
            version = Version(at, run or pk, is_run=run is not None)
            if run in answers:
                version = answers.pop(run)[1]
            self._add((parent, role == MessageRole.USER), version)
        for question, version in answers.values():
            self._add((question, False), version)

    def _add(self, slot: Slot, version: Version) -> None:
        self._slots.setdefault(slot, {}).setdefault(version.id, version)

    def of_message(self, message: Message) -> Place | None:
        """A message that no run wrote; None when it is the only version."""
        slot = message.parent_id, message.role == MessageRole.USER
        return self._place(slot, message.pk)

    def of_run(self, run: Run, wrote: Sequence[Message]) -> Place | None:
        """An answer; None when it is the only version."""
        follows = wrote[0].parent_id if wrote else run.answers_id
        return self._place((follows, False), run.pk)

    def _place(self, slot: Slot, key: str) -> Place | None:
        beside = self._slots.get(slot, {})
        if len(beside) < 2 or key not in beside:
            return None
        row = sorted(beside.values(), key=lambda version: (version.at, version.id))
        at = row.index(beside[key])
        return Place(
            number=at + 1,
            count=len(row),
            previous=row[at - 1] if at else None,
            next=row[at + 1] if at + 1 < len(row) else None,
        )
