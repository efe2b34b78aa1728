"""Which workers there are, as they themselves say every few seconds."""

from __future__ import annotations

from django.db import models


class WorkerBeat(models.Model):
    """The last sign of life of one worker. The truth about runs stands in their leases;
    this is for people: the doctor and the admin."""

    name = models.CharField(primary_key=True, max_length=100)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    running = models.PositiveIntegerField()
    capacity = models.PositiveIntegerField()

    def __str__(self) -> str:
        return self.name
