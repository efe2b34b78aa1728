"""The indexes for full-text search on PostgreSQL. With SQLite, see runs/search/sqlite.py."""

from __future__ import annotations

from typing import Any

from django.db.migrations import Migration as BaseMigration
from django.db.migrations.operations.base import Operation

# tsvectors end at 1 MB; so many characters never make more, whatever they are.
LONGEST = 200_000
# Between words, as in SQLite's index. The parser of PostgreSQL would else take addresses,
# paths and numbers with signs for words.
BLANKS = "!\"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~"

# COST: it must never be computed for every row of a table, as the planner might like to.
FUNCTION = f"""
    CREATE OR REPLACE FUNCTION runs_search(content jsonb) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 1000 AS $$
        SELECT to_tsvector('pg_catalog.simple', translate(left(
            string_agg(coalesce(part #>> '{{text,value}}', part ->> 'refusal'), ' '),
            {LONGEST}), '{BLANKS}', '{" " * (len(BLANKS) - 1)}'))
        FROM jsonb_array_elements(content) AS part
    $$
"""
# A short list of what is not yet in the index proper: it is read at every search.
INDEX = """
    CREATE INDEX CONCURRENTLY message_search ON runs_message
    USING gin (runs_search(content)) WITH (gin_pending_list_limit = 512)
"""
# The newest messages, which are looked at first.
BY_TIME = """
    CREATE INDEX CONCURRENTLY message_by_time ON runs_message (created_at DESC, id DESC)
"""
DROP_INDEX = "DROP INDEX CONCURRENTLY IF EXISTS message_search"
DROP_BY_TIME = "DROP INDEX CONCURRENTLY IF EXISTS message_by_time"
DROP_FUNCTION = "DROP FUNCTION IF EXISTS runs_search(jsonb)"


class BuildSearch(Operation):
    """Makes the function and, without blocking writes, the indexes."""

    reversible = True

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The models do not know of it."""

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for statement in (DROP_INDEX, DROP_BY_TIME, FUNCTION, INDEX, BY_TIME):
                schema_editor.execute(statement, params=None)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            for statement in (DROP_INDEX, DROP_BY_TIME, DROP_FUNCTION):
                schema_editor.execute(statement, params=None)

    def describe(self) -> str:
        return "Build the indexes for full-text search"


class Migration(BaseMigration):
    atomic = False  # and nothing else in here, so that it can be tried again
    dependencies = [("runs", "0014_thread_indexes")]
    operations = [BuildSearch()]
