"""What a person may do. Every door (browser, API, admin) comes through here.

Functions take keyword arguments and model objects, write in one transaction, and
raise the exceptions defined here. Whether the person may is ``access``'s question.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from runs import clock, endings, events, lists, queue, tree, uses
from runs.conversations import (
    Draft,
    append,
    locked,
    refuse_if_busy,
)
from runs.conversations import InvalidInput as InvalidInput
from runs.conversations import ThreadIsBusy as ThreadIsBusy
from runs.decisions import decide as decide
from runs.decisions import submit_tool_outputs as submit_tool_outputs
from runs.events import Event
from runs.models import (
    ACTIVE,
    Assistant,
    EventType,
    File,
    Message,
    MessageRole,
    Run,
    RunStatus,
    Source,
    Thread,
    User,
)
from runs.models.fields import without_nul
from runs.overrides import NONE, Overrides, as_told
from runs.uses import AttachmentGone as AttachmentGone

PREVIEW_LENGTH = 200


class NotCancellable(Exception):
    """This run has already ended."""


class NotRetryable(Exception):
    """The message that this answered was deleted."""


def post_message(
    *,
    user: User,
    text: str,
    thread: Thread | None = None,
    assistant: Assistant | None = None,
    attachments: Sequence[File] = (),
    idempotency_key: str = "",
    source: str = Source.BROWSER,
    is_temporary: bool = False,
) -> Run:
    """Add a user message and the run that answers it; without a thread, make one.

    The same idempotency key gives the same run again. Raises InvalidInput,
    AttachmentGone, ThreadIsBusy and TooManyWaiting.
    """
    text = checked_text(text, may_be_empty=bool(attachments))
    if earlier := submitted_before(user, idempotency_key):
        return earlier
    try:
        with transaction.atomic():
            thread = (
                locked(thread)
                if thread
                else _new_thread(user, assistant, is_temporary=is_temporary)
            )
            refuse_if_busy(thread)
            draft = question(text, attachments)
            message = append(thread, [draft], user=user)[0]
            return create_run(
                thread=thread,
                assistant=assistant or answering(thread, user),
                user=user,
                answers=message,
                idempotency_key=idempotency_key,
                source=source,
            )
    except IntegrityError:
        # The same submission, or another one in this thread, was a moment faster.
        if earlier := submitted_before(user, idempotency_key):
            return earlier
        if thread:
            refuse_if_busy(thread)
        raise


def question(text: str, attachments: Sequence[File] = ()) -> Draft:
    """A user message with these files, which from now on stay.

    Raises AttachmentGone; call it in the transaction that stores the message.
    """
    uses.hold(attachments)
    return Draft(
        role=MessageRole.USER,
        content=uses.content(text, attachments),
        attachments=uses.attached(attachments),
        subject=text or ", ".join(file.filename for file in attachments),
    )


def create_run(
    *,
    thread: Thread,
    assistant: Assistant,
    user: User,
    answers: Message | None,
    idempotency_key: str = "",
    source: str = Source.BROWSER,
    retry_of: Run | None = None,
    is_continuation: bool = False,
    over: Overrides = NONE,
) -> Run:
    """Queue a run of the assistant on the thread; call it inside a transaction.

    ``answers`` is the newest message that the run sees; a continuation goes on with it.
    What the assistant is told now is kept with the run. Raises ThreadIsBusy and
    TooManyWaiting.
    """
    refuse_if_busy(thread)
    queue.refuse_if_full(user)
    now = clock.now()
    run = Run.objects.create(
        thread=thread,
        answers=answers,
        retry_of=retry_of,
        is_continuation=is_continuation,
        user=user,
        user_name=user.get_username(),
        source=source,
        idempotency_key=idempotency_key,
        input_preview=_preview(answers, thread),
        created_at=now,
        expires_at=now + dt.timedelta(seconds=settings.RUN_EXPIRES_SECONDS),
        **as_told(assistant, thread, over),
    )
    Thread.objects.filter(pk=thread.pk).update(
        last_activity_at=now, assistant=assistant, archived_at=None
    )
    lists.changed(thread.owner_id)
    events.record(run.pk, [Event(EventType.RUN_CREATED), Event(EventType.RUN_QUEUED)])
    queue.enqueue(run)
    run.refresh_from_db()
    return run


def cancel(*, run: Run, user: User) -> Run:
    """Stop a run; what is written so far stays. Raises NotCancellable.

    Where a worker holds the run, the run is ``cancelling`` until the worker lets go.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run.pk)
        if run.status not in ACTIVE or run.status == RunStatus.CANCELLING:
            raise NotCancellable(f"Cannot cancel run with status '{run.status}'.")
        idle = run.status != RunStatus.IN_PROGRESS
        fact = {"by": user.get_username()}
        events.record(run.pk, [Event(EventType.RUN_CANCELLING, fact)])
        if idle:
            endings.cancelled(run.pk)
    run.refresh_from_db()
    return run


def retry(
    *,
    run: Run,
    user: User,
    assistant: Assistant | None = None,
    idempotency_key: str = "",
) -> Run:
    """A new run that answers the same message, by the same assistant or this one.

    The old answer and all that came after it leave the shown path. Raises ThreadIsBusy,
    TooManyWaiting and NotRetryable.
    """
    if earlier := submitted_before(user, idempotency_key):
        return earlier
    with transaction.atomic():
        thread = locked(run.thread)
        refuse_if_busy(thread)
        question = Message.objects.filter(pk=run.answers_id or "").first()
        if question is None:
            raise NotRetryable(_("The message that this answered was deleted."))
        tree.end_at(question)
        new = create_run(
            thread=thread,
            assistant=assistant or usable(run.assistant, thread, user),
            user=user,
            answers=question,
            idempotency_key=idempotency_key,
            source=Source.BROWSER,
            retry_of=run,
            is_continuation=run.is_continuation,
        )
        tree.stand(new)
        return new


def checked_text(text: str, *, may_be_empty: bool = False) -> str:
    """What a person wrote, as it is stored. Raises InvalidInput."""
    text = str(without_nul(text)).strip()
    if not text and not may_be_empty:
        raise InvalidInput(_("Write a message first."))
    most = settings.MESSAGE_MAX_CHARS
    if len(text) > most:
        words = _(
            "This message has %(length)s characters; the limit is %(most)s. "
            "Shorten it or send it in parts."
        )
        raise InvalidInput(words % {"length": _shown(len(text)), "most": _shown(most)})
    return text


def _shown(number: int) -> str:
    return number_format(number, force_grouping=True)


def _preview(asked: Message | None, thread: Thread) -> str:
    """How the question begins, or the names of its files; of temporary threads nothing."""
    if asked is None or thread.is_temporary:
        return ""
    named = asked.text or ", ".join(file.filename for file in uses.of_message(asked))
    return named[:PREVIEW_LENGTH]


def submitted_before(user: User, key: str) -> Run | None:
    """What the same submission has made already."""
    return Run.objects.filter(user=user, idempotency_key=key).first() if key else None


def answering(thread: Thread, user: User) -> Assistant:
    """The assistant that answers this user's next message in the thread."""
    return usable(thread.assistant, thread, user)


def usable(assistant: Assistant | None, thread: Thread, user: User) -> Assistant:
    """The assistant, unless it is gone or no longer shared with either person here."""
    if assistant and assistant.is_visible_to_any(user.pk, thread.owner_id):
        return assistant
    return Assistant.objects.default()


def _new_thread(
    user: User, assistant: Assistant | None, *, is_temporary: bool
) -> Thread:
    return Thread.objects.create(
        owner=user,
        assistant=assistant or Assistant.objects.default(),
        is_temporary=is_temporary,
    )
