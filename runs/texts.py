"""Text in files, and about how many tokens a text has."""

from __future__ import annotations

import codecs
import re

# Where no tokenizer is at hand: English text has about four characters a token
# (OpenAI's own rule of thumb); three leaves room for other languages and code.
CHARACTERS_PER_TOKEN = 3
BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# What no text has, whatever its encoding.
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def tokens_in(text: str) -> int:
    """About how many tokens a text has; rather too many than too few."""
    return len(text) // CHARACTERS_PER_TOKEN


def text_in(content: bytes) -> str | None:
    """The text of a file, line ends as \\n; None for what is no text."""
    for encoding in _encodings(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if CONTROL.search(text) else text.replace("\r\n", "\n")
    return None


def _encodings(content: bytes) -> tuple[str, ...]:
    """Windows-1252 last: it takes nearly everything."""
    if content.startswith(BYTE_ORDER_MARKS):
        return ("utf-16",)
    return ("utf-8-sig", "cp1252")
