"""Threads and their messages: a tree whose shown branch is marked on the rows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from runs.models import sharing
from runs.models.fields import IdField
from runs.models.sharing import Shared


class TitledBy(models.TextChoices):
    """Where a title comes from; what a person wrote is never replaced."""

    WORDS = "words", "first words of the first message"
    MODEL = "model"
    PERSON = "person"


class ThreadQuerySet(models.QuerySet["Thread"]):
    def kept(self) -> ThreadQuerySet:
        """Neither deleted nor erased."""
        return self.filter(sharing.kept())

    def deleted_by(self, user: Any) -> ThreadQuerySet:
        """The user's own that were deleted and are still there for Undo."""
        return self.filter(owner=user, erased_at=None, deleted_at__isnull=False)

    def visible_to(self, user: Any) -> ThreadQuerySet:
        """The user's own, and what others share with the team."""
        return self.filter(sharing.visible_to(user))

    def writable_by(self, user: Any) -> ThreadQuerySet:
        return self.filter(sharing.writable_by(user))

    def owned_by(self, user: Any) -> ThreadQuerySet:
        return self.filter(sharing.owned_by(user))

    def listed_for(self, user: Any) -> ThreadQuerySet:
        """The user's own that lists show: no temporary ones."""
        return self.owned_by(user).filter(is_temporary=False)

    def searched_by(self, user: Any) -> ThreadQuerySet:
        """All that the user may read, but no temporary ones."""
        return self.visible_to(user).filter(is_temporary=False)

    def shared_with_team(self) -> ThreadQuerySet:
        return self.exclude(shared=Shared.PRIVATE)

    def newest_first(self) -> ThreadQuerySet:
        return self.order_by("-last_activity_at", "-id")


class Thread(models.Model):
    """A conversation."""

    id = IdField("thread")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    assistant = models.ForeignKey(
        "runs.Assistant", models.SET_NULL, null=True, blank=True
    )
    title = models.CharField(max_length=200, blank=True)
    titled_by = models.CharField(
        max_length=6,
        choices=TitledBy,
        default=TitledBy.WORDS,
        db_default=TitledBy.WORDS,
    )
    created_at = models.DateTimeField(default=timezone.now)
    last_activity_at = models.DateTimeField(default=timezone.now)
    # When a run last ended, whichever way; newer than what a person has seen: unread.
    answered_at = models.DateTimeField(null=True, editable=False)
    pinned_at = models.DateTimeField(null=True, editable=False)
    archived_at = models.DateTimeField(null=True, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)
    metadata = models.JSONField(default=dict, blank=True)
    tool_resources = models.JSONField(default=dict, blank=True)
    # What runs in this thread are told in place of the assistant's; see runs.overrides.
    parameters = models.JSONField(default=dict, db_default={}, blank=True)
    shared = models.CharField(
        max_length=5, choices=Shared, default=Shared.PRIVATE, db_default="", blank=True
    )
    # A temporary thread's content is erased; the empty row stays for its runs.
    is_temporary = models.BooleanField(default=False, db_default=False)
    erased_at = models.DateTimeField(null=True, editable=False)

    objects = ThreadQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["owner", "-last_activity_at", "-id"], name="thread_by_activity"
            ),
            models.Index(
                fields=["owner", "-created_at", "-id"], name="thread_by_creation"
            ),
            models.Index(
                fields=["-last_activity_at", "-id"],
                condition=~Q(shared=""),
                name="thread_shared",
            ),
            models.Index(
                fields=["last_activity_at"],
                condition=Q(is_temporary=True, erased_at=None),
                name="thread_temporary",
            ),
            models.Index(
                fields=["owner", "-pinned_at"],
                condition=Q(pinned_at__isnull=False),
                name="thread_pinned",
            ),
            models.Index(
                fields=["owner", "-last_activity_at", "-id"],
                condition=Q(archived_at__isnull=False),
                name="thread_archived",
            ),
            models.Index(
                fields=["deleted_at"],
                condition=Q(deleted_at__isnull=False),
                name="thread_deleted",
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.pk

    def get_absolute_url(self) -> str:
        return f"/t/{self.pk}"


class ThreadSeen(models.Model):
    """How far a person has seen a thread: all runs that ended up to this time."""

    pk = models.CompositePrimaryKey("thread_id", "user_id")
    thread = models.ForeignKey(Thread, models.CASCADE, db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.thread_id} {self.user_id}"


class MessageRole(models.TextChoices):
    USER = "user"
    ASSISTANT = "assistant"


class MessageStatus(models.TextChoices):
    IN_PROGRESS = "in_progress"
    INCOMPLETE = "incomplete"
    COMPLETED = "completed"


class MessageQuerySet(models.QuerySet["Message"]):
    def visible_to(self, user: Any) -> MessageQuerySet:
        return self.filter(sharing.visible_to(user, "thread__"))

    def writable_by(self, user: Any) -> MessageQuerySet:
        return self.filter(sharing.writable_by(user, "thread__"))

    def shown(self, thread: Thread) -> MessageQuerySet:
        """The branch of the thread that is shown, oldest first."""
        return self.filter(thread=thread, on_path=True).order_by("number")


class Message(models.Model):
    """A row in a thread.

    ``number`` is 1..n in the thread in order of creation, so a parent's number is
    below its child's. ``content`` is a list of parts in the protocol's shape and
    stays empty while the message is in progress: until then the text is in the log.
    """

    id = IdField("msg")
    # The index of message_number begins with it, and serves the shown branch too.
    thread = models.ForeignKey(
        Thread, models.CASCADE, related_name="messages", db_index=False
    )
    number = models.PositiveIntegerField()
    parent = models.ForeignKey(
        "self", models.CASCADE, null=True, related_name="children"
    )
    on_path = models.BooleanField(default=True)
    role = models.CharField(max_length=10, choices=MessageRole)
    status = models.CharField(
        max_length=12, choices=MessageStatus, default=MessageStatus.COMPLETED
    )
    incomplete_reason = models.CharField(max_length=20, blank=True)
    content = models.JSONField(default=list)
    attachments = models.JSONField(default=list)
    metadata = models.JSONField(default=dict)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    assistant = models.ForeignKey("runs.Assistant", models.SET_NULL, null=True)
    run = models.ForeignKey(
        "runs.Run", models.SET_NULL, null=True, related_name="messages"
    )
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True)
    incomplete_at = models.DateTimeField(null=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["thread", "number"], name="message_number"),
            models.CheckConstraint(
                condition=Q(status__in=MessageStatus.values), name="message_status"
            ),
            models.CheckConstraint(
                condition=Q(role__in=MessageRole.values), name="message_role"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]

    @property
    def text(self) -> str:
        """All text of the message, refusals included, parts joined by blank lines."""
        return "\n\n".join(filter(None, map(part_text, self.content)))


def part_text(part: dict[str, Any]) -> str:
    """The text of one content part; empty for images and the like."""
    if part["type"] == "text":
        return str(part["text"]["value"])
    return str(part.get("refusal", ""))


def text_part(text: str) -> dict[str, Any]:
    """A text part as it is stored and as the public API shows it."""
    return {"type": "text", "text": {"value": text, "annotations": []}}
