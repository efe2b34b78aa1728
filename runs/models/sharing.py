"""Who else may see a thread: the team, or whoever has a link to a frozen copy of it.

The rules stand here alone, as conditions of queries and as questions to one row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from runs.models.fields import IdField

if TYPE_CHECKING:
    from runs.models.threads import Thread


class Shared(models.TextChoices):
    """What the team may do with a thread."""

    PRIVATE = "", "private"
    READ = "read"
    WRITE = "write"


TO_READ = (Shared.READ, Shared.WRITE)
TO_WRITE = (Shared.WRITE,)


def kept(at: str = "") -> Q:
    """Rows of threads that are there for somebody: neither deleted nor erased.

    ``at`` leads from the rows to their thread.
    """
    return Q(**{f"{at}erased_at": None, f"{at}deleted_at": None})


def owned_by(user: Any, at: str = "") -> Q:
    """Rows of the user's own threads."""
    return kept(at) & Q(**{f"{at}owner": user})


def visible_to(user: Any, at: str = "") -> Q:
    """Rows of threads that the user may read."""
    return owned_by(user, at) | _shared(TO_READ, at)


def writable_by(user: Any, at: str = "") -> Q:
    """Rows of threads that the user may add to and change."""
    return owned_by(user, at) | _shared(TO_WRITE, at)


def level(thread: Thread | None, user_id: int) -> str:
    """What this user may do in the thread: "own", "write", "read", or nothing."""
    if thread is None or thread.erased_at or thread.deleted_at:
        return ""
    return "own" if thread.owner_id == user_id else thread.shared


def _shared(levels: tuple[Shared, ...], at: str) -> Q:
    return kept(at) & Q(**{f"{at}shared__in": levels})


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    def alive(self) -> ShareLinkQuerySet:
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())


class ShareLink(models.Model):
    """A copy of a thread as it was, for whoever has its address.

    ``messages`` is a list of {"role", "name", "at", "parts"}, where a part is
    {"text"} or {"left_out"}; it is emptied when the link is revoked.
    """

    id = IdField("link")
    thread = models.ForeignKey(
        "runs.Thread", models.CASCADE, related_name="links", db_index=False
    )
    title = models.CharField(max_length=200, blank=True)
    messages = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    views = models.PositiveIntegerField(default=0)
    seen_at = models.DateTimeField(null=True)

    objects = ShareLinkQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["thread", "-created_at"], name="link_by_thread"),
            models.Index(fields=["expires_at"], name="link_by_expiry"),
        ]

    def __str__(self) -> str:
        return self.title or self.pk

    @property
    def state(self) -> str:
        if self.revoked_at:
            return "revoked"
        return "active" if self.expires_at > timezone.now() else "expired"
