"""Indexes that only PostgreSQL has: metadata by content, events by age for retention."""

from __future__ import annotations

from typing import Any

from django.db import migrations

INDEXES = {
    "run_metadata": "ON runs_run USING gin (metadata jsonb_path_ops)",
    "event_by_age": "ON runs_runevent USING brin (created_at)",
}


def create(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for name, definition in INDEXES.items():
            schema_editor.execute(f"CREATE INDEX {name} {definition}")


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for name in INDEXES:
            schema_editor.execute(f"DROP INDEX {name}")


class Migration(migrations.Migration):
    dependencies = [("runs", "0001_initial")]
    operations = [migrations.RunPython(create, drop, elidable=False)]
