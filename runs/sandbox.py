"""Opens pictures and PDFs in a process of its own, ``runs/sandboxed.py``.

Decoders of other people's files are where servers are broken into, made to run for ever
or to eat all memory. Here they can do so for a bounded time in a process that knows
nothing, and the memory that they leak goes with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

PROGRAM = Path(__file__).with_name("sandboxed.py")
SECONDS = 40  # for one file
PATIENCE = 60  # seconds to wait for a place

_places = threading.BoundedSemaphore(2)


class Unreadable(Exception):
    """The file can't be opened; ``code`` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Picture:
    """Encoded anew, with a WebP for lists of it."""

    content: bytes
    content_type: str
    width: int
    height: int
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a document; ``is_cut`` where there was more than could be taken."""

    text: str
    is_cut: bool


def picture(file: IO[bytes]) -> Picture:
    """The picture in a file. Raises Unreadable."""
    head, (content, thumbnail) = _opened(file, "picture", blobs=2)
    return Picture(content, head["type"], head["width"], head["height"], thumbnail)


def text_of_pdf(file: IO[bytes]) -> Text:
    """The text in a PDF, empty for one of scanned pages. Raises Unreadable."""
    head, (text,) = _opened(file, "pdf", blobs=1)
    return Text(text.decode(), head["is_cut"])


def _opened(
    file: IO[bytes], kind: Literal["picture", "pdf"], *, blobs: int
) -> tuple[dict[str, Any], list[bytes]]:
    file.seek(0)
    # Within what it has buffered, seek leaves the place that a child would read from.
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    with _place(), tempfile.TemporaryFile() as out:
        _run(file, kind, out)
        out.seek(0)
        try:
            head = json.loads(out.readline(10_000))
            if "error" in head:
                raise Unreadable(head["error"])
            return head, [out.read(head["sizes"][n]) for n in range(blobs)]
        except (ValueError, KeyError) as error:
            # It was killed before it could say anything: out of time or memory.
            raise Unreadable("too_much") from error


def _run(file: IO[bytes], kind: str, out: IO[bytes]) -> None:
    command = [sys.executable, "-I", str(PROGRAM), kind]
    try:
        subprocess.run(  # noqa: S603 - our own program, without a shell
            command,
            stdin=file,
            stdout=out,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Unreadable("too_much") from error


@contextmanager
def _place() -> Iterator[None]:
    """A few at once, so that many uploads don't take the machine. Raises Unreadable."""
    if not _places.acquire(timeout=PATIENCE):
        raise Unreadable("busy")
    try:
        yield
    finally:
        _places.release()
