"""The API's description as a page for people shows it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from runs.api import (
    examples,
    openapi,
    urls,  # noqa: F401 - puts the routes together
)

Schema = dict[str, Any]

ORDER = ("Assistants", "Threads", "Messages", "Runs", "Run steps", "Files", "Models")
NO_LIMIT = 2**31 - 1  # where there is one for the database's sake only
PLACEHOLDER = re.compile(r"\{(\w+)\}")
SENTENCE = re.compile(r"(?<=[.])\s+")


@dataclass(frozen=True, kw_only=True)
class Field:
    """A parameter or a field of a body."""

    name: str
    where: str
    kind: str
    is_required: bool


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One route and method, with what it takes, gives, and looks like in use."""

    id: str
    method: str
    path: str
    summary: str
    more: str
    fields: list[Field]
    answer: str
    python: str
    curl: str


@dataclass(frozen=True, kw_only=True)
class Group:
    name: str
    operations: list[Operation]

    @property
    def anchor(self) -> str:
        return self.name.lower().replace(" ", "-")


def context(base_url: str) -> dict[str, Any]:
    """What the template needs; ``base_url`` ends in /v1."""
    groups: dict[str, list[Operation]] = {name: [] for name in ORDER}
    for path, operations in document()["paths"].items():
        for method, described in operations.items():
            one = _operation(base_url, path, method, described)
            groups.setdefault(described["tags"][0], []).append(one)
    shown = [Group(name=name, operations=ops) for name, ops in groups.items() if ops]
    return {"groups": shown, "base_url": base_url}


def document() -> Schema:
    """The OpenAPI document of all routes."""
    return openapi.document()


def _operation(base_url: str, path: str, method: str, described: Schema) -> Operation:
    name = described["operationId"]
    words = " ".join(described["description"].replace("``", "").split())
    first, *rest = SENTENCE.split(words)
    return Operation(
        id=name,
        method=method.upper(),
        path=path,
        summary=first.rstrip("."),
        more=" ".join(rest),
        fields=[*_parameters(described), *_required_first(_body(described))],
        answer=_answer(described),
        python=examples.PYTHON.get(name, ""),
        curl=curl(base_url, path, method, name),
    )


def _parameters(described: Schema) -> Iterator[Field]:
    for one in described["parameters"]:
        yield Field(
            name=one["name"],
            where=one["in"],
            kind=kind_of(one["schema"]),
            is_required=one["required"],
        )


def _body(described: Schema) -> Iterator[Field]:
    content = described.get("requestBody", {}).get("content", {})
    for body in content.values():
        shape = _resolved(body["schema"])
        for name, schema in shape.get("properties", {}).items():
            is_required = name in shape.get("required", ())
            yield Field(
                name=name, where="body", kind=kind_of(schema), is_required=is_required
            )


def _required_first(fields: Iterable[Field]) -> list[Field]:
    return sorted(fields, key=lambda field: not field.is_required)


def _answer(described: Schema) -> str:
    content = described["responses"][200]["content"]
    return " or ".join(
        kind_of(one["schema"]) if name == "application/json" else name
        for name, one in content.items()
    )


def _resolved(schema: Schema) -> Schema:
    """The schema itself, where there is only its name."""
    if "allOf" in schema:
        schema = schema["allOf"][0]
    if "$ref" not in schema:
        return schema
    found: Schema = document()["components"]["schemas"][_name(schema)]
    return found


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def kind_of(schema: Schema) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return _name(schema)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            kinds = dict.fromkeys(kind_of(one) for one in schema[several])
            return " or ".join(kind for kind in kinds if kind != "null")
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(json.dumps(value) for value in values)
    kind = str(schema.get("type", "anything"))
    if schema.get("format") == "binary":
        return "the bytes of the file"
    if kind == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    return f"{kind}{_limits(schema)}"


def _limits(schema: Schema) -> str:
    least = schema.get("minimum", schema.get("minLength"))
    most = schema.get("maximum", schema.get("maxLength"))
    unit = " characters" if "maxLength" in schema else ""
    if most is None or most >= NO_LIMIT:
        return "" if least is None else f", from {_figure(least)}"
    if not least and unit:
        return f", up to {_figure(most)}{unit}"
    return f", {_figure(least or 0)} to {_figure(most)}{unit}"


def _figure(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number:g}"


def curl(base_url: str, path: str, method: str, name: str) -> str:
    """The request as one types it into a shell."""
    address = base_url + PLACEHOLDER.sub(lambda m: examples.IDS[m[1]], path)
    lines = [f"curl {address}", '-H "Authorization: Bearer $THREADMILL_KEY"']
    if name == "create_file":
        lines += ["-F purpose=assistants", "-F file=@notes.txt"]
    elif name in examples.BODIES:
        body = json.dumps(examples.BODIES[name])
        lines += ['-H "Content-Type: application/json"', f"-d {shlex.quote(body)}"]
        lines[0] = (
            lines[0].replace("curl", "curl -N", 1) if "stream" in body else lines[0]
        )
    elif method != "get":
        lines[0] = lines[0].replace("curl", f"curl -X {method.upper()}", 1)
    return " \\\n  ".join(lines)
