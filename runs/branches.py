"""What a person may do to what was said: ask otherwise, go on, choose a version, delete.

As in ``actions``: keyword arguments, one transaction each, under the thread's row lock.
Nothing here is done while an answer is being written in the thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from runs import conversations, tree
from runs.access import NotFound
from runs.actions import (
    answering,
    checked_text,
    create_run,
    submitted_before,
    usable,
)
from runs.conversations import MOST_MESSAGES, ThreadIsFull
from runs.models import (
    Message,
    MessageRole,
    Run,
    RunStatus,
    Source,
    Thread,
    User,
    text_part,
)

CAN_GO_ON = "max_completion_tokens"  # the only limit that a new run is free of


class NotEditable(Exception):
    """Only what a person wrote can be edited and sent again."""


class NothingToContinue(Exception):
    """This answer is whole, or nothing is left of it."""


def edit_message(
    *, message: Message, text: str, user: User, idempotency_key: str = ""
) -> Run:
    """A new version of a person's message beside the old one, and a run that answers it.

    What else the message had, files and images, is the new version's, too. Raises
    InvalidInput, NotEditable, ThreadIsBusy, ThreadIsFull and TooManyWaiting.
    """
    text = checked_text(text)
    if earlier := submitted_before(user, idempotency_key):
        return earlier
    with _quiet(message.thread) as thread:
        if message.role != MessageRole.USER:
            raise NotEditable(
                _("Only what a person wrote can be edited and sent again.")
            )
        version = _version_of(message, text, user)
        tree.end_at(version)
        return create_run(
            thread=thread,
            assistant=answering(thread, user),
            user=user,
            answers=version,
            idempotency_key=idempotency_key,
        )


def continue_answer(*, run: Run, user: User, idempotency_key: str = "") -> Run:
    """A new run that goes on where this one's text ended; the text stays a message.

    Raises NothingToContinue, ThreadIsBusy and TooManyWaiting.
    """
    if earlier := submitted_before(user, idempotency_key):
        return earlier
    with _quiet(run.thread) as thread:
        partial = run.messages.order_by("number").last()
        if partial is None or not can_continue(run):
            raise NothingToContinue(
                _("This answer is whole, or nothing is left of it.")
            )
        tree.end_at(partial)
        new = create_run(
            thread=thread,
            assistant=usable(run.assistant, thread, user),
            user=user,
            answers=partial,
            idempotency_key=idempotency_key,
            source=Source.BROWSER,
            is_continuation=True,
        )
        tree.stand(new)
        return new


def can_continue(run: Run) -> bool:
    """Whether the answer ended at a limit that a further run does not have."""
    return run.status == RunStatus.INCOMPLETE and run.incomplete_reason == CAN_GO_ON


def show_message(*, message: Message) -> None:
    """Show the branch that this message is on. Raises ThreadIsBusy."""
    with _quiet(message.thread):
        tree.show(_still_there(message))


def show_answer(*, run: Run) -> None:
    """Show this version of the answers to its question. Raises ThreadIsBusy."""
    with _quiet(run.thread):
        tree.show_answer(run)


def delete_turn(*, message: Message) -> None:
    """Delete a message; with a question go its answers, in all their versions.

    What came after stays and follows what came before. Raises ThreadIsBusy.
    """
    with _quiet(message.thread) as thread:
        row = _still_there(message)
        is_question = row.role == MessageRole.USER
        tree.cut(thread, [row, *(tree.said_in_answer(row) if is_question else [])])


def delete_answer(*, run: Run) -> None:
    """Delete what a run wrote; its record stays. Raises ThreadIsBusy."""
    with _quiet(run.thread) as thread:
        tree.stand(run)
        tree.cut(thread, run.messages.order_by("number"))


def _version_of(message: Message, text: str, user: User) -> Message:
    row = _still_there(message)
    last = row.thread.messages.aggregate(last=Max("number"))["last"]
    if last >= MOST_MESSAGES:
        raise ThreadIsFull
    kept = [part for part in row.content if part["type"] != "text"]
    return Message.objects.create(
        thread_id=row.thread_id,
        number=last + 1,
        parent_id=row.parent_id,
        on_path=False,
        role=MessageRole.USER,
        author=user,
        content=[text_part(text), *kept],
        attachments=row.attachments,
        metadata=row.metadata,
    )


def _still_there(message: Message) -> Message:
    """The row as it is under the lock. Raises NotFound."""
    row = Message.objects.filter(pk=message.pk).select_related("thread", "run").first()
    if row is None:
        raise NotFound(f"No message found with id '{message.pk}'.")
    return row


@contextmanager
def _quiet(thread: Thread) -> Iterator[Thread]:
    """A transaction in which nothing else happens in the thread. Raises ThreadIsBusy."""
    with transaction.atomic():
        row = conversations.locked(thread)
        conversations.refuse_if_busy(row)
        yield row
