"""Runs as the API starts them: in a thread as it stands, or in a new one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from runs import conversations
from runs.actions import InvalidInput, create_run
from runs.conversations import Draft
from runs.models import Assistant, Message, MessageRole, Run, Source, Thread, User
from runs.overrides import NONE, Overrides, instructions


class NothingToAnswer(InvalidInput):
    """Run creation requires a Thread with a user message or an assistant with
    instructions."""

    def __init__(self) -> None:
        super().__init__(" ".join((self.__doc__ or "").split()))


def start_run(
    *,
    thread: Thread,
    assistant: Assistant,
    user: User,
    messages: Sequence[Draft] = (),
    over: Overrides = NONE,
) -> Run:
    """Add the messages to the thread and queue a run on it, in one transaction.

    Raises ThreadIsBusy, TooManyWaiting, NothingToAnswer and ThreadIsFull.
    """
    with transaction.atomic():
        thread = conversations.locked(thread)
        conversations.refuse_if_busy(thread)
        conversations.append(thread, messages, user=user)
        return _begin(thread, assistant, user, over)


def start_in_new_thread(
    *,
    assistant: Assistant,
    user: User,
    messages: Sequence[Draft] = (),
    tool_resources: dict[str, Any] | None = None,
    metadata: dict[str, str] | None = None,
    over: Overrides = NONE,
) -> Run:
    """The same in a thread that is made for it: ``run.thread``."""
    with transaction.atomic():
        thread = conversations.create(
            owner=user,
            messages=messages,
            tool_resources=tool_resources,
            metadata=metadata,
        )
        return _begin(thread, assistant, user, over)


def _begin(thread: Thread, assistant: Assistant, user: User, over: Overrides) -> Run:
    shown = Message.objects.shown(thread)
    asked = shown.filter(role=MessageRole.USER)
    if not asked.exists() and not instructions(assistant, thread, over):
        raise NothingToAnswer
    return create_run(
        thread=thread,
        assistant=assistant,
        user=user,
        answers=shown.last(),
        source=Source.API,
        over=over,
    )
