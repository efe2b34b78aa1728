"""Messages that were sent while an answer was being written: they wait in their thread,
and the first of them is sent when the run before it has completed.

The next run is made in the transaction that completes the one before, by whichever
worker does that; the sweep finds what that has missed. After any other end they wait
until somebody sends them.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Max, OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from runs import access, actions, doorbell
from runs.conversations import (
    Draft,
    InvalidInput,
    ThreadIsBusy,
    ThreadIsFull,
    ThreadIsGone,
    append,
    locked,
    refuse_if_busy,
)
from runs.models import (
    MessageRole,
    QueuedMessage,
    Run,
    RunStatus,
    Thread,
    User,
    text_part,
)
from runs.queue import TooManyWaiting

log = logging.getLogger(__name__)

MOST = 10  # in one thread


class LineIsFull(InvalidInput):
    """As many messages are waiting in this thread as may."""

    def __init__(self) -> None:
        words = _(
            "There are %(most)s messages waiting in this thread already. "
            "Wait for an answer."
        )
        super().__init__(words % {"most": MOST})


def post_or_queue(
    *, user: User, thread: Thread, text: str, idempotency_key: str = ""
) -> Run | QueuedMessage:
    """Post the message or, while an answer is being written, have it wait.

    The same idempotency key gives the same run or waiting message again. Raises
    InvalidInput and TooManyWaiting.
    """
    text = actions.checked_text(text)
    try:
        return _posted_or_queued(user, thread, text, idempotency_key)
    except (IntegrityError, ThreadIsBusy):
        # Another submission of this moment was faster; now it can be seen.
        return _posted_or_queued(user, thread, text, idempotency_key)


def _posted_or_queued(
    user: User, thread: Thread, text: str, key: str
) -> Run | QueuedMessage:
    with transaction.atomic():
        thread = locked(thread)
        if earlier := actions.submitted_before(user, key) or _waiting(user, key):
            return earlier
        if thread.runs.active().exists():
            return _queue(user, thread, text, key)
        return actions.post_message(
            user=user, text=text, thread=thread, idempotency_key=key
        )


def _waiting(user: User, key: str) -> QueuedMessage | None:
    rows = QueuedMessage.objects.filter(author=user, idempotency_key=key)
    return rows.first() if key else None


def _queue(user: User, thread: Thread, text: str, key: str) -> QueuedMessage:
    rows = thread.queued_messages.all()
    if rows.count() >= MOST:
        raise LineIsFull
    number = (rows.aggregate(last=Max("number"))["last"] or 0) + 1
    row = QueuedMessage.objects.create(
        thread=thread,
        author=user,
        number=number,
        content=[text_part(text)],
        idempotency_key=key,
    )
    _tell(thread.pk)
    return row


def change(*, message: QueuedMessage, text: str) -> QueuedMessage:
    """Write another text. Raises InvalidInput, also when it has been sent meanwhile."""
    text = actions.checked_text(text)
    with transaction.atomic():
        row = _locked(message)
        row.content = [text_part(text)]
        row.changed_at = timezone.now()
        row.save(update_fields=["content", "changed_at"])
        _tell(row.thread_id)
    return row


def take_back(*, message: QueuedMessage) -> None:
    """Take it out of the line. Raises InvalidInput when it has been sent meanwhile."""
    with transaction.atomic():
        row = _locked(message)
        row.delete()
        _tell(row.thread_id)


def send_now(*, message: QueuedMessage) -> Run:
    """Send this one, whatever its place. Raises InvalidInput, ThreadIsBusy and
    TooManyWaiting."""
    with transaction.atomic():
        return _send(_locked(message))


def send_next(thread_id: str) -> Run | None:
    """Send the first message of the line, if any and if its author still may.

    Call it where the thread's last run has completed. What keeps a message from being
    sent now is left to the next sweep.
    """
    try:
        with transaction.atomic():
            return _send_first(thread_id)
    except (TooManyWaiting, ThreadIsBusy, ThreadIsFull, ThreadIsGone) as refusal:
        log.info("The next message of %s has to wait: %s", thread_id, refusal)
    except OperationalError:
        raise
    except Exception:
        # It must not spoil the end of the run before it.
        log.exception("Sending the next message of %s failed", thread_id)
    return None


def _send_first(thread_id: str) -> Run | None:
    """Under the thread's lock: who queues a message at this moment is waited for, and
    who comes later finds the run ended."""
    thread = locked(Thread(pk=thread_id))
    for row in thread.queued_messages.select_related("author"):
        if _may_write(row):
            return _send(row)
        row.delete()
        _tell(thread_id)
    return None


def _may_write(row: QueuedMessage) -> bool:
    try:
        access.thread_to_write(row.author, row.thread_id)
    except access.NotFound:
        return False
    return row.author.is_active


def send_due() -> None:
    """The sweep: send what a completed run has left waiting."""
    of_thread = Run.objects.filter(thread=OuterRef("thread"))
    newest = of_thread.order_by("-created_at", "-pk").values("status")[:1]
    rows = QueuedMessage.objects.order_by().annotate(last=Subquery(newest))
    due = rows.filter(last=RunStatus.COMPLETED).values_list("thread", flat=True)
    for thread_id in due.distinct():
        send_next(thread_id)


def version(thread_id: str) -> str:
    """What is different whenever the line of the thread is."""
    rows = QueuedMessage.objects.filter(thread=thread_id)
    return version_of(list(rows.only("pk", "changed_at")))


def version_of(rows: list[QueuedMessage]) -> str:
    return " ".join(f"{row.pk}@{row.changed_at.timestamp()}" for row in rows)


def _locked(message: QueuedMessage) -> QueuedMessage:
    """The row, with its thread's lock, in the order that all writers take them."""
    locked(message.thread)
    row = QueuedMessage.objects.filter(pk=message.pk).first()
    if row is None:
        raise InvalidInput(_("This message has been sent or removed already."))
    return row


def _send(row: QueuedMessage) -> Run:
    """Make the message and its run; the thread is locked."""
    thread: Thread = row.thread
    refuse_if_busy(thread)
    draft = Draft(MessageRole.USER, row.content, row.attachments)
    message = append(thread, [draft], user=row.author)[0]
    run = actions.create_run(
        thread=thread,
        assistant=actions.answering(thread, row.author),
        user=row.author,
        answers=message,
        idempotency_key=row.idempotency_key,
    )
    QueuedMessage.objects.filter(pk=row.pk).delete()
    _tell(row.thread_id)
    return run


def _tell(thread_id: str) -> None:
    heads: dict[str, Any] = {thread_id: 0}
    doorbell.threads.ring(heads)
