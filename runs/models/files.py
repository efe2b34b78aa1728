"""Uploaded files: what is known of them, their content in pieces, and where they are used."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from runs.models.fields import IdField
from runs.models.threads import Thread


class FileQuerySet(models.QuerySet["File"]):
    def alive(self) -> FileQuerySet:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))

    def owned_by(self, user: Any) -> FileQuerySet:
        """Those that the user uploaded."""
        return self.alive().filter(owner=user)

    def visible_to(self, user: Any) -> FileQuerySet:
        """The user's own, and those in messages of threads that the user may see."""
        threads = Thread.objects.visible_to(user)
        seen = FileUse.objects.filter(file=OuterRef("pk"), message__thread__in=threads)
        return self.alive().filter(Q(owner=user) | Exists(seen))


class File(models.Model):
    """An uploaded file. Its content is in the database too, so that every process on
    every machine has it, and a backup holds all.

    One that was made in the chat (``is_attachment``) expires until it is sent and goes
    with the last message that has it; others are deleted by hand. ``is_picture`` says
    that its content was encoded here, from pixels alone, so that a browser may show it.
    ``tokens`` is about how many its text has; None where no text is known.
    """

    id = IdField("file")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    filename = models.CharField(max_length=255)
    purpose = models.CharField(max_length=20)
    content_type = models.CharField(max_length=100)
    bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    is_attachment = models.BooleanField(default=False, db_default=False)
    is_picture = models.BooleanField(default=False, db_default=False)
    tokens = models.PositiveIntegerField(null=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)

    objects = FileQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="file_by_owner"),
            models.Index(
                fields=["expires_at"],
                condition=Q(expires_at__isnull=False),
                name="file_by_expiry",
            ),
        ]

    def __str__(self) -> str:
        return self.filename

    @property
    def is_image(self) -> bool:
        return self.content_type.startswith("image/")

    @property
    def has_thumbnail(self) -> bool:
        return self.width is not None


class FileChunk(models.Model):
    """A piece of a file's content, numbered from 0; all but the last are of one size."""

    pk = models.CompositePrimaryKey("file_id", "number")
    file = models.ForeignKey(
        File, models.CASCADE, related_name="chunks", db_index=False
    )
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return f"{self.file_id} {self.number}"


class FileExtract(models.Model):
    """What was made of a file when it came: a PDF's text, a picture's thumbnail."""

    file = models.OneToOneField(
        File, models.CASCADE, primary_key=True, related_name="extract"
    )
    text = models.TextField(blank=True)
    thumbnail = models.BinaryField(default=b"")

    def __str__(self) -> str:
        return str(self.file_id)


class FileUse(models.Model):
    """A message has this file, in its content or as an attachment."""

    file = models.ForeignKey(File, models.CASCADE, related_name="uses", db_index=False)
    message = models.ForeignKey("runs.Message", models.CASCADE, related_name="uses")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["file", "message"], name="file_used_once")
        ]

    def __str__(self) -> str:
        return f"{self.file_id} in {self.message_id}"
