from __future__ import annotations

from django.db import migrations, models

from runs.migrations._online import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False  # and nothing else in here, so that it can be tried again
    dependencies = [("runs", "0016_files")]
    operations = [
        AddIndexOnline(
            model_name="file",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False)),
                fields=["expires_at"],
                name="file_by_expiry",
            ),
        ),
    ]
