"""Changed rows and new events of runs, written at once. Used by ``runs.events`` alone.

On PostgreSQL they are one statement, however many runs, rows and events: each table
takes its rows as one JSON text, which costs less than a parameter for each value.
Elsewhere the ORM writes the rows one by one.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection, models
from django.db.models.expressions import DatabaseDefault

LOG = "runs_runevent"
# Columns that the JSON of a row lacks stay as they are. The limit tells how few rows there
# are, so that no plan reads the whole table for them.
UPDATE = """
    UPDATE {table} AS old SET ({columns}) = (
        SELECT {columns} FROM jsonb_populate_record(old, new.row)
    ) FROM (
        SELECT row FROM jsonb_array_elements(%s::jsonb) AS each (row) LIMIT {count}
    ) AS new WHERE old.id = new.row ->> 'id'
"""
INSERT = """
    INSERT INTO {table} ({columns})
    SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb)
"""


class Logged(NamedTuple):
    """A new entry of a log."""

    run_id: str
    seq: int
    attempt: int
    type: str
    data: dict[str, Any]
    created_at: dt.datetime


INSERT_VALUES = """
    INSERT INTO runs_runevent (run_id, seq, attempt, type, data, created_at)
    VALUES (%s, %s, %s, %s, %s, %s)
"""


@dataclass(slots=True)
class Change:
    """A row to write: these fields of it, or all where it is new."""

    row: models.Model
    fields: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Column and value, with the key; what the database fills in is left to it."""
        values = {
            str(field.column): getattr(self.row, field.attname)
            for field in self.row._meta.concrete_fields
            if not self.fields or field.primary_key or field.attname in self.fields
        }
        return {k: v for k, v in values.items() if not isinstance(v, DatabaseDefault)}


def store(changes: Sequence[Change], entries: Sequence[Logged]) -> None:
    """Write them, inside a transaction. Who calls it holds the locks of the runs."""
    if connection.vendor == "postgresql":
        _store_together(changes, entries)
    else:
        _store_each(changes, entries)


def _store_together(changes: Iterable[Change], entries: Iterable[Logged]) -> None:
    """In no order: foreign keys are looked at when the transaction is committed."""
    given: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for change in changes:
        statement = UPDATE if change.fields else INSERT
        given[statement, change.row._meta.db_table].append(change.as_json())
    given[INSERT, LOG] = [entry._asdict() for entry in entries]
    *others, last = [
        statement.format(
            table=table, columns=_columns(rows, statement), count=len(rows)
        )
        for (statement, table), rows in given.items()
    ]
    parts = ", ".join(f"part{n} AS ({part})" for n, part in enumerate(others))
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH {parts} {last}" if parts else last,
            [
                json.dumps(rows, ensure_ascii=False, default=str)
                for rows in given.values()
            ],
        )


def _columns(rows: Iterable[dict[str, Any]], statement: str) -> str:
    """Those that any of the rows has, as SQL; a key is given once and for all."""
    names = dict.fromkeys(name for row in rows for name in row)
    if statement == UPDATE:
        del names["id"]
    return ", ".join(map(connection.ops.quote_name, names))


def _store_each(changes: Iterable[Change], entries: Iterable[Logged]) -> None:
    for row, fields in ((change.row, change.fields) for change in changes):
        if fields:
            row.save(update_fields=fields)
        else:
            row.save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.executemany(INSERT_VALUES, list(map(_adapted, entries)))


def _adapted(entry: Logged) -> tuple[Any, ...]:
    moment = connection.ops.adapt_datetimefield_value(entry.created_at)
    data = json.dumps(entry.data, ensure_ascii=False)
    return *entry[:4], data, moment
