"""Who may see and do what: one function per kind of object, used by every door."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.http import Http404

from runs.models import (
    ApiKey,
    Assistant,
    File,
    Message,
    Prompt,
    QueuedMessage,
    Run,
    RunStep,
    ShareLink,
    Thread,
    sharing,
)

Row = TypeVar("Row", bound=models.Model)


class NotFound(Http404):
    """There is no such object, or it is not this user's: the answer is the same."""


def thread(user: Any, thread_id: str) -> Thread:
    """The thread, for its owner and those it is shared with. Raises NotFound."""
    rows = Thread.objects.visible_to(user).select_related("assistant", "owner")
    return _get(rows, thread_id)


def thread_to_write(user: Any, thread_id: str) -> Thread:
    """The thread, for whoever may add to it or change its content. Raises NotFound."""
    return _get(Thread.objects.writable_by(user).select_related("owner"), thread_id)


def own_thread(user: Any, thread_id: str) -> Thread:
    """The thread, for its owner alone. Raises NotFound."""
    return _get(Thread.objects.owned_by(user), thread_id)


def deleted_thread(user: Any, thread_id: str) -> Thread:
    """A thread that its owner has deleted and may still have back. Raises NotFound."""
    return _get(Thread.objects.deleted_by(user), thread_id)


def level(user: Any, thread: Thread) -> str:
    """What the user may do in the thread: "own", "write", "read", or nothing."""
    return sharing.level(thread, user.pk)


def may_write(user: Any, thread: Thread | None) -> bool:
    """Whether the user may add to this thread; None is one that is not yet made."""
    return thread is None or sharing.level(thread, user.pk) in ("own", "write")


def levels(asked: Collection[tuple[int, str]]) -> dict[tuple[int, str], str]:
    """What each of these users may do in each thread now: "own", "write", "read" or
    nothing. One query."""
    known = Thread.objects.only(
        "owner_id", "shared", "erased_at", "deleted_at"
    ).in_bulk({thread_id for _, thread_id in asked})
    return {
        (user_id, thread_id): sharing.level(known.get(thread_id), user_id)
        for user_id, thread_id in asked
    }


def run(user: Any, run_id: str) -> Run:
    """The run, for whoever may see its thread. Raises NotFound."""
    return _get(Run.objects.visible_to(user).select_related("thread"), run_id)


def run_to_act(user: Any, run_id: str) -> Run:
    """The run, for whoever may stop it, retry it or answer its calls. Raises NotFound."""
    return _get(Run.objects.writable_by(user).select_related("thread"), run_id)


def message(user: Any, message_id: str) -> Message:
    """The message, for whoever may see its thread. Raises NotFound."""
    return _get(Message.objects.visible_to(user).select_related("thread"), message_id)


def message_to_change(user: Any, message_id: str) -> Message:
    """The message, for whoever may write in its thread. Raises NotFound."""
    return _get(Message.objects.writable_by(user).select_related("thread"), message_id)


def queued_message(user: Any, message_id: str) -> QueuedMessage:
    """The waiting message, for its author while he may write there. Raises NotFound."""
    own = QueuedMessage.objects.filter(author=user)
    found = _get(own.select_related("thread", "author"), message_id)
    thread_to_write(user, found.thread_id)
    return found


def assistant(user: Any, assistant_id: str) -> Assistant:
    """The assistant, for its owner, or everybody if shared. Raises NotFound."""
    visible = Assistant.objects.visible_to(user).select_related("owner")
    return _get(visible, assistant_id)


def assistant_to_change(user: Any, assistant_id: str) -> Assistant:
    """The assistant, for whoever may change and delete it. Raises NotFound."""
    found = assistant(user, assistant_id)
    if not may_change_assistant(user, found):
        raise NotFound(f"No assistant found with id '{assistant_id}'.")
    return found


def may_change_assistant(user: Any, found: Assistant) -> bool:
    """Its owner may, and of the team's those who may change the team's."""
    if found.owner_id is None:
        return may_change_team(user)
    return bool(found.owner_id == user.pk)


def prompt(user: Any, prompt_id: str) -> Prompt:
    """The prompt, for its owner, or everybody if shared. Raises NotFound."""
    return _get(Prompt.objects.visible_to(user).select_related("owner"), prompt_id)


def prompt_to_change(user: Any, prompt_id: str) -> Prompt:
    """The prompt, for its owner. Raises NotFound."""
    return _get(Prompt.objects.filter(owner=user).select_related("owner"), prompt_id)


def share_link(user: Any, link_id: str) -> ShareLink:
    """The link, for the owner of its thread. Raises NotFound."""
    own = ShareLink.objects.filter(sharing.owned_by(user, "thread__"))
    return _get(own.select_related("thread"), link_id)


def api_key(user: Any, key_id: str) -> ApiKey:
    """The key, for its owner. Raises NotFound."""
    return _get(ApiKey.objects.filter(owner=user), key_id)


def file(user: Any, file_id: str) -> File:
    """The file, for its owner and whoever may see a thread that has it, until it
    expires. Raises NotFound."""
    return _get(File.objects.visible_to(user), file_id)


def own_file(user: Any, file_id: str) -> File:
    """The file, for its owner alone. Raises NotFound."""
    return _get(File.objects.owned_by(user), file_id)


def files(user: Any, file_ids: Iterable[str]) -> list[File]:
    """These files, all of them the user's, each once, in order. Raises NotFound."""
    wanted = dict.fromkeys(file_ids)
    if not wanted or any("\0" in key for key in wanted):
        found: dict[str, File] = {}
    else:
        found = File.objects.owned_by(user).in_bulk(list(wanted))
    for missing in wanted.keys() - found.keys():
        raise NotFound(f"No file found with id '{missing}'.")
    return [found[key] for key in wanted]


# The same for addresses that name an object by what it is in: it must be in there.


def message_of(user: Any, thread_id: str, message_id: str) -> Message:
    """A message of this thread. Raises NotFound."""
    visible = Message.objects.visible_to(user).select_related("thread")
    with _or_without(lambda: thread(user, thread_id)):
        return _get(visible, message_id, thread=thread_id)


def message_of_to_change(user: Any, thread_id: str, message_id: str) -> Message:
    """A message of this thread, for whoever may write in it. Raises NotFound."""
    found = Message.objects.writable_by(user).select_related("thread")
    with _or_without(lambda: thread_to_write(user, thread_id)):
        return _get(found, message_id, thread=thread_id)


def run_of(user: Any, thread_id: str, run_id: str) -> Run:
    """A run of this thread, with its setup. Raises NotFound."""
    visible = Run.objects.visible_to(user).select_related("thread", "setup")
    with _or_without(lambda: thread(user, thread_id)):
        return _get(visible, run_id, thread=thread_id)


def run_of_to_act(user: Any, thread_id: str, run_id: str) -> Run:
    """A run of this thread, for whoever may write in it. Raises NotFound."""
    found = Run.objects.writable_by(user).select_related("thread", "setup")
    with _or_without(lambda: thread_to_write(user, thread_id)):
        return _get(found, run_id, thread=thread_id)


def step_of(user: Any, thread_id: str, run_id: str, step_id: str) -> RunStep:
    """A step of this run of this thread. Raises NotFound."""
    seen = sharing.visible_to(user, "run__thread__")
    visible = RunStep.objects.filter(seen).select_related("run")
    with _or_without(lambda: run_of(user, thread_id, run_id)):
        return _get(visible, step_id, run=run_id, run__thread=thread_id)


@contextmanager
def _or_without(find_outer: Callable[[], object]) -> Iterator[None]:
    """Where the inner object is not found, it may be that the outer one is not."""
    try:
        yield
    except NotFound:
        find_outer()
        raise


def may_change_team(user: Any) -> bool:
    """Whether the user may change assistants that belong to everybody."""
    return bool(user.is_active and user.is_staff)


def may_see_history(user: Any) -> bool:
    """Whether the user may inspect everybody's runs."""
    return bool(user.is_active and user.is_staff)


def _get(rows: models.QuerySet[Row], key: str, **within: str) -> Row:
    try:
        if not any("\0" in one for one in (key, *within.values())):
            return rows.get(pk=key, **within)
    except ObjectDoesNotExist:
        pass
    raise NotFound(f"No {rows.model._meta.verbose_name} found with id '{key}'.")
