from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
import runs.models.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runs", "0008_assistants"),
    ]

    operations = [
        migrations.CreateModel(
            name="Import",
            fields=[
                ("id", runs.models.fields.IdField(prefix="import", serialize=False)),
                (
                    "file",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="runs.file",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("filename", models.CharField(max_length=255)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("in_progress", "In Progress"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                        ],
                        default="queued",
                        max_length=12,
                    ),
                ),
                ("error", models.CharField(blank=True, max_length=300)),
                ("part_read", models.FloatField(default=0)),
                ("done", models.PositiveIntegerField(default=0)),
                ("threads_made", models.PositiveIntegerField(default=0)),
                ("threads_skipped", models.PositiveIntegerField(default=0)),
                ("messages_made", models.PositiveIntegerField(default=0)),
                ("left_out", models.JSONField(default=dict)),
                ("refused", models.JSONField(default=list)),
                ("refused_count", models.PositiveIntegerField(default=0)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("worker", models.CharField(blank=True, max_length=100)),
                ("lease_until", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="ShareLink",
            fields=[
                ("id", runs.models.fields.IdField(prefix="link", serialize=False)),
                (
                    "thread",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="links",
                        to="runs.thread",
                    ),
                ),
                ("title", models.CharField(blank=True, max_length=200)),
                ("messages", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("revoked_at", models.DateTimeField(null=True)),
                ("views", models.PositiveIntegerField(default=0)),
                ("seen_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="thread",
            name="erased_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="thread",
            name="is_temporary",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="thread",
            name="shared",
            field=models.CharField(
                blank=True,
                choices=[("", "private"), ("read", "Read"), ("write", "Write")],
                db_default="",
                default="",
                max_length=5,
            ),
        ),
        migrations.AddIndex(
            model_name="import",
            index=models.Index(fields=["owner", "-created_at"], name="import_by_owner"),
        ),
        migrations.AddIndex(
            model_name="import",
            index=models.Index(
                condition=models.Q(("status__in", ("queued", "in_progress"))),
                fields=["created_at"],
                name="import_under_way",
            ),
        ),
        migrations.AddConstraint(
            model_name="import",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ("queued", "in_progress"))),
                fields=("owner",),
                name="one_import_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="import",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["queued", "in_progress", "completed", "failed"])
                ),
                name="import_status",
            ),
        ),
        migrations.AddIndex(
            model_name="sharelink",
            index=models.Index(fields=["thread", "-created_at"], name="link_by_thread"),
        ),
        migrations.AddIndex(
            model_name="sharelink",
            index=models.Index(fields=["expires_at"], name="link_by_expiry"),
        ),
    ]
