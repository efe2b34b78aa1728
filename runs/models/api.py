"""What only the API needs: keys, files, and which submissions were made already."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from runs.models.fields import IdField


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> ApiKeyQuerySet:
        """Neither revoked nor expired, of people who may still sign in."""
        now = timezone.now()
        alive = models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        return self.filter(alive, revoked_at=None, owner__is_active=True)


class ApiKey(models.Model):
    """A bearer key that acts as its owner. Only its SHA-256 is stored.

    ``prefix`` is the beginning of the key, for people to know it again by; ``scopes``
    is a list of "read", "write" and "admin".
    """

    id = IdField("key")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys"
    )
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-created_at"], name="api_key_by_owner")
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class Submission(models.Model):
    """An Idempotency-Key that was used: the same request again gives the same object.

    ``fingerprint`` is the SHA-256 of method, path and body.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    object_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="submitted_once")
        ]
        indexes = [models.Index(fields=["created_at"], name="submission_by_age")]

    def __str__(self) -> str:
        return f"{self.key} -> {self.object_id}"


class FileQuerySet(models.QuerySet["File"]):
    def alive(self) -> FileQuerySet:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()))

    def visible_to(self, user: Any) -> FileQuerySet:
        return self.alive().filter(owner=user)


class File(models.Model):
    """An uploaded file. Its content is in the database too, so that every process on
    every machine has it, and a backup holds all."""

    id = IdField("file")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    filename = models.CharField(max_length=255)
    purpose = models.CharField(max_length=20)
    content_type = models.CharField(max_length=100)
    bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)

    objects = FileQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="file_by_owner")
        ]

    def __str__(self) -> str:
        return self.filename


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
