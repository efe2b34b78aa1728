"""Which branch of a thread's messages is shown: the only writer of ``Message.on_path``.

The messages of a thread are a tree by ``parent``. Those marked ``on_path`` are one path
that begins at the root, each the parent of the next. Callers hold the thread's row lock.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection
from django.db.models import Case, Q, Value, When

from runs import doorbell
from runs.models import Message, MessageRole, Run, Thread

# One statement flips what differs. ``up`` walks from a message to the root; ``down`` from
# a message to its newest child, the newest child of that, and so on.
SHOW = """
    WITH RECURSIVE up (id, parent_id) AS (
        SELECT id, parent_id FROM runs_message WHERE id = %(up)s
        UNION ALL
        SELECT message.id, message.parent_id FROM runs_message message
            JOIN up ON message.id = up.parent_id
    ), down (id) AS (
        SELECT id FROM runs_message WHERE id = %(down)s
        UNION ALL
        SELECT (
            SELECT child.id FROM runs_message child WHERE child.parent_id = down.id
            ORDER BY child.number DESC LIMIT 1
        ) FROM down WHERE down.id IS NOT NULL
    ), path (id) AS (
        SELECT id FROM up UNION SELECT id FROM down WHERE id IS NOT NULL
    )
    UPDATE runs_message SET on_path = NOT on_path
    WHERE thread_id = %(thread)s AND on_path <> (id IN (SELECT id FROM path))
"""


def end_at(message: Message) -> None:
    """Show the path from the root to this message and nothing below it."""
    _show(message.thread, up=message.pk)


def show(message: Message) -> None:
    """Show the path from the root to this message and on to its newest descendants."""
    _show(message.thread, up=message.pk, down=message.pk)
    if message.run and message.run.answers_id:
        stand(message.run)


def show_answer(run: Run) -> None:
    """Show this one of the answers to its question.

    An answer without a message has no place in the tree: what was said after it follows
    the question itself.
    """
    if wrote := run.messages.order_by("number").first():
        show(wrote)
    elif question := run.answers:
        asked = question.children.filter(role=MessageRole.USER).order_by("number")
        after = asked.last()
        down = {"up": after.pk, "down": after.pk} if after else {"up": question.pk}
        _show(run.thread, **down)
        stand(run)


def stand(run: Run) -> None:
    """Mark which of the answers to its question a run is: the one that is shown."""
    rivals = Run.objects.filter(answers=run.answers_id)
    is_this = When(pk=run.pk, then=Value(value=True))
    rivals.update(on_path=Case(is_this, default=Value(value=False)))


def cut(thread: Thread, rows: Iterable[Message]) -> None:
    """Delete these messages; what came after each now follows what came before it.

    Where nothing that is shown came after, the newest of what else did is shown now.
    """
    for row in rows:
        row.refresh_from_db(fields=["parent"])
        row.children.update(parent=row.parent_id)
        row.delete()
    end = Message.objects.shown(thread).last()
    after = thread.messages.filter(parent=end).order_by("number").last()
    start = (after or end or Message()).pk
    _show(thread, up=start, down=start)


def said_in_answer(question: Message) -> list[Message]:
    """Every version of what was said in answer to a message, up to the next questions."""
    found: list[Message] = []
    level = [question]
    while level:
        is_answer = Q(parent__in=level, role=MessageRole.ASSISTANT)
        level = list(Message.objects.filter(is_answer))
        found += level
    return found


def _show(thread: Thread, *, up: str, down: str = "") -> None:
    with connection.cursor() as cursor:
        cursor.execute(SHOW, {"up": up, "down": down, "thread": thread.pk})
    doorbell.paths.ring({thread.pk: 0})


__all__ = ["cut", "end_at", "said_in_answer", "show", "show_answer", "stand"]
