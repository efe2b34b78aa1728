"""What a person may do. Every door (browser, API, admin) comes through here.

Functions take keyword arguments and model objects, write in one transaction, and
raise the exceptions defined here. Whether the person may is ``access``'s question.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from runs import clock, endings, events, lists, queue
from runs.conversations import (
    Draft,
    append,
    locked,
    refuse_if_busy,
)
from runs.conversations import ThreadIsBusy as ThreadIsBusy
from runs.events import Event
from runs.models import (
    ACTIVE,
    Assistant,
    EventType,
    Message,
    MessageRole,
    Run,
    RunStatus,
    Source,
    StepStatus,
    Thread,
    User,
    text_part,
)
from runs.models.fields import without_nul
from runs.overrides import NONE, Overrides, as_told

PREVIEW_LENGTH = 200


class InvalidInput(Exception):
    """The input can't be taken; the message says why and what to do."""


class NotCancellable(Exception):
    """This run has already ended."""


class NotRetryable(Exception):
    """Only the newest answer of a thread can be tried again."""


def post_message(
    *,
    user: User,
    text: str,
    thread: Thread | None = None,
    assistant: Assistant | None = None,
    idempotency_key: str = "",
    source: str = Source.BROWSER,
) -> Run:
    """Add a user message and the run that answers it; without a thread, make one.

    The same idempotency key gives the same run again. Raises InvalidInput,
    ThreadIsBusy and TooManyWaiting.
    """
    text = _checked_text(text)
    if earlier := _submitted_before(user, idempotency_key):
        return earlier
    try:
        with transaction.atomic():
            thread = locked(thread) if thread else _new_thread(user, assistant)
            refuse_if_busy(thread)
            draft = Draft(role=MessageRole.USER, content=[text_part(text)])
            message = append(thread, [draft], user=user)[0]
            return create_run(
                thread=thread,
                assistant=assistant or thread.assistant or _default_assistant(),
                user=user,
                answers=message,
                idempotency_key=idempotency_key,
                source=source,
            )
    except IntegrityError:
        # The same submission, or another one in this thread, was a moment faster.
        if earlier := _submitted_before(user, idempotency_key):
            return earlier
        if thread:
            refuse_if_busy(thread)
        raise


def create_run(
    *,
    thread: Thread,
    assistant: Assistant,
    user: User,
    answers: Message | None,
    idempotency_key: str = "",
    source: str = Source.BROWSER,
    retry_of: Run | None = None,
    over: Overrides = NONE,
) -> Run:
    """Queue a run of the assistant on the thread; call it inside a transaction.

    ``answers`` is the newest message that the run sees. What the assistant is told now
    is kept with the run. Raises ThreadIsBusy and TooManyWaiting.
    """
    refuse_if_busy(thread)
    queue.refuse_if_full(user)
    now = clock.now()
    run = Run.objects.create(
        thread=thread,
        answers=answers,
        retry_of=retry_of,
        user=user,
        user_name=user.get_username(),
        source=source,
        idempotency_key=idempotency_key,
        input_preview=answers.text[:PREVIEW_LENGTH] if answers else "",
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


def retry(*, run: Run, user: User, idempotency_key: str = "") -> Run:
    """A new run that answers the same message; the old answer leaves the shown path.

    Raises ThreadIsBusy, TooManyWaiting, and NotRetryable when the thread has gone on.
    """
    if earlier := _submitted_before(user, idempotency_key):
        return earlier
    with transaction.atomic():
        thread = locked(run.thread)
        refuse_if_busy(thread)
        question = run.answers
        if question is None or _has_later_question(question):
            raise NotRetryable(NotRetryable.__doc__)
        _shown_after(question).update(on_path=False)
        return create_run(
            thread=thread,
            assistant=run.assistant or _default_assistant(),
            user=user,
            answers=question,
            idempotency_key=idempotency_key,
            source=Source.BROWSER,
            retry_of=run,
        )


def submit_tool_outputs(*, run: Run, outputs: dict[str, str]) -> Run:
    """Answer the function calls a run waits for and queue it again.

    ``outputs`` maps call id to output. Raises InvalidInput.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run.pk)
        if run.status != RunStatus.REQUIRES_ACTION:
            message = f'Runs in status "{run.status}" do not accept tool outputs.'
            raise InvalidInput(message)
        step = run.steps.get(status=StepStatus.IN_PROGRESS)
        expected = [call["id"] for call in step.tool_calls]
        if sorted(outputs) != sorted(expected):
            raise InvalidInput(
                f"Expected tool outputs for call_ids {expected}, got {list(outputs)}"
            )
        fact = {"step": step.pk, "outputs": outputs}
        completed = Event(EventType.STEP_COMPLETED, fact)
        events.record(run.pk, [completed, Event(EventType.RUN_QUEUED)])
        run.refresh_from_db()
        queue.enqueue(run)
    return run


def _checked_text(text: str) -> str:
    text = str(without_nul(text)).strip()
    if not text:
        raise InvalidInput("Write a message first.")
    if len(text) > settings.MESSAGE_MAX_CHARS:
        raise InvalidInput(
            f"This message has {len(text):,} characters; the limit is "
            f"{settings.MESSAGE_MAX_CHARS:,}. Shorten it or send it in parts."
        )
    return text


def _submitted_before(user: User, key: str) -> Run | None:
    return Run.objects.filter(user=user, idempotency_key=key).first() if key else None


def _default_assistant() -> Assistant:
    return Assistant.objects.default()


def _new_thread(user: User, assistant: Assistant | None) -> Thread:
    return Thread.objects.create(
        owner=user, assistant=assistant or _default_assistant()
    )


def _shown_after(message: Message) -> Any:
    shown = Message.objects.shown(message.thread)
    return shown.filter(number__gt=message.number)


def _has_later_question(question: Message) -> bool:
    return bool(_shown_after(question).filter(role=MessageRole.USER).exists())
