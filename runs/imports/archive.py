"""Exports as they are uploaded: one JSON file, or a zip with JSON files in it.

Nothing is unpacked to disk, and names in a zip are only compared, never used as paths.
What is read is bounded, whatever a zip says of itself.
"""

from __future__ import annotations

import codecs
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from runs.files import PIECE
from runs.models import File, FileChunk

MOST_ENTRIES = 50_000  # an export has one for each image
MOST_BYTES = 2_000_000_000  # unpacked, in all
MOST_RATIO = 200  # of unpacked to packed bytes; text packs to a tenth
MOST_ELEMENT = 64_000_000  # characters of one conversation
READ_AT_ONCE = 262_144
WANTED = re.compile(r"(?:.*/)?conversations(?:-\d+)?\.json")
NOT_SPACE = re.compile(r"[^\s,]")

Heard = Callable[[float], None]


class Unreadable(Exception):
    """The file can't be taken; the message says why."""


class StoredFile(io.RawIOBase):
    """An uploaded file as a file object that can be read anywhere, piece by piece."""

    def __init__(self, file: File) -> None:
        self._file, self._at = file, 0
        self._number, self._piece = -1, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.bytes}
        self._at = max(0, base[whence] + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        number, start = divmod(self._at, PIECE)
        if number != self._number:
            self._number, self._piece = number, self._load(number)
        data = self._piece[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _load(self, number: int) -> bytes:
        if number * PIECE >= self._file.bytes:
            return b""
        found = FileChunk.objects.filter(file=self._file, number=number)
        data = found.values_list("data", flat=True).first()
        if data is None:
            raise Unreadable("The uploaded file was deleted.")
        return bytes(data)


def conversations(file: File, heard: Heard) -> Iterator[tuple[str, Any]]:
    """Each conversation with its place; ``heard`` is told the part that is read.

    What stands for one is any JSON value. Raises Unreadable.
    """
    stored = io.BufferedReader(StoredFile(file), PIECE)
    if stored.peek(4)[:4] != b"PK\x03\x04":
        yield from _elements(file.filename, stored, file.bytes, heard)
        return
    try:
        with zipfile.ZipFile(stored) as archive:
            for entry in _wanted(archive):
                with archive.open(entry) as opened:
                    yield from _elements(entry.filename, opened, entry.file_size, heard)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Unreadable("The zip is broken, or it is encrypted.") from error


def _wanted(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The entries with conversations, each name once. Raises Unreadable."""
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise Unreadable(f"The zip has more than {MOST_ENTRIES:,} entries.")
    found = {e.filename: e for e in entries if WANTED.fullmatch(e.filename)}
    if not found:
        raise Unreadable("There is no conversations.json in the zip.")
    size = sum(entry.file_size for entry in found.values())
    packed = sum(entry.compress_size for entry in found.values())
    if size > MOST_BYTES or size > MOST_RATIO * max(packed, 1):
        raise Unreadable("The zip unpacks to more than can be taken.")
    return [found[name] for name in sorted(found)]


def _elements(
    name: str, opened: BinaryIO | Any, size: int, heard: Heard
) -> Iterator[tuple[str, Any]]:
    """The elements of the one JSON list in a file, with only one in memory."""
    text = _Text(opened, size, heard)
    if text.next_character() != "[":
        raise Unreadable(f"{name} is no list of conversations.")
    text.at += 1
    number = 0
    while text.next_character() not in ("]", ""):
        number += 1
        try:
            yield f"{name} [{number}]", text.next_value()
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"{name} is no JSON from [{number}] on.") from error
    if text.next_character() == "":
        raise Unreadable(f"{name} is cut off after [{number}].")


class _Text:
    """The text of a file, of which only what is not yet parsed is kept."""

    def __init__(self, opened: Any, size: int, heard: Heard) -> None:
        self._opened, self._size, self._heard = opened, size, heard
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder()
        self._read = 0
        self._is_over = False
        self.text, self.at = "", 0

    def next_character(self) -> str:
        """Skips blanks and commas; empty at the end."""
        while not (found := NOT_SPACE.search(self.text, self.at)):
            if not self._more(READ_AT_ONCE):
                return ""
        self.at = found.start()
        return self.text[self.at]

    def next_value(self) -> Any:
        """The JSON value that begins here. Raises ValueError.

        A value that is not all there is tried again with twice as much of it, so that
        the work stays in proportion.
        """
        while True:
            try:
                value, end = self._json.raw_decode(self.text, self.at)
                if end < len(self.text) or self._is_over:
                    self.at = end
                    return value
            except ValueError:
                if self._is_over:
                    raise
            waiting = len(self.text) - self.at
            if waiting > MOST_ELEMENT:
                raise ValueError("a conversation is too long")
            self._more(max(READ_AT_ONCE, waiting))

    def _more(self, count: int) -> bool:
        """Read on; whether there was anything. Raises ValueError and Unreadable."""
        data = b"" if self._is_over else self._opened.read(count)
        self._is_over = not data
        self._read += len(data)
        if self._read > MOST_BYTES:
            raise Unreadable("The file unpacks to more than can be taken.")
        self._heard(self._read / max(self._size, 1))
        try:
            more = self._decoder.decode(data, final=self._is_over)
        except UnicodeDecodeError as error:
            raise Unreadable("The file is no UTF-8 text.") from error
        self.text, self.at = self.text[self.at :] + more, 0
        return bool(data)
