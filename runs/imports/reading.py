"""Files into objects: single ones, lists, pages of lists and JSON lines, also mixed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError

from runs.imports.report import Report
from runs.imports.shapes import AssistantObject, MessageObject, ThreadObject
from runs.models.fields import without_nul

Shape: TypeAlias = AssistantObject | ThreadObject | MessageObject

SHAPES: dict[str, type[Shape]] = {
    "assistant": AssistantObject,
    "thread": ThreadObject,
    "thread.message": MessageObject,
}
NOT_SPACE = re.compile(r"\S")
# Where reading can go on after something broken: what stands inside is indented.
NEXT_VALUE = re.compile(r"^[{\[]", re.MULTILINE)


@dataclass
class Found:
    """The objects of all files, each with its place.

    ``messages`` are by thread, those of a file that has the newest first turned round.
    """

    assistants: list[tuple[str, AssistantObject]] = field(default_factory=list)
    threads: list[tuple[str, ThreadObject]] = field(default_factory=list)
    messages: dict[str, list[tuple[str, MessageObject]]] = field(default_factory=dict)


def read(paths: Iterable[Path], report: Report) -> Found:
    """All objects of the files; what is none is refused in the report."""
    found = Found()
    for path in paths:
        _read_file(path, found, report)
    return found


def _read_file(path: Path, found: Found, report: Report) -> None:
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        report.refuse(str(path), f"cannot be read: {error.strerror}.")
        return
    except UnicodeDecodeError:
        report.refuse(str(path), "is no UTF-8 text.")
        return
    messages: dict[str, list[tuple[str, MessageObject]]] = {}
    for place, value in _objects(path, text, report):
        try:
            shape = _shaped(value)
        except (ValueError, RecursionError) as error:
            report.refuse(place, str(error))
            continue
        if isinstance(shape, AssistantObject):
            found.assistants.append((place, shape))
        elif isinstance(shape, ThreadObject):
            found.threads.append((place, shape))
        else:
            messages.setdefault(shape.thread_id, []).append((place, shape))
    for thread_id, rows in messages.items():
        found.messages.setdefault(thread_id, []).extend(_oldest_first(rows))


def _oldest_first(
    rows: list[tuple[str, MessageObject]],
) -> list[tuple[str, MessageObject]]:
    """The protocol lists the newest first, also within one second."""
    is_falling = rows[0][1].created_at > rows[-1][1].created_at
    return rows[::-1] if is_falling else rows


def _objects(path: Path, text: str, report: Report) -> Iterator[tuple[str, Any]]:
    """Every object with its place, out of lists too."""
    for line, value in _values(path, text, report):
        place = f"{path}:{line}"
        if isinstance(value, dict) and value.get("object") == "list":
            value = value.get("data")
            if not isinstance(value, list):
                report.refuse(place, "a list without data.")
                continue
        if isinstance(value, list):
            yield from ((f"{place} [{n}]", one) for n, one in enumerate(value))
        else:
            yield place, value


def _values(path: Path, text: str, report: Report) -> Iterator[tuple[int, Any]]:
    """The JSON values that follow one another, with the line each begins on."""
    decoder = json.JSONDecoder()
    line, counted = 1, 0
    start = NOT_SPACE.search(text)
    while start:
        begin = start.start()
        line, counted = line + text.count("\n", counted, begin), begin
        try:
            value, end = decoder.raw_decode(text, begin)
            yield line, value
            start = NOT_SPACE.search(text, end)
        except (ValueError, RecursionError):
            report.refuse(f"{path}:{line}", "is no JSON.")
            start = NEXT_VALUE.search(text, begin + 1)


def _shaped(value: Any) -> Shape:
    """The object in its shape. Raises ValueError with what is wrong with it."""
    if not isinstance(value, dict):
        raise ValueError("is no JSON object.")
    kind = value.get("object")
    shape = SHAPES.get(kind) if isinstance(kind, str) else None
    if shape is None:
        known = ", ".join(SHAPES)
        raise ValueError(f"its object is {kind!r}, not one of {known}.")
    refuse_unstorable(value)
    try:
        return shape.model_validate(without_nul(value))
    except ValidationError as error:
        raise ValueError(_reason(error)) from error


def refuse_unstorable(value: Any) -> None:
    """Raises ValueError for what JSON may spell but no database takes."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise ValueError("has half a character, a lone surrogate.") from None
    except ValueError:
        raise ValueError("has a number beyond all bounds.") from None


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    words = first["msg"].removeprefix("Value error, ")
    return f"{where}: {words}." if where else f"{words}."
