"""The words of a query, and where they are in a text."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MOST_WORDS = 10
LONGEST = 60  # characters of one word
BEFORE, AFTER = 60, 180  # characters of an excerpt around its first hit
# A word ends where neither letter nor digit is; the underscore is none, as in the index.
START, END = r"(?<![^\W_])", r"(?![^\W_])"
REST = r"[^\W_]*"
MARKUP = re.compile(r"\*\*|`+|^#+ |^> ", re.MULTILINE)  # what an excerpt leaves out


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an excerpt: a hit, or what is between two."""

    text: str
    is_hit: bool


def words_of(text: str) -> list[str]:
    """Runs of letters, marks and digits; so a word needs no escaping anywhere."""
    joined = "".join(map(_kept, unicodedata.normalize("NFC", text[:1000])))
    words = [word[:LONGEST] for word in joined.split()]
    return list(dict.fromkeys(words))[:MOST_WORDS]


def _kept(character: str) -> str:
    return character if unicodedata.category(character)[0] in "LMN" else " "


def is_beginning(word: str) -> bool:
    """Whether the last word of a query also stands for longer ones.

    A single ASCII letter does not: it would find nearly everything.
    """
    return len(word) > 1 or not word.isascii()


def hits(words: list[str]) -> re.Pattern[str]:
    """What the words match in a text."""
    whole = [START + re.escape(word) + END for word in words]
    if words and is_beginning(words[-1]):
        whole[-1] = START + re.escape(words[-1]) + REST
    return re.compile("|".join(whole) or r"(?!)", re.IGNORECASE)


def excerpt(text: str, words: list[str]) -> list[Piece]:
    """The text around the first hit, in pieces; its beginning where there is none."""
    line = " ".join(MARKUP.sub("", text).split())
    found = hits(words)
    first = found.search(line)
    start = _start(line, first.start()) if first else 0
    end = min(len(line), start + BEFORE + AFTER)
    pieces = [Piece("…", False)] if start else []
    at = start
    for hit in found.finditer(line, start, end):
        pieces += [Piece(line[at : hit.start()], False), Piece(hit[0], True)]
        at = hit.end()
    tail = line[at:end] + ("…" if end < len(line) else "")
    return [piece for piece in [*pieces, Piece(tail, False)] if piece.text]


def _start(line: str, hit: int) -> int:
    """Some way before the hit, at the beginning of a word."""
    if hit <= BEFORE:
        return 0
    return line.find(" ", hit - BEFORE, hit) + 1 or hit - BEFORE
