"""Messages that wait for their turn in a thread."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from runs.models.fields import IdField
from runs.models.threads import Thread, part_text


class QueuedMessage(models.Model):
    """A message that is sent once the run before it has completed.

    Its row goes away when it is sent or taken back. ``number`` is its place in the line
    of its thread; content and attachments are as a Message has them.
    """

    id = IdField("queued")
    # The index of queued_message_place begins with it.
    thread = models.ForeignKey(
        Thread, models.CASCADE, related_name="queued_messages", db_index=False
    )
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    number = models.PositiveIntegerField()
    content = models.JSONField(default=list)
    attachments = models.JSONField(default=list)
    idempotency_key = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["thread", "number"], name="queued_message_place"
            ),
            models.UniqueConstraint(
                fields=["author", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="queued_message_once",
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]

    @property
    def text(self) -> str:
        parts: list[dict[str, Any]] = self.content
        return "\n\n".join(filter(None, map(part_text, parts)))
