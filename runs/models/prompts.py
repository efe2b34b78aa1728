"""Prompts: texts that people keep to be asked again, each under a short name."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from runs.models.fields import IdField


class PromptQuerySet(models.QuerySet["Prompt"]):
    def visible_to(self, user: Any) -> PromptQuerySet:
        """The user's own, and those that others share with the team."""
        return self.filter(Q(owner=user) | Q(is_shared=True))

    def by_name(self) -> PromptQuerySet:
        return self.order_by("name", "id")


class Prompt(models.Model):
    """A text to be put into the message box with ``/name``.

    ``{{words}}`` in it are places to be filled in.
    """

    id = IdField("prompt")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    name = models.CharField(max_length=64)
    text = models.TextField()
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    objects = PromptQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="prompt_name")
        ]
        indexes = [models.Index(fields=["name", "id"], name="prompt_by_name")]

    def __str__(self) -> str:
        return self.name
