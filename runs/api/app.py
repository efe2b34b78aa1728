"""The ninja application: how requests are read, answers written, errors said."""

from __future__ import annotations

import json
from math import isinf
from typing import Any

from django.http import Http404, HttpRequest
from ninja import NinjaAPI, Router
from ninja.errors import HttpError, ValidationError, ValidationErrorContext
from ninja.parser import Parser
from ninja.renderers import JSONRenderer
from pydantic_core import from_json

from runs.api import errors, validation
from runs.api.auth import Bearer
from runs.models.fields import without_nul


class StrictParser(Parser):
    """JSON as its standard has it: no NaN, no lone surrogates; and no NUL."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            parsed = without_nul(from_json(request.body, allow_inf_nan=False))
            refuse_infinity(parsed)
        except ValueError as error:
            raise errors.ApiError(400, errors.NOT_JSON) from error
        asked: Any = request
        asked.parsed = parsed  # for messages that name the place of a mistake
        return parsed

    def parse_querydict(self, data: Any, list_fields: list[str], request: Any) -> Any:
        """Ids with a NUL are no ids, but PostgreSQL must not see them."""
        parsed = super().parse_querydict(data, list_fields, request)
        return {
            key: value.replace("\0", "\ufffd") if isinstance(value, str) else value
            for key, value in parsed.items()
        }


def refuse_infinity(value: Any) -> None:
    """Raises ValueError where a number is too large for a float, such as 1e400: no
    database takes that."""
    if isinstance(value, float) and isinf(value):
        raise ValueError("A number is too large.")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            refuse_infinity(item)


class PlainRenderer(JSONRenderer):
    json_dumps_params = {"ensure_ascii": False, "separators": (",", ":")}

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> Any:
        return json.dumps(data, **self.json_dumps_params)


class Api(NinjaAPI):
    """Ninja, with the protocol's errors in place of its own."""

    def validation_error_from_error_contexts(
        self, error_contexts: list[ValidationErrorContext[Any]]
    ) -> Any:
        return validation.Invalid(error_contexts)

    def get_openapi_operation_id(self, operation: Any) -> str:
        """The name of the view, which is unique: it goes into generated clients."""
        return str(operation.view_func.__name__)


def new_router(tag: str) -> Router:
    """A router whose answers hold just what ``objects`` gave, under public names."""
    return Router(tags=[tag], by_alias=True, exclude_unset=True)


api = Api(
    title="Threadmill API",
    version="1",
    openapi_url=None,
    docs_url=None,
    auth=Bearer(),
    parser=StrictParser(),
    renderer=PlainRenderer(),
    urls_namespace="v1",
)
api.add_exception_handler(validation.Invalid, validation.respond)
handler: Any = errors.respond
for kind in (Exception, Http404, HttpError, ValidationError):
    api.add_exception_handler(kind, handler)
