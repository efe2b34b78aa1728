from __future__ import annotations

from django.db import migrations, models

from runs.migrations._online import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False  # and nothing else in here, so that it can be tried again
    dependencies = [("runs", "0004_api")]
    operations = [
        AddIndexOnline(
            model_name="run",
            index=models.Index(
                condition=models.Q(("is_at_rest", False)),
                fields=["created_at"],
                name="run_not_at_rest",
            ),
        ),
    ]
