"""All routes of the API, and how a request reaches its view. Importing this loads it."""

from __future__ import annotations

from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpResponseBase
from django.urls import Resolver404, URLResolver
from django.urls.resolvers import RegexPattern

from runs.api import (
    assistants,
    errors,
    files,
    messages,
    models,
    one_call,
    openapi,
    runs,
    steps,
    threads,
)
from runs.api.app import api

# Runs before threads: "threads/runs" is no thread.
for module in (
    assistants,
    runs,
    steps,
    one_call,
    threads,
    messages,
    files,
    models,
    openapi,
):
    api.add_router("", module.router)

# Without ninja's page at the root, which there is none of.
patterns = [route for route in api.urls[0] if getattr(route, "name", "") != "api-root"]
resolver = URLResolver(RegexPattern(r"^/v1/"), patterns)


async def serve(request: Any) -> HttpResponseBase:
    """The answer to a request whose address begins with /v1; raises nothing."""
    if request.method == "HEAD":
        request.method = "GET"  # the server leaves the body out
    try:
        view, args, kwargs = resolver.resolve(request.path_info)
        _take_body(request)
        if iscoroutinefunction(view):
            response = await view(request, *args, **kwargs)
        else:
            response = await sync_to_async(view)(request, *args, **kwargs)
    except Resolver404:
        message = f"Unknown request URL: {request.method} {request.path}."
        return errors.ApiError(404, message, code="unknown_url").response()
    except Exception as error:  # noqa: BLE001 - it is logged there
        return errors.respond(request, error)
    return _not_allowed(request, response) if response.status_code == 405 else response


def _take_body(request: Any) -> None:
    """Read the JSON body, up to its limit; clients send none where they have nothing to
    say. Uploads are read as streams, by their view. Raises ApiError, 413."""
    if request.method != "POST" or request.content_type == "multipart/form-data":
        return
    most = int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    body = request.read(most + 1)
    if len(body) > most:
        message = f"The body of this request is larger than {most:,} bytes."
        raise errors.ApiError(413, message, code="request_too_large")
    request._body = body or b"{}"


def _not_allowed(request: Any, response: HttpResponseBase) -> HttpResponseBase:
    message = f"Invalid method for URL ({request.method} {request.path})."
    allow = {"Allow": response["Allow"]}
    error = errors.ApiError(405, message, code="method_not_supported", headers=allow)
    return error.response()
