"""What people think of answers. Written only by runs.feedback."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

NOTE_LENGTH = 2_000


class Feedback(models.Model):
    """One person's thumb, up or down, on one run, with a note if they like."""

    # Without an index of its own: the constraint's begins with it.
    run = models.ForeignKey(
        "runs.Run", models.CASCADE, related_name="feedback", db_index=False
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    is_good = models.BooleanField()
    note = models.CharField(max_length=NOTE_LENGTH, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "user"], name="one_feedback_a_person"
            )
        ]

    def __str__(self) -> str:
        return "good" if self.is_good else "bad"
