"""What people put into messages besides text: images and files, as the model gets them.

Text files become text. Other files go to servers that take them; what can't be given to
the model is left out, and a warning says so.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from runs import files
from runs.models import File, Message, MessageRole, Run
from runs.providers import Document, Image

# In one prompt. Beyond them, servers refuse the request as a whole.
MOST_BYTES = 30_000_000
MOST_CHARACTERS = 300_000
PDF = "application/pdf"


@dataclass(slots=True)
class Extra:
    """What one message has besides its own text."""

    texts: list[str] = field(default_factory=list)
    parts: list[Image | Document] = field(default_factory=list)


@dataclass(slots=True)
class Extras:
    """Of all messages of a prompt, by their ids. ``warnings`` are sentences."""

    of_message: dict[str, Extra] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    bytes_left: int = MOST_BYTES
    characters_left: int = MOST_CHARACTERS

    def add(
        self, extra: Extra, file: File | None, detail: str, documents: bool
    ) -> None:
        """Add one file, as far as it can be given to the model."""
        if file is None:
            self.warnings.append("A file of this thread is no longer there.")
        elif file.bytes > self.bytes_left:
            self._left_out(file, "it is too large")
        elif file.content_type.startswith("image/"):
            extra.parts.append(Image(self._data_url(file), detail))
        elif text := self._text(file):
            extra.texts.append(f"[{file.filename}]\n{text}")
        elif documents and file.content_type == PDF:
            extra.parts.append(Document(file.filename, self._data_url(file)))
        else:
            self._left_out(file, "it is neither an image nor text")

    def _text(self, file: File) -> str:
        if file.content_type == PDF or file.bytes > 4 * self.characters_left:
            return ""
        try:
            text = files.whole(file).decode()
        except UnicodeDecodeError:
            return ""
        self.characters_left -= len(text)
        return text if self.characters_left >= 0 else ""

    def _data_url(self, file: File) -> str:
        self.bytes_left -= file.bytes
        encoded = base64.b64encode(files.whole(file)).decode()
        return f"data:{file.content_type};base64,{encoded}"

    def _left_out(self, file: File, why: str) -> None:
        self.warnings.append(
            f"The file '{file.filename}' was not given to the model: {why}."
        )


def extras(run: Run, messages: Iterable[Message], *, documents: bool) -> Extras:
    """Images and files of the user messages; at most one query and one for each file.

    ``documents`` says whether the model server takes files that are not images.
    """
    found = Extras()
    asked = [m for m in messages if m.role == MessageRole.USER and _has_more(m)]
    named = {pk for message in asked for pk, _ in _files_of(message)}
    known = File.objects.alive().in_bulk(list(named)) if named else {}
    # The newest first: what has no room any more is what came long ago.
    for message in reversed(asked):
        extra = found.of_message[message.pk] = Extra()
        extra.parts += _addresses(message)
        for pk, detail in _files_of(message):
            file = known.get(pk)
            if file and file.owner_id not in (message.author_id, run.thread.owner_id):
                file = None  # a message brings only what its author may see
            found.add(extra, file, detail, documents)
    return found


def _has_more(message: Message) -> bool:
    return bool(message.attachments) or any(
        part["type"] != "text" for part in message.content
    )


def _addresses(message: Message) -> Iterator[Image]:
    for part in message.content:
        if part["type"] == "image_url":
            image = part["image_url"]
            yield Image(image["url"], image.get("detail") or "auto")


def _files_of(message: Message) -> Iterator[tuple[str, str]]:
    """Ids of files, with the detail that images are wanted in."""
    for part in message.content:
        if part["type"] == "image_file":
            image: dict[str, Any] = part["image_file"]
            yield image["file_id"], image.get("detail") or "auto"
    for attachment in message.attachments:
        if attachment.get("file_id"):
            yield attachment["file_id"], "auto"
