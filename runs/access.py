"""Who may see and do what: one function per kind of object, used by every door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.http import Http404

from runs.models import ApiKey, Assistant, File, Message, Run, RunStep, Thread

Row = TypeVar("Row", bound=models.Model)


class NotFound(Http404):
    """There is no such object, or it is not this user's: the answer is the same."""


def thread(user: Any, thread_id: str) -> Thread:
    """The thread, for its owner. Raises NotFound."""
    return _get(Thread.objects.visible_to(user).select_related("assistant"), thread_id)


def thread_to_write(user: Any, thread_id: str) -> Thread:
    """The thread, for whoever may add to it or change its content. Raises NotFound."""
    return own_thread(user, thread_id)


def own_thread(user: Any, thread_id: str) -> Thread:
    """The thread, for its owner alone. Raises NotFound."""
    return _get(Thread.objects.kept().filter(owner=user), thread_id)


def deleted_thread(user: Any, thread_id: str) -> Thread:
    """A thread that its owner has deleted and may still have back. Raises NotFound."""
    own = Thread.objects.filter(owner=user, deleted_at__isnull=False)
    return _get(own, thread_id)


def run(user: Any, run_id: str) -> Run:
    """The run, for whoever may see its thread. Raises NotFound."""
    return _get(Run.objects.visible_to(user).select_related("thread"), run_id)


def run_to_act(user: Any, run_id: str) -> Run:
    """The run, for whoever may stop it, retry it or answer its calls. Raises NotFound."""
    own = Run.objects.filter(thread__owner=user, thread__deleted_at=None)
    return _get(own.select_related("thread"), run_id)


def message(user: Any, message_id: str) -> Message:
    """The message, for whoever may see its thread. Raises NotFound."""
    visible = Message.objects.visible_to(user)
    return _get(visible.select_related("thread"), message_id)


def message_to_change(user: Any, message_id: str) -> Message:
    """The message, for whoever may write in its thread. Raises NotFound."""
    own = Message.objects.filter(thread__owner=user, thread__deleted_at=None)
    return _get(own.select_related("thread"), message_id)


def assistant(user: Any, assistant_id: str) -> Assistant:
    """The assistant, for the team or its owner. Raises NotFound."""
    return _get(Assistant.objects.visible_to(user), assistant_id)


def api_key(user: Any, key_id: str) -> ApiKey:
    """The key, for its owner. Raises NotFound."""
    return _get(ApiKey.objects.filter(owner=user), key_id)


def file(user: Any, file_id: str) -> File:
    """The file, for its owner, until it expires. Raises NotFound."""
    return _get(File.objects.visible_to(user), file_id)


def files(user: Any, file_ids: Iterable[str]) -> None:
    """Whether all of these files are the user's. Raises NotFound."""
    wanted = dict.fromkeys(file_ids)
    rows = File.objects.visible_to(user).filter(pk__in=wanted)
    for missing in wanted.keys() - set(rows.values_list("pk", flat=True)):
        raise NotFound(f"No file found with id '{missing}'.")


# The same for addresses that name an object by what it is in: it must be in there.


def message_of(user: Any, thread_id: str, message_id: str) -> Message:
    """A message of this thread. Raises NotFound."""
    visible = Message.objects.visible_to(user).select_related("thread")
    with _or_without(lambda: thread(user, thread_id)):
        return _get(visible, message_id, thread=thread_id)


def run_of(user: Any, thread_id: str, run_id: str) -> Run:
    """A run of this thread, with its setup. Raises NotFound."""
    visible = Run.objects.visible_to(user).select_related("thread", "setup")
    with _or_without(lambda: thread(user, thread_id)):
        return _get(visible, run_id, thread=thread_id)


def step_of(user: Any, thread_id: str, run_id: str, step_id: str) -> RunStep:
    """A step of this run of this thread. Raises NotFound."""
    visible = RunStep.objects.filter(
        run__thread__owner=user, run__thread__deleted_at=None
    ).select_related("run")
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
