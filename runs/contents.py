"""What people put into messages besides text: images and files, as the model gets them.

Text files and PDFs become text. Other files go to servers that take them; what can't be
given to the model is left out or cut, and a warning says so.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from django.db.models import Exists, OuterRef, Q

from runs import files, uses
from runs.models import File, FileUse, Message, MessageRole, Run
from runs.providers import Document, Image
from runs.texts import CHARACTERS_PER_TOKEN, tokens_in

# In one prompt. Beyond them, servers refuse the request as a whole.
MOST_BYTES = 30_000_000
TOKENS_PER_IMAGE = 1_000  # about what servers count for one of 2048 px
LEAST = 100  # tokens; a shorter beginning of a file is of no use


@dataclass(slots=True)
class Extra:
    """What one message has besides its own text."""

    texts: list[str] = field(default_factory=list)
    parts: list[Image | Document] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Files:
    """Those of all messages that a run may see, by their ids."""

    known: dict[str, File]

    def tokens_of(self, message: Message) -> int:
        """About how many tokens the files of a message take."""
        if message.role != MessageRole.USER or not _has_more(message):
            return 0
        found = (self.known.get(key) for key in uses.file_ids(message))
        images = sum(1 for _ in _addresses(message))
        return images * TOKENS_PER_IMAGE + sum(_tokens(f) for f in found if f)

    def extras(
        self, messages: Sequence[Message], room: int, *, sees: bool, documents: bool
    ) -> Extras:
        """Images and files of the user messages; a query or two for each file.

        ``room`` is in tokens. ``sees`` says whether the model takes images,
        ``documents`` whether the server takes other files.
        """
        found = Extras(room=room, sees=sees, documents=documents)
        asked = [m for m in messages if m.role == MessageRole.USER and _has_more(m)]
        # The newest first: what has no room any more is what came long ago.
        for message in reversed(asked):
            extra = found.of_message[message.pk] = Extra()
            found.add_addresses(extra, _addresses(message))
            for key, detail in uses.named(message):
                found.add(extra, key, self.known.get(key), detail)
        return found


@dataclass(slots=True)
class Extras:
    """Of all messages of a prompt, by their ids. ``warnings`` are sentences, by the
    file or kind that they are about."""

    room: int
    sees: bool
    documents: bool
    of_message: dict[str, Extra] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)
    bytes_left: int = MOST_BYTES

    def add_addresses(self, extra: Extra, images: Iterable[Image]) -> None:
        for image in images:
            if self.sees:
                extra.parts.append(image)
                self.room -= TOKENS_PER_IMAGE
            else:
                self.warnings["url"] = (
                    "A picture was not given to the model: it takes no pictures."
                )

    def add(self, extra: Extra, key: str, file: File | None, detail: str) -> None:
        """Add one file, as far as it can be given to the model."""
        if file is None:
            self.warnings[key] = "A file of this thread is no longer there."
        elif file.is_image:
            self._add_image(extra, file, detail)
        elif text := self._text(file):
            extra.texts.append(f"[{file.filename}]\n{text}")
        elif self.documents and file.content_type == files.PDF:
            self._add_document(extra, file)
        elif file.pk not in self.warnings:
            self._left_out(file, "no text was found in it")

    def _add_image(self, extra: Extra, file: File, detail: str) -> None:
        if not self.sees:
            self._left_out(file, "it takes no pictures")
        elif file.bytes > self.bytes_left:
            self._left_out(file, "it is too large")
        else:
            self.room -= TOKENS_PER_IMAGE
            extra.parts.append(Image(self._data_url(file), detail))

    def _add_document(self, extra: Extra, file: File) -> None:
        if file.bytes > self.bytes_left:
            self._left_out(file, "it is too large")
        else:
            extra.parts.append(Document(file.filename, self._data_url(file)))

    def _text(self, file: File) -> str:
        """As much of the file's text as there is room for."""
        if self.room < LEAST < _tokens(file):
            self._left_out(file, "there is no room for it in the prompt")
            return ""
        text = files.text_of(file) or ""
        if tokens_in(text) <= self.room:
            self.room -= tokens_in(text)
            return text
        most = self.room * CHARACTERS_PER_TOKEN
        self.room = 0
        self.warnings[file.pk] = (
            f"Of the file '{file.filename}' the model got the first {most:,} of "
            f"{len(text):,} characters: the prompt has no room for more."
        )
        left_out = len(text) - most
        return f"{text[:most]}\n[{left_out:,} more characters were left out here.]"

    def _data_url(self, file: File) -> str:
        self.bytes_left -= file.bytes
        encoded = base64.b64encode(files.whole(file)).decode()
        return f"data:{file.content_type};base64,{encoded}"

    def _left_out(self, file: File, why: str) -> None:
        self.warnings[file.pk] = (
            f"The file '{file.filename}' was not given to the model: {why}."
        )


def files_of(run: Run, messages: Iterable[Message]) -> Files:
    """The files that messages of the run's thread name; at most one query.

    They are those of the thread's owner and what others brought with their messages.
    """
    asked = [m for m in messages if m.role == MessageRole.USER and _has_more(m)]
    keys = {key for message in asked for key in uses.file_ids(message)}
    if not keys:
        return Files({})
    brought = FileUse.objects.filter(file=OuterRef("pk"), message__thread=run.thread_id)
    theirs = Q(owner=run.thread.owner_id) | Exists(brought)
    return Files(File.objects.alive().filter(theirs).in_bulk(list(keys)))


def _tokens(file: File) -> int:
    if file.is_image:
        return TOKENS_PER_IMAGE
    if file.tokens is None:  # It was not looked into; at worst all of it is text.
        return (
            0 if file.content_type == files.PDF else file.bytes // CHARACTERS_PER_TOKEN
        )
    return file.tokens


def _has_more(message: Message) -> bool:
    return bool(message.attachments) or any(
        part["type"] != "text" for part in message.content
    )


def _addresses(message: Message) -> Iterator[Image]:
    for part in message.content:
        if part["type"] == "image_url":
            image = part["image_url"]
            yield Image(image["url"], image.get("detail") or "auto")
