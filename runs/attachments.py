"""Files that people put into the chat: taken, looked into, kept for a day until sent.

What a file is follows from its content. Pictures are encoded anew; of PDFs the text is
kept beside the file; other files must be text. Nothing else is taken.
"""

from __future__ import annotations

import datetime as dt
import mimetypes
import tempfile
from collections.abc import Iterable
from typing import IO, Any

from django.conf import settings
from django.db import close_old_connections, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from runs import files, sandbox
from runs.models import File, FileExtract, User
from runs.texts import text_in, tokens_in

MOST = 10  # in one message
MOST_UNSENT = 100  # of one person
UNSENT = dt.timedelta(days=1)
TEXT_BYTES = 10_000_000
LOOKED_INTO = 20_000_000  # bytes of a file that came by the API

ENDINGS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
}
REASONS = {
    "broken": gettext_lazy("The file is damaged."),
    "encrypted": gettext_lazy("The PDF is protected by a password."),
    "too_many_pixels": gettext_lazy(
        "The picture is too large: it may have 50 million pixels."
    ),
    "too_much": gettext_lazy("The file takes too long or too much memory to open."),
    "busy": gettext_lazy("The server is busy with other files. Try again in a moment."),
}


class Refused(Exception):
    """The file can't be taken; the message says why."""


def attach(*, owner: User, filename: str, content: Iterable[bytes]) -> File:
    """Keep a file until it is sent. Raises Refused."""
    _refuse_more_unsent(owner)
    name = files.safe_name(filename)
    # What follows may take seconds, in which others can have the connection.
    if not transaction.get_connection().in_atomic_block:
        close_old_connections()
    with tempfile.TemporaryFile() as file:
        size = _spooled(content, file)
        if not size:
            raise Refused(_("The file is empty."))
        try:
            return _taken(owner, name, file, size)
        except sandbox.Unreadable as error:
            raise Refused(str(REASONS[error.code])) from error
        except (files.TooLarge, files.NoRoom) as error:
            raise Refused(str(error)) from error


def discard(file: File) -> None:
    """Remove a file that was not sent; one that is in a message stays."""
    File.objects.filter(pk=file.pk, is_attachment=True, uses=None).delete()


def look_into(file: File) -> File:
    """Find the text or thumbnail of a file that came by the API, if that can be done.

    Not in a transaction: it may take seconds.
    """
    is_known = file.tokens is not None or file.width is not None
    wanted = file.is_image or file.content_type == files.PDF
    if is_known or not wanted or file.bytes > LOOKED_INTO:
        return file
    with tempfile.TemporaryFile() as content:
        content.write(files.whole(file))
        try:
            found, extract = _look(content, file.content_type)
        except sandbox.Unreadable:
            return file
    with transaction.atomic():
        if File.objects.filter(pk=file.pk).update(**found):
            FileExtract.objects.update_or_create(file=file, defaults=extract)
    return file


def _look(content: IO[bytes], kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns of the file and of its extract."""
    if kind == files.PDF:
        text = _whole_text(sandbox.text_of_pdf(content))
        return {"tokens": tokens_in(text)}, {"text": text}
    picture = sandbox.picture(content)
    found = {"width": picture.width, "height": picture.height}
    return found, {"thumbnail": picture.thumbnail}


def _taken(owner: User, name: str, file: IO[bytes], size: int) -> File:
    file.seek(0)
    kind = files.content_type_of(file.read(64), name)
    if kind.startswith("image/"):
        return _take_picture(owner, name, sandbox.picture(file))
    if kind == files.PDF:
        return _take_pdf(owner, name, file)
    if mimetypes.guess_type(name)[0] in ENDINGS:
        raise Refused(_("The file is not the picture that its name says."))
    return _take_text(owner, name, file, size)


def _take_picture(owner: User, name: str, picture: sandbox.Picture) -> File:
    stem, dot, ending = name.rpartition(".")
    name = (stem if dot and len(ending) <= 5 else name) + ENDINGS[picture.content_type]
    with transaction.atomic():
        file = _stored(
            owner,
            name,
            [picture.content],
            is_picture=True,
            width=picture.width,
            height=picture.height,
        )
        FileExtract.objects.create(file=file, thumbnail=picture.thumbnail)
    return file


def _take_pdf(owner: User, name: str, file: IO[bytes]) -> File:
    text = _whole_text(sandbox.text_of_pdf(file))
    with transaction.atomic():
        made = _stored(owner, name, _pieces(file), tokens=tokens_in(text))
        FileExtract.objects.create(file=made, text=text)
    return made


def _take_text(owner: User, name: str, file: IO[bytes], size: int) -> File:
    file.seek(0)
    text = text_in(file.read()) if size <= TEXT_BYTES else None
    if text is None:
        file.seek(0)
        if size > TEXT_BYTES and text_in(file.read(4_096)[:4_000]) is not None:
            raise Refused(_("A text file may have at most 10 MB."))
        raise Refused(
            _("This kind of file can't be read: only pictures, PDF and text files can.")
        )
    return _stored(owner, name, _pieces(file), tokens=tokens_in(text))


def _stored(owner: User, name: str, content: Iterable[bytes], **known: Any) -> File:
    return files.store(
        owner=owner,
        filename=name,
        purpose="vision" if "is_picture" in known else "user_data",
        content=content,
        expires_at=timezone.now() + UNSENT,
        is_attachment=True,
        **known,
    )


def _whole_text(found: sandbox.Text) -> str:
    if not found.is_cut:
        return found.text
    return found.text + "\n\n[The file goes on; it was too long to be read further.]"


def _spooled(content: Iterable[bytes], file: IO[bytes]) -> int:
    """The size of what was written. Raises Refused."""
    size = 0
    for piece in content:
        size += len(piece)
        if size > settings.FILE_MAX_BYTES:
            most = {"most": most_megabytes()}
            raise Refused(_("A file may have at most %(most)s MB.") % most)
        file.write(piece)
    return size


def most_megabytes() -> int:
    """How large a file may be, in the unit that sizes of files are shown in."""
    return max(1, int(settings.FILE_MAX_BYTES) // 1_048_576)


def _pieces(file: IO[bytes]) -> Iterable[bytes]:
    file.seek(0)
    return iter(lambda: file.read(files.PIECE), b"")


def _refuse_more_unsent(owner: User) -> None:
    unsent = File.objects.owned_by(owner).filter(is_attachment=True, uses=None)
    if unsent.count() >= MOST_UNSENT:
        raise Refused(_("Too many files wait to be sent. Send or remove some first."))
