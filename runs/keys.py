"""API keys: made once, known only by their hash, found by it, revoked."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from runs.models import ApiKey, Assistant, User

BEGINNING = "tm_"
SECRET_BYTES = 32
PREFIX_LENGTH = 10
NAME_MAX_LENGTH = 100

READ, WRITE, ADMIN = "read", "write", "admin"
SCOPES = (READ, WRITE, ADMIN)

# A key in use writes its last use no more often than this.
USE_NOTED_EVERY = timedelta(minutes=1)


class NotAllowed(Exception):
    """This person may not have a key with these scopes."""


def make(
    owner: User,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """The stored key and its secret, which nobody can read again after this.

    Raises NotAllowed for "admin" without being staff, and ValueError for a scope that
    does not exist, or none at all.
    """
    wanted = set(scopes)
    if not wanted or not wanted.issubset(SCOPES):
        raise ValueError(f"Scopes are one or more of {', '.join(SCOPES)}.")
    if ADMIN in wanted and not owner.is_staff:
        raise NotAllowed("Only keys of staff can have the scope admin.")
    Assistant.objects.default()  # So that a new installation has one to ask.
    secret = BEGINNING + secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey.objects.create(
        owner=owner,
        name=name,
        prefix=secret[:PREFIX_LENGTH],
        digest=digest_of(secret),
        scopes=[scope for scope in SCOPES if scope in wanted],
        expires_at=expires_at,
    )
    return key, secret


def find(secret: str) -> ApiKey | None:
    """The usable key with this secret, with its owner; its use is noted."""
    usable = ApiKey.objects.usable().select_related("owner")
    try:
        key = usable.get(digest=digest_of(secret))
    except ApiKey.DoesNotExist:
        return None
    _note_use(key)
    return key


def revoke(key: ApiKey) -> None:
    """End the key for good. To revoke it again changes nothing."""
    now = timezone.now()
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
        key.revoked_at = now


def digest_of(secret: str) -> str:
    """What is stored of a secret: SHA-256, enough for 256 random bits."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _note_use(key: ApiKey) -> None:
    now = timezone.now()
    earlier = now - USE_NOTED_EVERY
    if key.last_used_at is not None and key.last_used_at > earlier:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=earlier)
    if ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now):
        key.last_used_at = now
