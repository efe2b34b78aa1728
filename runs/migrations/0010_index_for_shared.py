from __future__ import annotations

from django.db import migrations, models

from runs.migrations._online import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False  # and nothing else in here, so that it can be tried again
    dependencies = [("runs", "0009_sharing")]
    operations = [
        AddIndexOnline(
            model_name="thread",
            index=models.Index(
                condition=models.Q(("shared", ""), _negated=True),
                fields=["-last_activity_at", "-id"],
                name="thread_shared",
            ),
        ),
    ]
