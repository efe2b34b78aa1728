"""Columns that every model shares."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from runs.ids import new_id


class KeyField(models.CharField):  # type: ignore[type-arg]
    """A text as primary key, compared bytewise.

    SQLite compares bytewise by default; PostgreSQL needs the collation named.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """The type, by its long name on PostgreSQL.

        Django gives columns of a type that begins with "varchar" a second index, for
        LIKE; that also goes for foreign keys, which take their type from here. In the
        collation C the first index serves LIKE too, and the second would only cost.
        """
        name = super().db_type(connection)
        if connection.vendor == "postgresql" and name:
            return name.replace("varchar", "character varying")
        return name

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "postgresql":
            parameters["collation"] = "C"
        return parameters


class IdField(KeyField):
    """A public id as primary key; as they compare bytewise, new ones append.

    Imported objects keep their foreign ids, hence the generous length.
    """

    def __init__(self, prefix: str = "", **options: Any) -> None:
        self.prefix = prefix
        options.update(primary_key=True, max_length=64, editable=False)
        super().__init__(**options)

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        for implied in ("primary_key", "max_length", "editable"):
            options.pop(implied)
        return name, path, args, {**options, "prefix": self.prefix}

    def get_default(self) -> str:
        return new_id(self.prefix)

    def has_default(self) -> bool:
        return True


def without_nul(value: Any) -> Any:
    """The same text, list or mapping without NUL, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return value.replace("\0", "") if "\0" in value else value
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    return value
