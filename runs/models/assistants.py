"""Assistants: whom a person chats with."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from runs.models.fields import IdField

DEFAULT_ID = "asst_default"


class AssistantQuerySet(models.QuerySet["Assistant"]):
    def visible_to(self, user: Any) -> AssistantQuerySet:
        """Those the user may talk to: the team's and the user's own."""
        return self.filter(Q(owner=None) | Q(owner=user))

    def default(self) -> Assistant:
        """The assistant a new thread starts with; made when first asked for."""
        assistant, _ = self.get_or_create(
            pk=DEFAULT_ID, defaults={"name": "Assistant", "owner": None}
        )
        return assistant


class Assistant(models.Model):
    """Name, instructions, model, tools and parameters of one assistant.

    No owner means that it belongs to the team. An empty model or server means
    the default one, so that the default assistant follows the configuration.
    """

    id = IdField("asst")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    name = models.CharField(max_length=256, blank=True)
    description = models.CharField(max_length=512, blank=True)
    model = models.CharField(max_length=200, blank=True)
    server = models.CharField("model server", max_length=100, blank=True)
    instructions = models.TextField(blank=True)
    tools = models.JSONField(default=list, blank=True)
    # Names of functions that the server executes; see runs.tools.
    server_tools = models.JSONField(default=list, db_default=[], blank=True)
    tool_resources = models.JSONField(default=dict, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    temperature = models.FloatField(null=True, blank=True)
    top_p = models.FloatField(null=True, blank=True)
    response_format = models.JSONField(null=True, blank=True)
    reasoning_effort = models.CharField(max_length=20, blank=True)

    objects = AssistantQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["owner", "-created_at", "-id"], name="assistant_by_owner"
            )
        ]

    def __str__(self) -> str:
        return self.name or self.pk
