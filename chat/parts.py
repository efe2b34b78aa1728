"""Which messages of a thread a page shows: the latest, or those around some place.

A part begins with a question and ends before one, so that no answer is cut in two.
"""

from __future__ import annotations

from dataclasses import dataclass

from runs.models import Message, MessageRole, Thread
from runs.models.threads import MessageQuerySet

PAGE = 60  # messages in one part


@dataclass(frozen=True, kw_only=True)
class Place:
    """Message numbers, one at most: before or after which, or around which."""

    before: int | None = None
    after: int | None = None
    at: int | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """Messages, oldest first, and the numbers to page from where there are more."""

    messages: list[Message]
    earlier: int | None = None
    later: int | None = None


def part_of(thread: Thread, place: Place) -> Part:
    """The messages of this place: one query, or two around a message."""
    shown = Message.objects.shown(thread)
    if place.at is not None:
        return _around(shown, place.at)
    if place.after is not None:
        messages, later = _forwards(shown.filter(number__gt=place.after), PAGE)
        return Part(messages=messages, later=later)
    if place.before is not None:
        shown = shown.filter(number__lt=place.before)
    messages, earlier = _backwards(shown, PAGE)
    return Part(messages=messages, earlier=earlier)


def _around(shown: MessageQuerySet, number: int) -> Part:
    older, earlier = _backwards(shown.filter(number__lt=number), PAGE // 2)
    newer, later = _forwards(shown.filter(number__gte=number), PAGE // 2)
    return Part(messages=[*older, *newer], earlier=earlier, later=later)


def _backwards(rows: MessageQuerySet, most: int) -> tuple[list[Message], int | None]:
    """The last messages, and the number of the first where more come before it."""
    messages = list(rows.order_by("-number")[: most + 1])[::-1]
    if len(messages) <= most:
        return messages, None
    questions = (i for i, row in enumerate(messages) if i and _is_question(row))
    first = next(questions, 1)
    return messages[first:], messages[first].number


def _forwards(rows: MessageQuerySet, most: int) -> tuple[list[Message], int | None]:
    """The first messages, and the number of the last where more come after it."""
    messages = list(rows[: most + 1])
    if len(messages) <= most:
        return messages, None
    questions = (i for i in range(most, 0, -1) if _is_question(messages[i]))
    end = next(questions, most)
    return messages[:end], messages[end - 1].number


def _is_question(message: Message) -> bool:
    return message.role == MessageRole.USER
