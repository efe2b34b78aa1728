"""Full-text search in the threads that a person may see, newest first.

PostgreSQL has an index over an expression, SQLite a table that triggers keep; both find
words whole, whatever their case, and the last one by its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from runs.models import Message, Thread, User
from runs.search import postgresql, sqlite
from runs.search.words import Piece, excerpt, hits, words_of

__all__ = ["Found", "Piece", "excerpt", "find", "hits", "threads", "words_of"]

PAGE = 20


@dataclass(frozen=True, kw_only=True)
class Found:
    """A page of messages with their threads; `more` is the next cursor."""

    messages: list[Message]
    more: str = ""


def find(user: User, text: str, *, cursor: str = "", most: int = PAGE) -> Found:
    """Messages on the shown path with all the words. Two queries, or none."""
    words = words_of(text)
    if not words:
        return Found(messages=[])
    look = postgresql.look if connection.vendor == "postgresql" else sqlite.look
    visible = Thread.objects.searched_by(user)
    places = look(words, visible, cursor, most + 1)
    shown = dict(places[:most])
    rows = Message.objects.select_related("thread").in_bulk(list(shown))
    messages = [rows[key] for key in shown if key in rows]
    more = places[most - 1][1] if len(places) > most else ""
    return Found(messages=messages, more=more)


def threads(user: User, text: str, *, most: int) -> QuerySet[Thread]:
    """Threads with all the words in their titles, newest first; all without words."""
    rows = Thread.objects.searched_by(user).newest_first()
    for word in words_of(text):
        # A regular expression, because SQLite's LIKE knows the case of ASCII alone.
        rows = rows.filter(title__iregex=word)
    return rows.defer("metadata", "tool_resources")[:most]
