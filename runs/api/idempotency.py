"""Idempotency-Key: a creation that is sent twice happens once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, models, transaction

from runs.api.auth import ApiRequest
from runs.api.errors import ApiError
from runs.models import Submission

HEADER = "Idempotency-Key"
Row = TypeVar("Row", bound=models.Model)


class _SubmittedBefore(Exception):
    """Somebody holds this key already."""


def once(
    request: ApiRequest,
    create: Callable[[], Row],
    load: Callable[[str], Row],
    *,
    content: bytes | None = None,
) -> Row:
    """What ``create`` gives, or, when the same request was made before, ``load(id)``.

    Without the header it simply creates. ``content`` stands for the body where that
    was a stream. Raises ApiError for a key that was used for another request.
    """
    key = request.headers.get(HEADER, "")
    if not key:
        return create()
    if len(key) > 255:
        raise ApiError(400, f"{HEADER} has more than 255 characters.", param=HEADER)
    fingerprint = _fingerprint(request, request.body if content is None else content)
    try:
        with transaction.atomic():
            submission = _claim(request, key, fingerprint)
            created = create()
            Submission.objects.filter(pk=submission.pk).update(object_id=created.pk)
            return created
    except _SubmittedBefore:
        return load(_earlier(request, key, fingerprint))


def _claim(request: ApiRequest, key: str, fingerprint: str) -> Submission:
    """Take the key; waits for a request of the same moment that has taken it."""
    try:
        with transaction.atomic():
            return Submission.objects.create(
                user=request.user, key=key, fingerprint=fingerprint, object_id=""
            )
    except IntegrityError as error:
        raise _SubmittedBefore from error


def _earlier(request: ApiRequest, key: str, fingerprint: str) -> str:
    submission = Submission.objects.get(user=request.user, key=key)
    if submission.fingerprint != fingerprint:
        raise ApiError(
            400,
            f"This {HEADER} was used for another request. Use a new one.",
            param=HEADER,
            code="idempotency_key_reused",
        )
    return submission.object_id


def _fingerprint(request: ApiRequest, content: bytes) -> str:
    head = f"{request.method}\n{request.get_full_path()}\n".encode()
    return hashlib.sha256(head + content).hexdigest()
