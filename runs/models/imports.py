"""Conversations that people bring along from elsewhere, taken in by a worker."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from runs.models.fields import IdField


class ImportStatus(models.TextChoices):
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


UNDER_WAY = (ImportStatus.QUEUED, ImportStatus.IN_PROGRESS)


class Import(models.Model):
    """One uploaded export, and how far it is taken in.

    ``done`` counts the conversations that are dealt with, so that another worker can go
    on behind them. ``refused`` is a list of [place, reason], the first of them only.
    """

    id = IdField("import")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, db_index=False)
    file = models.ForeignKey("runs.File", models.SET_NULL, null=True)
    filename = models.CharField(max_length=255)
    status = models.CharField(
        max_length=12, choices=ImportStatus, default=ImportStatus.QUEUED
    )
    error = models.CharField(max_length=300, blank=True)
    part_read = models.FloatField(default=0)
    done = models.PositiveIntegerField(default=0)
    threads_made = models.PositiveIntegerField(default=0)
    threads_skipped = models.PositiveIntegerField(default=0)
    messages_made = models.PositiveIntegerField(default=0)
    left_out = models.JSONField(default=dict)
    refused = models.JSONField(default=list)
    refused_count = models.PositiveIntegerField(default=0)
    attempt = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner"],
                condition=Q(status__in=UNDER_WAY),
                name="one_import_at_a_time",
            ),
            models.CheckConstraint(
                condition=Q(status__in=ImportStatus.values), name="import_status"
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at"], name="import_by_owner"),
            models.Index(
                fields=["created_at"],
                condition=Q(status__in=UNDER_WAY),
                name="import_under_way",
            ),
        ]

    def __str__(self) -> str:
        return self.filename

    @property
    def is_under_way(self) -> bool:
        return self.status in UNDER_WAY
