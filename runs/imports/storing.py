"""Objects into rows. A thread and its messages come in one transaction, so that a cut
leaves no half of a conversation; assistants come in one as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import DatabaseError, models, transaction
from django.db.models import Max

from runs.conversations import title_from
from runs.imports.reading import Found
from runs.imports.report import Report
from runs.imports.shapes import AssistantObject, MessageObject, ThreadObject
from runs.models import Assistant, Message, Thread, User

AT_ONCE = 500  # ids in one query, rows in one insert

Placed = Sequence[tuple[str, MessageObject]]


def store(
    found: Found, report: Report, *, owner: User | None, is_private: bool = False
) -> None:
    """Make what is not there yet, and count it in the report.

    Without an owner there are only assistants, the team's; with one they are the
    team's unless ``is_private``, and threads and messages are the owner's.
    """
    _store_assistants(found, report, owner if is_private else None)
    if owner is None:
        return
    threads: dict[str, tuple[str, ThreadObject]] = {}
    for place, thread in found.threads:
        if thread.id in threads:
            report.skipped["thread"] += 1
        threads.setdefault(thread.id, (place, thread))
    for key in [*threads, *(key for key in found.messages if key not in threads)]:
        placed = found.messages.get(key, [])
        _store_thread(key, threads.get(key), placed, owner, report)


def _store_assistants(found: Found, report: Report, owner: User | None) -> None:
    known = _known(Assistant, (one.id for _, one in found.assistants))
    fresh: dict[str, AssistantObject] = {}
    for _, one in found.assistants:
        if one.id in known or one.id in fresh:
            report.skipped["assistant"] += 1
        else:
            fresh[one.id] = one
    rows = [Assistant(owner=owner, **one.columns()) for one in fresh.values()]
    with transaction.atomic():
        Assistant.objects.bulk_create(rows, batch_size=AT_ONCE)
    report.made["assistant"] += len(rows)


def _store_thread(
    key: str,
    given: tuple[str, ThreadObject] | None,
    placed: Placed,
    owner: User,
    report: Report,
) -> None:
    """One thread with the messages that go into it, all or nothing."""
    place = given[0] if given else placed[0][0]
    try:
        with transaction.atomic():
            thread = Thread.objects.select_for_update().filter(pk=key).first()
            if reason := _reason_against(key, thread, given, owner):
                _refuse_all(reason, placed or [(place, None)], report)
                return
            fresh = _fresh(placed)
            is_new = thread is None
            thread = thread or _new_thread(given, fresh, owner)
            _append(thread, fresh, owner)
    except DatabaseError as error:
        report.refuse(place, f"the database does not take it: {error}.")
        return
    report.made["thread"] += is_new
    report.skipped["thread"] += given is not None and not is_new
    report.made["message"] += len(fresh)
    report.skipped["message"] += len(placed) - len(fresh)


def _reason_against(key: str, thread: Thread | None, given: Any, owner: User) -> str:
    """Why nothing can go into this thread; empty when it can."""
    if thread is None:
        return "" if given else f"its thread {key} is neither here nor in the files."
    if thread.owner_id != owner.pk:
        return f"thread {key} is there already and belongs to somebody else."
    if thread.deleted_at:
        return f"thread {key} has just been deleted."
    if thread.runs.active().exists():
        return f"an answer is being written in thread {key} now."
    return ""


def _refuse_all(reason: str, placed: Iterable[tuple[str, Any]], report: Report) -> None:
    for place, _ in placed:
        report.refuse(place, reason)


def _fresh(placed: Placed) -> list[MessageObject]:
    """The messages that are not there yet, oldest first."""
    known = _known(Message, (one.id for _, one in placed))
    fresh: dict[str, MessageObject] = {}
    for _, one in placed:
        if one.id not in known:
            fresh.setdefault(one.id, one)
    return sorted(fresh.values(), key=lambda one: one.created_at)


def _new_thread(given: Any, messages: list[MessageObject], owner: User) -> Thread:
    _, thread = given
    words = next((one.text for one in messages if one.role == "user"), "")
    return Thread.objects.create(
        **thread.model_dump(),
        owner=owner,
        title=title_from(words),
        last_activity_at=thread.created_at,
    )


def _append(thread: Thread, fresh: list[MessageObject], owner: User) -> None:
    """The messages at the end of the shown path, numbered on from what is there."""
    highest = thread.messages.aggregate(last=Max("number"))["last"] or 0
    parent = Message.objects.shown(thread).last()
    assistants = _known(Assistant, {one.assistant_id or "" for one in fresh})
    rows = []
    for number, one in enumerate(fresh, start=highest + 1):
        parent = Message(
            thread=thread,
            number=number,
            parent=parent,
            author=owner if one.role == "user" else None,
            assistant_id=one.assistant_id if one.assistant_id in assistants else None,
            **one.columns(),
        )
        rows.append(parent)
    Message.objects.bulk_create(rows, batch_size=AT_ONCE)
    if rows:
        _note_activity(thread, rows)


def _note_activity(thread: Thread, rows: list[Message]) -> None:
    """Where the thread stands in lists, and whom it goes on with."""
    thread.last_activity_at = max(thread.last_activity_at, rows[-1].created_at)
    spoke = [row.assistant_id for row in rows if row.assistant_id]
    thread.assistant_id = spoke[-1] if spoke else thread.assistant_id
    thread.save(update_fields=["last_activity_at", "assistant"])


def _known(model: type[models.Model], ids: Iterable[str]) -> set[str]:
    """Which of these ids there are rows of already."""
    wanted, known = list(ids), set[str]()
    for begin in range(0, len(wanted), AT_ONCE):
        some = wanted[begin : begin + AT_ONCE]
        known.update(
            model._default_manager.filter(pk__in=some).values_list("pk", flat=True)
        )
    return known
