"""The API's description in OpenAPI 3.1, made from the routes themselves."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from django.http import HttpRequest, JsonResponse
from ninja import Router
from ninja.openapi.schema import OpenAPISchema

from runs.api.app import api

router = Router()

REFERENCE = re.compile(r'"#/components/schemas/(\w+)"')
LIST_NAME = re.compile(r"^ListOf_(\w+)_$")
ABOUT = """\
The OpenAI Assistants protocol (v2): code written for it runs against this server when \
`base_url` ends in `/v1` and `api_key` is a key of this server. What is made here shows \
up in the chat, and the other way round."""
TEXT_OR_NULL = {"type": ["string", "null"]}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": TEXT_OR_NULL,
                "code": TEXT_OR_NULL,
            },
        }
    },
}
FAILED: dict[str, Any] = {
    "description": "Anything else, and why.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
EVENTS = {"text/event-stream": {"schema": {"type": "string"}}}
HEADERS: dict[str, Any] = {
    "x-request-id": {
        "description": "Names this request in the server's log.",
        "schema": {"type": "string"},
    }
}
IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same request with the same key is carried out once; for a day.",
    "schema": {"type": "string", "maxLength": 255},
}


class Description(OpenAPISchema):
    """Ninja's, with a name for each shape: the same name is not the same shape, since
    what clients send is ours and what they get is the ``openai`` package's."""

    def __init__(self) -> None:
        self._fresh: dict[str, Any] = {}
        self._names: dict[tuple[str, str], str] = {}
        super().__init__(api, "")

    def add_schema_definitions(self, definitions: dict[str, Any]) -> None:
        """Kept apart until they have their names."""
        self._fresh.update(definitions)

    def _create_schema_from_model(
        self, model: Any, *args: Any, **options: Any
    ) -> tuple[dict[str, Any], bool]:
        self._fresh = {}
        schema, required = super()._create_schema_from_model(model, *args, **options)
        root = str(schema.get("$ref", "")).rpartition("/")[2]
        root = LIST_NAME.sub(r"\1", root)
        is_input = options.get("mode") == "validation"
        names = {name: self._name(name, root, is_input) for name in self._fresh}
        for name, definition in self._fresh.items():
            self.schemas[names[name]] = _renamed(definition, names)
        return _renamed(schema, names), required

    def _name(self, name: str, root: str, is_input: bool) -> str:
        """The same for the same shape, another one for another."""
        shape = (name, self._whole(name))
        if shape not in self._names:
            plain = LIST_NAME.sub(r"\1List", name)
            other = f"{plain}Input" if is_input else f"{root}{plain}"
            free = [one for one in (plain, other) if one not in self._names.values()]
            self._names[shape] = [*free, f"{plain}{len(self._names)}"][0]
        return self._names[shape]

    def _whole(self, name: str) -> str:
        """The definition with those it refers to."""
        text = json.dumps(self._fresh[name], sort_keys=True)
        inner = set(REFERENCE.findall(text)) - {name}
        return text + "".join(self._whole(one) for one in sorted(inner))


def _renamed(schema: Any, names: dict[str, str]) -> Any:
    """The schema with the new names where it refers to others."""
    text = json.dumps(schema)
    return json.loads(
        REFERENCE.sub(lambda m: f'"#/components/schemas/{names[m[1]]}"', text)
    )


@router.get("openapi.json", include_in_schema=False)
def openapi_document(request: HttpRequest) -> Any:
    """This description, as JSON."""
    return JsonResponse(document())


@cache
def document() -> dict[str, Any]:
    """The description of all routes. Needs runs.api.urls to be imported."""
    made: dict[str, Any] = Description()
    made["info"]["description"] = ABOUT
    made["servers"] = [{"url": "/v1"}]
    made["components"]["schemas"]["Error"] = ERROR
    for operations in made["paths"].values():
        for operation in operations.values():
            _complete(operation, made["components"]["schemas"])
    return made


def _complete(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """What holds for many routes and so is said here once."""
    body = REFERENCE.findall(json.dumps(operation.get("requestBody", {})))
    if any("stream" in schemas[name]["properties"] for name in body):
        operation["responses"][200]["content"] |= EVENTS
    operation["responses"][200].setdefault("content", EVENTS)
    for response in operation["responses"].values():
        response["headers"] = HEADERS | response.get("headers", {})
    operation["responses"]["default"] = FAILED
    if operation["operationId"].startswith("create_"):
        operation["parameters"] = [*operation["parameters"], IDEMPOTENCY]
