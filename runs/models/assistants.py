"""Assistants: whom a person chats with."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from runs.models.fields import IdField

DEFAULT_ID, DEFAULT_NAME = "asst_default", "Assistant"
MOST_STARTERS, LONGEST_STARTER = 6, 300


class Colour(models.TextChoices):
    """Of an assistant's icon; static/css/assistants.css says what they look like."""

    TEAL = "teal", _("Teal")
    BLUE = "blue", _("Blue")
    VIOLET = "violet", _("Violet")
    ROSE = "rose", _("Rose")
    AMBER = "amber", _("Amber")
    GREEN = "green", _("Green")
    BROWN = "brown", _("Brown")
    SLATE = "slate", _("Slate")


class AssistantQuerySet(models.QuerySet["Assistant"]):
    def visible_to(self, user: Any) -> AssistantQuerySet:
        """Those the user may talk to: the team's, the user's own, and shared ones."""
        return self.filter(Q(owner=None) | Q(owner=user) | Q(is_shared=True))

    def newest_first(self) -> AssistantQuerySet:
        return self.order_by("-created_at", "-id")

    def default(self) -> Assistant:
        """The assistant a new thread starts with; made when first asked for."""
        assistant, _ = self.get_or_create(
            pk=DEFAULT_ID, defaults={"name": DEFAULT_NAME, "owner": None}
        )
        return assistant


class Assistant(models.Model):
    """Name, instructions, model, tools and parameters of one assistant.

    No owner means that it belongs to the team; ``is_shared`` that the team may use one
    that belongs to somebody. An empty model or server means the default one, so that the
    default assistant follows the configuration. ``starters`` are messages to begin with.
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
    starters = models.JSONField(default=list, db_default=[], blank=True)
    colour = models.CharField(
        max_length=10, choices=Colour, default=Colour.TEAL, db_default=Colour.TEAL
    )
    is_shared = models.BooleanField(
        "shared with the team", default=False, db_default=False
    )

    objects = AssistantQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["owner", "-created_at", "-id"], name="assistant_by_owner"
            )
        ]

    def __str__(self) -> str:
        """The default one is called in the reader's language until it is renamed."""
        if self.is_default and self.name == DEFAULT_NAME:
            return str(_("Assistant"))
        return self.name or self.pk

    @property
    def is_default(self) -> bool:
        return bool(self.pk == DEFAULT_ID)

    @property
    def letter(self) -> str:
        """What its icon shows."""
        return str(self).lstrip()[:1].upper() or "?"

    def is_visible_to_any(self, *user_ids: Any) -> bool:
        """``visible_to`` for a row at hand: whether one of these may talk to it."""
        return bool(self.is_shared or self.owner_id in (None, *user_ids))
