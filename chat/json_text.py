"""JSON that a person types: what is wrong with it, in which line, in a person's words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from pydantic import TypeAdapter
from pydantic import ValidationError as Refused

Path = tuple[str | int, ...]

# What Python's parser says.
FAULTS = {
    "Expecting value": lazy("Expecting value"),
    "Expecting property name enclosed in double quotes": lazy(
        "Expecting property name enclosed in double quotes"
    ),
    "Expecting ':' delimiter": lazy("Expecting ':' delimiter"),
    "Expecting ',' delimiter": lazy("Expecting ',' delimiter"),
    "Illegal trailing comma before end of object": lazy(
        "Illegal trailing comma before end of object"
    ),
    "Illegal trailing comma before end of array": lazy(
        "Illegal trailing comma before end of array"
    ),
    "Extra data": lazy("Extra data"),
    "Unterminated string starting at": lazy("Unterminated string starting at"),
    "Invalid control character at": lazy("Invalid control character at"),
}
MOST_FAULTS = 5  # told at once
BEGINS: dict[str, list[Any]] = {"{": [None], "[": [0]}
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def parsed(text: str) -> Any:
    """The value. Raises ValidationError, which names line and column."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        place = {"line": error.lineno, "column": error.colno, "fault": _fault(error)}
        message = _("Line %(line)s, column %(column)s: %(fault)s.") % place
    except RecursionError:
        message = _("This is nested too deep.")
    except ValueError as error:
        message = str(error)
    raise ValidationError(message)


def _fault(error: json.JSONDecodeError) -> str:
    return str(FAULTS.get(error.msg, error.msg))


def _refuse(constant: str) -> None:
    raise ValueError(_("%(name)s is not JSON.") % {"name": constant})


def checked(shape: TypeAdapter[Any], value: Any, at: Path) -> Any:
    """The value in this shape, as it is stored; ``at`` is where in the text it stands.

    Raises Faults.
    """
    try:
        return shape.dump_python(
            shape.validate_python(value), by_alias=True, exclude_none=True
        )
    except Refused as refused:
        raise Faults(refused.errors(include_url=False), at) from None


class Faults(Exception):
    """What pydantic found wrong with a value in a text."""

    def __init__(self, problems: Iterable[Any], at: Path) -> None:
        super().__init__()
        self._found = [(at + _place(one), _words(one)) for one in problems]

    def told(self, text: str) -> list[str]:
        """Sentences with line and path."""
        lines = places(text)
        return [
            _("Line %(line)s, %(path)s: %(fault)s")
            % {"line": _line(lines, path), "path": written(path), "fault": fault}
            for path, fault in self._found[:MOST_FAULTS]
        ]


def places(text: str) -> dict[Path, int]:
    """The line, from 1, in which each value of a JSON text begins."""
    found: dict[Path, int] = {}
    path: list[Any] = []  # the last is None where a key comes next
    line, counted = 1, 0
    for token in TOKEN.finditer(text):
        line += text.count("\n", counted, token.start())
        counted = token.start()
        word = token[0]
        if word in ("}", "]"):
            path.pop()
        elif word == ",":
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None
        elif path and path[-1] is None:
            path[-1] = json.loads(word)
        elif word != ":":
            found[tuple(path)] = line
            path += BEGINS.get(word, [])
    return found


def written(path: Path) -> str:
    """The path as people write it, such as ``[0].parameters.properties``."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".") or _("the whole")


def _line(lines: Mapping[Path, int], path: Path) -> int:
    """The line of the value, or of the nearest one around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _place(problem: Any) -> Path:
    return (*problem["loc"], *problem.get("ctx", {}).get("at", ()))


def _words(problem: Any) -> str:
    kind = problem["type"]
    if kind in TYPES:
        return TYPES[kind]()
    return WORDS.get(kind, lambda one: f"{one['msg']}.")(problem)


def _own(problem: Any) -> str:
    """A sentence of ``runs.configuration`` without the path, which stands before it."""
    message = str(problem["ctx"]["message"])
    return message.split("': ", 1)[-1]


TYPES: dict[str, Callable[[], str]] = {
    "string_type": lambda: _("this must be a text in quotes."),
    "bool_type": lambda: _("this must be true or false."),
    "int_type": lambda: _("this must be a whole number."),
    "float_type": lambda: _("this must be a number."),
    "list_type": lambda: _("this must be a list in [ ]."),
    "dict_type": lambda: _("this must be an object in { }."),
    "model_type": lambda: _("this must be an object in { }."),
}
WORDS: dict[str, Callable[[Any], str]] = {
    "missing": lambda _one: _("this is missing."),
    "extra_forbidden": lambda _one: _("there is no such field."),
    "string_pattern_mismatch": lambda _one: _(
        "only letters without accents, digits, _ and - are allowed."
    ),
    "string_too_long": lambda one: (
        _("this is longer than %(most)s characters.")
        % {"most": one["ctx"]["max_length"]}
    ),
    "too_long": lambda one: (
        _("these are more than %(most)s.") % {"most": one["ctx"]["max_length"]}
    ),
    "own": _own,
}
