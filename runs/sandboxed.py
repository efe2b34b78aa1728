"""The program that opens files of strangers: `python -I sandboxed.py picture|pdf`.

It runs in a process of its own, without the environment of the server and with little
time and memory, and imports nothing of the product: what a broken or malicious file
does to a decoder ends here. The file comes on stdin. On stdout goes a line of JSON, with
`sizes` of the blobs that follow it, or with `error`; see ``runs.sandbox``.
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import IO, Any

MEMORY = 1_500_000_000  # bytes of address space, libraries included
PROCESSOR_SECONDS = 25
OUTPUT = 64_000_000  # bytes

MOST_PIXELS = 50_000_000  # a phone's largest pictures have 48 million
EDGE = 2_048  # models make larger pictures smaller themselves
THUMBNAIL_EDGE = 512  # twice what is shown, for dense screens
LARGEST_PNG = 2_000_000  # bytes; what is larger is a photograph
DECODERS = ("PNG", "JPEG", "GIF", "WEBP")

TEXT_SECONDS = 12  # of reading a PDF; what was read by then is taken
MOST_TEXT = 2_000_000  # characters

Told = tuple[dict[str, Any], list[bytes]]


class Refused(Exception):
    """The file can't be taken; the argument is the code of the reason."""


def main(kind: str) -> None:
    open_file = OPENERS[kind]
    head: dict[str, Any] = {}
    blobs: list[bytes] = []
    try:
        head, blobs = open_file(sys.stdin.buffer)
    except Refused as refusal:
        head = {"error": refusal.args[0]}
    except MemoryError:
        head = {"error": "too_much"}
    except Exception:  # noqa: BLE001 - whatever a decoder raises, the file is broken
        head = {"error": "broken"}
    head["sizes"] = [len(blob) for blob in blobs]
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + b"".join(blobs))


def picture(file: IO[bytes]) -> Told:
    """The picture anew, upright, bounded and without anything else; its thumbnail."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - only one kind of file is opened

    Image.MAX_IMAGE_PIXELS = None  # the limit below comes before any decoding
    image: Any = Image.open(io.BytesIO(file.read()), formats=DECODERS)
    if image.width * image.height > MOST_PIXELS:
        raise Refused("too_many_pixels")
    source = image.format
    image.draft("RGB", (EDGE, EDGE))  # lets JPEG decode a smaller picture at once
    image.load()
    image = ImageOps.exif_transpose(image)
    has_alpha = image.has_transparency_data
    image = image.convert("RGBA" if has_alpha else "RGB")
    image.thumbnail((EDGE, EDGE))
    content, kind = _encoded(image, prefers_png=source in ("PNG", "GIF") or has_alpha)
    head = {"type": kind, "width": image.width, "height": image.height}
    image.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE))
    return head, [content, _saved(image, "WEBP", quality=80)]


def _encoded(image: Any, *, prefers_png: bool) -> tuple[bytes, str]:
    if prefers_png:
        content = _saved(image, "PNG")
        if image.mode == "RGBA" or len(content) <= LARGEST_PNG:
            return content, "image/png"
    return _saved(image, "JPEG", quality=88, optimize=True), "image/jpeg"


def _saved(image: Any, form: str, **options: Any) -> bytes:
    """Encoded from the pixels alone: no EXIF, no profile, no comment."""
    bare = image.copy()
    bare.info.clear()
    out = io.BytesIO()
    write = bare.save  # of Pillow; the house rule about save() is for rows
    write(out, form, **options)
    return out.getvalue()


def pdf(file: IO[bytes]) -> Told:
    """Its text, as far as time and limits allow."""
    from pypdf import PdfReader  # noqa: PLC0415 - as above
    from pypdf.errors import DependencyError  # noqa: PLC0415 - as above

    reader = PdfReader(file)
    try:
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refused("encrypted")
    except DependencyError as error:
        raise Refused("encrypted") from error
    text, is_cut = _text_of(reader)
    return {"is_cut": is_cut, "pages": len(reader.pages)}, [text.encode()]


def _text_of(reader: Any) -> tuple[str, bool]:
    """The text of the pages, and whether some of it is missing."""
    until = time.monotonic() + TEXT_SECONDS
    pages: list[str] = []
    size = 0
    for page in reader.pages:
        if size > MOST_TEXT or time.monotonic() > until:
            return "\n\n".join(pages)[:MOST_TEXT], True
        pages.append(_safe(page.extract_text()).strip())
        size += len(pages[-1])
    text = "\n\n".join(filter(None, pages))
    return text[:MOST_TEXT], len(text) > MOST_TEXT


def _safe(text: str) -> str:
    """Without NUL, which no database takes, and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def limit() -> None:
    """Bound what this process may use; some systems don't know all of these."""
    os.nice(10)
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, PROCESSOR_SECONDS),
        (resource.RLIMIT_FSIZE, OUTPUT),
        (resource.RLIMIT_CORE, 0),
    ):
        try:
            resource.setrlimit(what, (most, most))
        except (OSError, ValueError):
            continue


OPENERS: dict[str, Callable[[IO[bytes]], Told]] = {"picture": picture, "pdf": pdf}

if __name__ == "__main__":
    limit()
    main(sys.argv[1])
