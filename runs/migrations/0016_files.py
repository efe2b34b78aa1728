from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0015_search")]
    operations = [
        migrations.AddField(
            model_name="file",
            name="is_attachment",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="file",
            name="is_picture",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="file",
            name="tokens",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="file",
            name="width",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="file",
            name="height",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="warnings",
            field=models.JSONField(null=True),
        ),
        migrations.CreateModel(
            name="FileExtract",
            fields=[
                (
                    "file",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="extract",
                        serialize=False,
                        to="runs.file",
                    ),
                ),
                ("text", models.TextField(blank=True)),
                ("thumbnail", models.BinaryField(default=b"")),
            ],
        ),
        migrations.CreateModel(
            name="FileUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "file",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uses",
                        to="runs.file",
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uses",
                        to="runs.message",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("file", "message"), name="file_used_once"
                    )
                ],
            },
        ),
    ]
