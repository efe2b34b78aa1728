"""Which messages have which files; the only writer of FileUse.

A file that was made in the chat goes with the last message that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _

from runs.models import File, FileUse, Message, Thread, User, text_part

# As the protocol wants it of an attachment. What a model gets of it is its text.
TOOLS = [{"type": "file_search"}]


class AttachmentGone(Exception):
    """It was removed, or waited too long to be sent."""

    def __init__(self) -> None:
        super().__init__(_("A file is no longer there. Remove it and send again."))


def content(text: str, files: Sequence[File]) -> list[dict[str, Any]]:
    """The parts of a message with these files; never empty."""
    pictures = [picture_part(file) for file in files if file.is_image]
    return [text_part(text)] * bool(text or not pictures) + pictures


def picture_part(file: File) -> dict[str, Any]:
    image = {"file_id": file.pk, "detail": "auto"}
    return {"type": "image_file", "image_file": image}


def attached(files: Iterable[File]) -> list[dict[str, Any]]:
    """The attachments of a message with these files: those that are no pictures."""
    return [{"file_id": f.pk, "tools": TOOLS} for f in files if not f.is_image]


def hold(files: Sequence[File]) -> None:
    """Keep others from removing them in this transaction. Raises AttachmentGone."""
    if not files:
        return
    wanted = {file.pk for file in files}
    rows = File.objects.select_for_update().filter(pk__in=wanted).order_by("pk")
    if set(rows.values_list("pk", flat=True)) != wanted:
        raise AttachmentGone


def record(messages: Iterable[Message], *, user: User) -> None:
    """Note the files of new messages; what waited to be sent is sent by this, and stays.

    Passed over are ids of files that are neither the user's nor in the thread already:
    whoever reads the thread may read what is noted here.
    """
    messages = list(messages)
    wanted = [(m.pk, key) for m in messages for key in file_ids(m)]
    if not wanted:
        return
    threads = {message.thread_id for message in messages}
    here = FileUse.objects.filter(file=OuterRef("pk"), message__thread__in=threads)
    rows = File.objects.filter(
        Q(owner=user) | Exists(here), pk__in={key for _, key in wanted}
    )
    known = set(rows.values_list("pk", flat=True))
    FileUse.objects.bulk_create(
        [FileUse(message_id=m, file_id=key) for m, key in wanted if key in known]
    )
    rows.filter(is_attachment=True, expires_at__isnull=False).update(expires_at=None)


def file_ids(message: Message) -> Iterator[str]:
    """The files of a message, each once, in order."""
    return iter(dict.fromkeys(key for key, _ in named(message)))


def named(message: Message) -> Iterator[tuple[str, str]]:
    """Ids of files, with the detail that images are wanted in."""
    for part in message.content:
        if part["type"] == "image_file":
            image: dict[str, Any] = part["image_file"]
            yield image["file_id"], image.get("detail") or "auto"
    for attachment in message.attachments:
        if attachment.get("file_id"):
            yield attachment["file_id"], "auto"


def of_message(message: Message) -> list[File]:
    """The files of a message that are still there, in order: to send them once more."""
    return of_messages([message]).get(message.pk, [])


def of_messages(messages: Iterable[Message]) -> dict[str, list[File]]:
    """The same of many messages, by their ids, in at most one query."""
    wanted = {m.pk: list(file_ids(m)) for m in messages}
    ids = {key for keys in wanted.values() for key in keys}
    if not ids:
        return {}
    used = FileUse.objects.filter(file=OuterRef("pk"), message__in=list(wanted))
    found = File.objects.alive().filter(Exists(used)).in_bulk(list(ids))
    return {pk: [found[k] for k in keys if k in found] for pk, keys in wanted.items()}


def attachments_in(thread: Thread) -> list[str]:
    """Files made in the chat that messages of the thread have; they may go with it."""
    return _made_in_chat(uses__message__thread=thread)


def attachments_of(message: Message) -> list[str]:
    return _made_in_chat(uses__message=message)


def delete_unused(ids: Sequence[str]) -> None:
    """Those of the files that no message has any more."""
    if ids:
        File.objects.filter(pk__in=ids, uses=None).delete()


def _made_in_chat(**within: Any) -> list[str]:
    rows = File.objects.filter(is_attachment=True, **within)
    return list(rows.values_list("pk", flat=True).distinct())
