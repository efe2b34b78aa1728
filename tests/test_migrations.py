"""Migrations run while the site is in use: old code must work on the new schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader

from runs.migrations._online import AddIndexOnline

pytestmark = pytest.mark.django_db

FIRST = ("0001_initial", "0002_postgresql_indexes")  # made before anybody used it


def later_operations() -> Iterator[tuple[Any, Any, Any]]:
    """Each migration after the first, with its operations and the state before them."""
    loader = MigrationLoader(connection)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app == "runs" and name not in FIRST:
            state = loader.project_state((app, name), at_end=False)
            for operation in migration.operations:
                yield migration, operation, state
                operation.state_forwards("runs", state)


def made_by(migration: Any) -> set[str]:
    """The models that a migration makes; nobody else uses them yet."""
    made = migrations.CreateModel
    return {o.name_lower for o in migration.operations if isinstance(o, made)}


def refusal(migration: Any, operation: Any, state: Any) -> str:
    """Why an operation would hurt those who are using the site; empty if it does not."""
    model = getattr(operation, "model_name_lower", "")
    if type(operation).__name__ == "BuildSearch":
        return ""  # concurrently, and old code does not know of it
    if isinstance(operation, migrations.CreateModel | AddIndexOnline):
        return ""
    if isinstance(operation, migrations.AddIndex | migrations.AddConstraint):
        return "" if model in made_by(migration) else "locks a table in use"
    if isinstance(operation, migrations.AddField):
        is_left_out = operation.field.null or operation.field.has_db_default()
        return "" if is_left_out else "old code would not fill this column"
    if isinstance(operation, migrations.AlterField):
        return changed_column(operation, state)
    return "not known to be harmless"


def changed_column(operation: Any, state: Any) -> str:
    model = state.apps.get_model("runs", operation.model_name)
    old = model._meta.get_field(operation.name)
    new = operation.field.clone()
    new.set_attributes_from_name(operation.name)
    editor: Any = connection.schema_editor()
    is_changed = editor._field_should_be_altered(old, new)
    return "changes a column in use" if is_changed else ""


def test_old_code_works_on_the_schema_of_new_code() -> None:
    refused = {
        f"{migration.name}: {operation.describe()}": why
        for migration, operation, state in later_operations()
        if (why := refusal(migration, operation, state))
    }
    assert refused == {}


def test_the_rule_finds_a_column_that_old_code_would_not_fill() -> None:
    bad = migrations.AddField("run", "colour", models.CharField(max_length=9))
    migration, _, state = next(later_operations())
    assert refusal(migration, bad, state) == "old code would not fill this column"
