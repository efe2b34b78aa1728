"""Search with SQLite: an FTS5 table without content of its own, kept by triggers.

The number of an entry is the time of its message, in milliseconds, and a place among
those of the same one; so the index gives the newest first, and VACUUM, which renumbers
the rows of tables without such a number, can't disturb it.

What is said in temporary threads never gets into the index, since words of deleted
entries stay in its file for a while. The triggers must not name the table of threads:
SQLite refuses to rename a table, as migrations do, while a trigger names one that is
away. So those threads stand in a table of their own.
"""

from __future__ import annotations

import re
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from runs.models import Thread
from runs.search.words import is_beginning

IN_ONE_MS = 1 << 20
TABLES = (
    """
    CREATE TABLE IF NOT EXISTS runs_search_entry (
        number INTEGER PRIMARY KEY, message TEXT NOT NULL UNIQUE, thread TEXT NOT NULL
    )
    """,
    """
    CREATE VIRTUAL TABLE IF NOT EXISTS runs_search
    USING fts5(text, content='', tokenize='unicode61 remove_diacritics 0')
    """,
    "CREATE TABLE IF NOT EXISTS runs_search_left_out (thread TEXT PRIMARY KEY)",
)
LEAVE_OUT = """
    INSERT OR IGNORE INTO runs_search_left_out
    SELECT id FROM runs_thread WHERE is_temporary
"""
TAKEN_IN = "new.thread_id NOT IN (SELECT thread FROM runs_search_left_out)"
TEXT = """(
    SELECT group_concat(coalesce(
        json_extract(part.value, '$.text.value'), json_extract(part.value, '$.refusal')
    ), ' ') FROM json_each({row}.content) AS part
)"""
FORGET = f"""
    INSERT INTO runs_search (runs_search, rowid, text)
    SELECT 'delete', entry.number, {TEXT.format(row="old")}
    FROM runs_search_entry AS entry WHERE entry.message = old.id
"""
FIRST = f"""
    CAST((julianday(new.created_at) - 2440587.5) * 86400000 AS INTEGER) * {IN_ONE_MS}
"""
NUMBER = f"""
    INSERT OR IGNORE INTO runs_search_entry (number, message, thread)
    SELECT coalesce(
        (SELECT max(number) + 1 FROM runs_search_entry
        WHERE number BETWEEN {FIRST} AND {FIRST} + {IN_ONE_MS - 1}), {FIRST}
    ), new.id, new.thread_id
"""
KEEP = f"""
    INSERT INTO runs_search (rowid, text)
    SELECT (SELECT number FROM runs_search_entry WHERE message = new.id),
        {TEXT.format(row="new")}
"""
OF_ONE = "FROM runs_message AS new WHERE new.id = %s"
TRIGGERS = {
    "runs_search_thread": """
    CREATE TRIGGER runs_search_thread AFTER INSERT ON runs_thread
    WHEN new.is_temporary BEGIN INSERT INTO runs_search_left_out VALUES (new.id); END
    """,
    "runs_search_added": f"""
    CREATE TRIGGER runs_search_added AFTER INSERT ON runs_message
    WHEN new.content <> '[]' AND {TAKEN_IN} BEGIN {NUMBER}; {KEEP}; END
    """,
    "runs_search_changed": f"""
    CREATE TRIGGER runs_search_changed AFTER UPDATE OF content ON runs_message
    WHEN new.content IS NOT old.content AND {TAKEN_IN}
    BEGIN {FORGET}; {NUMBER}; {KEEP}; END
    """,
    "runs_search_removed": f"""
    CREATE TRIGGER runs_search_removed BEFORE DELETE ON runs_message BEGIN
        {FORGET}; DELETE FROM runs_search_entry WHERE message = old.id;
    END
    """,
}
PRESENT = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
MISSING = f"""
    SELECT id FROM runs_message AS new WHERE content <> '[]' AND {TAKEN_IN}
    AND id NOT IN (SELECT message FROM runs_search_entry)
"""
# The word CROSS keeps the order: what matches comes from the index in the order wanted,
# and no more of it is read than fills the page.
LOOK = """
    SELECT entry.message, runs_search.rowid
    FROM runs_search
    CROSS JOIN runs_search_entry AS entry ON entry.number = runs_search.rowid
    CROSS JOIN runs_message AS message ON message.id = entry.message
    WHERE runs_search MATCH %s AND runs_search.rowid < %s
        AND entry.thread IN ({visible}) AND message.on_path
    ORDER BY runs_search.rowid DESC LIMIT %s
"""
LAST = 2**63 - 1


def install() -> None:
    """Make what is missing; to be called after migrations.

    A migration that makes the table of messages anew, which with SQLite most do, takes
    the triggers along. Messages that were stored without them are added.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(PRESENT)
        if TRIGGERS.keys() <= {name for (name,) in cursor.fetchall()}:
            return
        if not _has_threads(cursor):
            return
        for name in TRIGGERS:
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        for statement in (*TABLES, LEAVE_OUT, *TRIGGERS.values()):
            cursor.execute(statement)
        cursor.execute(MISSING)
        missing = cursor.fetchall()
        for statement in (NUMBER, KEEP):
            cursor.executemany(f"{statement} {OF_ONE}", missing)


def _has_threads(cursor: Any) -> bool:
    """Whether the tables are there and, after a migration to an older state, as needed."""
    tables = connection.introspection.table_names(cursor)
    if "runs_message" not in tables:
        return False
    columns = connection.introspection.get_table_description(cursor, "runs_thread")
    return "is_temporary" in {column.name for column in columns}


def look(
    words: list[str], visible: QuerySet[Thread], cursor: str, most: int
) -> list[tuple[str, str]]:
    """Ids of messages, each with the cursor behind it, newest first."""
    threads, values = visible.values("pk").query.sql_with_params()
    before = int(cursor) if re.fullmatch("[0-9]{1,18}|[1-8][0-9]{18}", cursor) else LAST
    with connection.cursor() as rows:
        rows.execute(
            LOOK.format(visible=threads), [_query(words), before, *values, most]
        )
        return [(key, str(number)) for key, number in rows.fetchall()]


def _query(words: list[str]) -> str:
    parts = [f'"{word}"' for word in words]
    if is_beginning(words[-1]):
        parts[-1] += "*"
    return " ".join(parts)
