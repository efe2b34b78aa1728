"""Columns that every model shares."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from runs.ids import new_id


class IdField(models.CharField):  # type: ignore[type-arg]
    """A public id as primary key, compared bytewise so that new ones append.

    SQLite compares bytewise by default; PostgreSQL needs the collation named.
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

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "postgresql":
            parameters["collation"] = "C"
        return parameters


def without_nul(value: Any) -> Any:
    """The same text, list or mapping without NUL, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return value.replace("\0", "") if "\0" in value else value
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    return value
