"""Threads and their messages: made, added to, changed, deleted.

Whoever writes to a thread's messages holds its row lock. Functions write in one
transaction each; whether a person may is ``access``'s question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.http import Http404
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from runs import endings, events, lists, uses
from runs.events import Event, Fenced, IllegalTransition
from runs.models import (
    EventType,
    Message,
    MessageRole,
    Run,
    RunStatus,
    Thread,
    User,
    part_text,
)
from runs.models.threads import ThreadQuerySet

TITLE_LENGTH = 60
MOST_MESSAGES = 100_000  # in a thread, as the original's documentation says


class InvalidInput(Exception):
    """The input can't be taken; the message says why and what to do."""


class ThreadIsBusy(Exception):
    """An answer is still being written in this thread."""

    def __init__(self, run: Run) -> None:
        super().__init__(
            _(
                "An answer is still being written in this thread. "
                "Wait for it or stop it."
            )
        )
        self.run = run


class ThreadIsGone(Http404):
    """The thread was deleted at this moment."""


class ThreadIsFull(Exception):
    """A thread has room for MOST_MESSAGES."""

    def __init__(self) -> None:
        most = number_format(MOST_MESSAGES, force_grouping=True)
        words = _("A thread has room for %(most)s messages. Begin a new one.")
        super().__init__(words % {"most": most})


class MessageInUse(Exception):
    """A run that is active answers this message or writes it."""

    def __init__(self, run: Run) -> None:
        super().__init__(self.__doc__)
        self.run = run


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is not yet in a thread; ``content`` in stored parts.

    ``subject`` is what a new thread is named after where there is no text.
    """

    role: str
    content: list[dict[str, Any]]
    attachments: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    subject: str = ""

    @property
    def text(self) -> str:
        return "\n\n".join(part_text(part) for part in self.content)


def create(
    *,
    owner: User,
    messages: Sequence[Draft] = (),
    tool_resources: dict[str, Any] | None = None,
    metadata: dict[str, str] | None = None,
) -> Thread:
    """A new thread with these messages. Raises ThreadIsFull."""
    with transaction.atomic():
        thread = Thread.objects.create(
            owner=owner,
            tool_resources=tool_resources or {},
            metadata=metadata or {},
        )
        append(thread, messages, user=owner)
        lists.changed(owner.pk)
    return thread


def add_message(thread: Thread, draft: Draft, *, user: User) -> Message:
    """Raises ThreadIsBusy and ThreadIsFull."""
    with transaction.atomic():
        thread = locked(thread)
        refuse_if_busy(thread)
        return append(thread, [draft], user=user)[0]


def append(thread: Thread, drafts: Sequence[Draft], *, user: User) -> list[Message]:
    """Add the messages at the end of the shown path; the thread is locked or new.

    It gets a title by its first user message, and the files of the attachments.
    Raises ThreadIsFull.
    """
    if not drafts:
        return []
    number = thread.messages.aggregate(last=Max("number"))["last"] or 0
    if number + len(drafts) > MOST_MESSAGES:
        raise ThreadIsFull
    parent = Message.objects.shown(thread).last()
    made: list[Message] = []
    for draft in drafts:
        number += 1
        parent = Message(
            thread=thread,
            number=number,
            parent=parent,
            role=draft.role,
            author=user,
            content=draft.content,
            attachments=draft.attachments,
            metadata=draft.metadata,
        )
        made.append(parent)
    Message.objects.bulk_create(made)
    uses.record(made, user=user)
    _take_note(thread, drafts)
    return made


def _take_note(thread: Thread, drafts: Sequence[Draft]) -> None:
    """What new messages say about their thread as a whole."""
    asked = (d.text or d.subject for d in drafts if d.role == MessageRole.USER)
    thread.title = thread.title or title_from(next(filter(str.strip, asked), ""))
    thread.last_activity_at = timezone.now()
    for draft in drafts:
        _add_files(thread, draft)
    thread.save(update_fields=["title", "last_activity_at", "tool_resources"])
    lists.changed(thread.owner_id)


def _add_files(thread: Thread, draft: Draft) -> None:
    for attachment in draft.attachments:
        kinds = [tool["type"] for tool in attachment["tools"]]
        if "code_interpreter" in kinds:
            files = thread.tool_resources.setdefault("code_interpreter", {})
            ids = files.setdefault("file_ids", [])
            if attachment["file_id"] not in ids:
                ids.append(attachment["file_id"])


def title_from(text: str) -> str:
    """A title from the first words of a message."""
    line = " ".join(text.split())
    if len(line) <= TITLE_LENGTH:
        return line
    return line[: TITLE_LENGTH - 1].rsplit(" ", 1)[0] + "…"


def change_thread(
    thread: Thread,
    *,
    metadata: dict[str, str] | None = None,
    tool_resources: dict[str, Any] | None = None,
) -> Thread:
    """Write what is given; returns the row as it is then."""
    with transaction.atomic():
        row = locked(thread)
        if metadata is not None:
            row.metadata = metadata
        if tool_resources is not None:
            row.tool_resources = tool_resources
        row.save(update_fields=["metadata", "tool_resources"])
    return row


def change_message(
    message: Message, *, metadata: dict[str, str] | None = None
) -> Message:
    """Write what is given; a run that writes the message at this time does not mind."""
    if metadata is not None:
        message.metadata = metadata
        message.save(update_fields=["metadata"])
    return message


def delete_thread(thread: Thread, *, user: User) -> None:
    """Delete it with its messages, runs and attachments, for good.

    A run that is active ends as cancelled first, in a transaction of its own, so that
    its followers see an end. Its worker finds itself fenced off.
    """
    while not _deleted_while_idle(thread):
        end_active_runs(thread, user=user)


def _deleted_while_idle(thread: Thread) -> bool:
    """Delete it unless a run is active; under its lock no new one can begin."""
    with transaction.atomic():
        row = _locked(thread, Thread.objects.filter(erased_at=None))
        if row.runs.active().exists():
            return False
        attachments = uses.attachments_in(row)
        row.delete()
        uses.delete_unused(attachments)
        lists.changed(row.owner_id)
        return True


def end_active_runs(thread: Thread, *, user: User) -> None:
    """Cancel them in transactions of their own, so that their followers see an end."""
    for run_id in thread.runs.active().values_list("pk", flat=True):
        _end_now(run_id, user)


def _end_now(run_id: str, user: User) -> None:
    """Cancel a run without waiting for the worker that holds it."""
    try:
        with transaction.atomic():
            run = Run.objects.select_for_update().filter(pk=run_id).first()
            if run is not None and run.status != RunStatus.CANCELLING:
                fact = {"by": user.get_username()}
                events.record(run_id, [Event(EventType.RUN_CANCELLING, fact)])
            endings.cancelled(run_id)
    except (Fenced, IllegalTransition):
        pass  # It has ended by itself meanwhile, or is gone.


def delete_message(message: Message) -> None:
    """Delete it; what came after it now follows what came before it.

    Raises MessageInUse.
    """
    with transaction.atomic():
        thread = locked(message.thread)
        busy = thread.runs.active().first()
        if busy and (message.run_id == busy.pk or message.pk == busy.answers_id):
            raise MessageInUse(busy)
        row = Message.objects.filter(pk=message.pk).first()
        if row is not None:
            attachments = uses.attachments_of(row)
            row.children.update(parent=row.parent_id)
            row.delete()
            uses.delete_unused(attachments)


def locked(thread: Thread) -> Thread:
    """The thread's row as it is now, held until the transaction ends.

    Raises ThreadIsGone.
    """
    return _locked(thread, Thread.objects.kept())


def _locked(thread: Thread, rows: ThreadQuerySet) -> Thread:
    row = rows.filter(pk=thread.pk).select_for_update().first()
    if row is None:
        raise ThreadIsGone(f"No thread found with id '{thread.pk}'.")
    return row


def refuse_if_busy(thread: Thread) -> None:
    """Raises ThreadIsBusy."""
    if busy := thread.runs.active().first():
        raise ThreadIsBusy(busy)
