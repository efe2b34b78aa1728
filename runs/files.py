"""Uploaded files, kept in pieces in the database: written and read piece by piece."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections, transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from runs.models import File, FileChunk, User

PIECE = 1_048_576  # bytes of every piece but the last
NAME_LENGTH = 255
UNNAMED = "file"
BINARY = "application/octet-stream"
EXPIRED_AT_ONCE = 100  # how many expired files one look removes

# What a file is follows from how it begins; these are worth knowing for sure, since
# they are what may be shown to a model as they are.
BEGINNINGS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"%PDF-"), "application/pdf"),
)
# Control characters, and those that make a name look like another one.
UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
)


class TooLarge(Exception):
    """The file is larger than FILE_MAX_BYTES."""


class NoRoom(Exception):
    """With this file the owner would have more than FILES_PER_USER_MAX_BYTES."""


class Gone(Exception):
    """The file was deleted while it was read."""


def store(
    *,
    owner: User,
    filename: str,
    purpose: str,
    content: Iterable[bytes],
    expires_at: datetime | None = None,
) -> File:
    """Keep a file; ``content`` comes in pieces of any size. All of it or nothing.

    Raises TooLarge and NoRoom.
    """
    name = safe_name(filename)
    with transaction.atomic():
        room = _room_of(owner)
        file = File.objects.create(
            owner=owner,
            filename=name,
            purpose=purpose,
            content_type=BINARY,
            bytes=0,
            sha256="",
            expires_at=expires_at,
        )
        digest = hashlib.sha256()
        for number, piece in enumerate(_of_one_size(content)):
            file.bytes += len(piece)
            _refuse_beyond(file.bytes, room)
            digest.update(piece)
            if number == 0:
                file.content_type = content_type_of(piece, name)
            FileChunk.objects.create(file=file, number=number, data=piece)
        file.sha256 = digest.hexdigest()
        file.save(update_fields=["bytes", "sha256", "content_type"])
    return file


async def content(file: File) -> AsyncIterator[bytes]:
    """The file in pieces. Holds one piece, and no connection between two of them.

    Raises Gone for a file that is deleted meanwhile.
    """
    for number in range(-(-file.bytes // PIECE)):
        piece = await sync_to_async(_piece)(file.pk, number)
        if piece is None:
            raise Gone
        yield piece


def whole(file: File) -> bytes:
    """All of a file, for one that is known to be small."""
    chunks = FileChunk.objects.filter(file=file).order_by("number")
    return b"".join(bytes(data) for data in chunks.values_list("data", flat=True))


def forget_expired() -> None:
    """Remove files whose time is over; a bounded number of them at each call."""
    expired = File.objects.filter(expires_at__lte=timezone.now())
    some = list(expired.values_list("pk", flat=True)[:EXPIRED_AT_ONCE])
    if some:
        File.objects.filter(pk__in=some).delete()


def safe_name(name: str) -> str:
    """The name without folders and without what would disguise it; never empty."""
    last = re.split(r"[/\\]", UNSAFE.sub("", name))[-1].strip()
    if last in ("", ".", ".."):
        return UNNAMED
    if len(last) <= NAME_LENGTH:
        return last
    stem, dot, ending = last.rpartition(".")
    if not stem or len(ending) > 20:
        return last[:NAME_LENGTH]
    return stem[: NAME_LENGTH - len(ending) - 1] + dot + ending


def content_type_of(beginning: bytes, name: str) -> str:
    """What the file is by its first bytes, or else by its name.

    Nothing is an image by its name alone.
    """
    for pattern, kind in BEGINNINGS:
        if pattern.match(beginning):
            return kind
    guess = mimetypes.guess_type(name)[0] or BINARY
    return BINARY if guess.startswith("image/") else guess


def _room_of(owner: User) -> int:
    """How many bytes the owner may still store; who stores at the same time waits."""
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)
    stored: dict[str, Any] = File.objects.visible_to(owner).aggregate(sum=Sum("bytes"))
    return settings.FILES_PER_USER_MAX_BYTES - (stored["sum"] or 0)


def _refuse_beyond(size: int, room: int) -> None:
    if size > settings.FILE_MAX_BYTES:
        words = _("A file may have at most %(most)s bytes.")
        raise TooLarge(words % {"most": _shown(settings.FILE_MAX_BYTES)})
    if size > room:
        words = _(
            "Your files may have %(most)s bytes together, of which %(left)s are left. "
            "Delete some first."
        )
        most, left = settings.FILES_PER_USER_MAX_BYTES, max(room, 0)
        raise NoRoom(words % {"most": _shown(most), "left": _shown(left)})


def _shown(number: int) -> str:
    return number_format(number, force_grouping=True)


def _of_one_size(content: Iterable[bytes]) -> Iterable[bytes]:
    """The same bytes in pieces of PIECE; the last is shorter."""
    waiting = bytearray()
    for part in content:
        waiting += part
        while len(waiting) >= PIECE:
            yield bytes(waiting[:PIECE])
            del waiting[:PIECE]
    if waiting:
        yield bytes(waiting)


def _piece(file_id: str, number: int) -> bytes | None:
    try:
        found = FileChunk.objects.filter(file_id=file_id, number=number)
        data = found.values_list("data", flat=True).first()
        return None if data is None else bytes(data)
    finally:
        # A slow client must not keep a connection while it reads.
        close_old_connections()
