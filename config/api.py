"""The door of /v1. The API behind it is loaded when the first request comes.

It costs 42 MB and more than a second, which an installation that only chats should not
spend. Whatever happens, the answer is the API's JSON.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.security import SecurityMiddleware
from django.utils.decorators import async_only_middleware
from django.views import defaults

from runs.api.envelope import SERVER_ERROR, failure
from runs.ids import new_id

log = logging.getLogger(__name__)

VERSION = "2020-10-01"  # of the protocol, as the original said it
WRONG_HOST = "The request cannot be served under this host name."
NOT_TO_BE_SHOWN = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
}


@async_only_middleware
def door(get_response: Any) -> Any:
    """The first middleware: what is for the API goes no further.

    So nothing of it ever sees a cookie, a session or a form's token, and no request goes
    through the threads that the others take it through.
    """
    security = SecurityMiddleware(get_response)

    async def answered(request: HttpRequest) -> HttpResponseBase:
        response = await dispatch(request)
        for name, value in NOT_TO_BE_SHOWN.items():
            response.headers.setdefault(name, value)
        if isinstance(response, HttpResponse):
            response["Content-Length"] = str(len(response.content))
        security.process_response(request, response)  # type: ignore[arg-type]
        return response

    async def outer(request: HttpRequest) -> HttpResponseBase:
        if is_for_api(request):
            return await answered(request)
        passed_on: HttpResponseBase = await get_response(request)
        return passed_on

    return outer


async def dispatch(request: HttpRequest) -> HttpResponseBase:
    """Find the view and call it. Every answer names its request and what it took."""
    begun = time.monotonic()
    asked: Any = request
    response: HttpResponseBase
    asked.request_id = new_id("req")
    try:
        request.get_host()
        is_loaded = _loaded.cache_info().currsize
        serve = _loaded() if is_loaded else await asyncio.to_thread(_loaded)
        response = await serve(asked)
    except DisallowedHost:
        response = failure(400, WRONG_HOST)
    except Exception:
        log.exception("%s failed (%s)", request.path, asked.request_id)
        response = failure(500, "The API cannot be used.", type=SERVER_ERROR)
    took = round((time.monotonic() - begun) * 1000)
    response["x-request-id"] = asked.request_id
    response["openai-version"] = VERSION
    response["openai-processing-ms"] = str(took)
    # What a client does wrong is told to the client; Django would fill the log with it.
    logged: Any = response
    logged._has_been_logged = True
    return response


@cache
def _loaded() -> Callable[[Any], Awaitable[HttpResponseBase]]:
    from runs.api.urls import serve  # noqa: PLC0415 - see above

    return serve


# What fails before it comes to the door.


def is_for_api(request: HttpRequest) -> bool:
    return f"{request.path_info}/".startswith("/v1/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not is_for_api(request):
        return defaults.bad_request(request, exception)
    return failure(400, "The request cannot be read.")


def server_error(request: HttpRequest) -> HttpResponseBase:
    if not is_for_api(request):
        return defaults.server_error(request)
    return failure(500, "The server had an error.", type=SERVER_ERROR)
