from __future__ import annotations

from django.db import migrations, models

from runs.migrations._online import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False  # and nothing else in here, so that it can be tried again
    dependencies = [("runs", "0013_threads")]
    operations = [
        AddIndexOnline(
            model_name="thread",
            index=models.Index(
                condition=models.Q(("pinned_at__isnull", False)),
                fields=["owner", "-pinned_at"],
                name="thread_pinned",
            ),
        ),
        AddIndexOnline(
            model_name="thread",
            index=models.Index(
                condition=models.Q(("archived_at__isnull", False)),
                fields=["owner", "-last_activity_at", "-id"],
                name="thread_archived",
            ),
        ),
        AddIndexOnline(
            model_name="thread",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False)),
                fields=["deleted_at"],
                name="thread_deleted",
            ),
        ),
    ]
