"""Every exception as the protocol's error: status, message, type, param and code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from ninja.errors import AuthenticationError, HttpError

from runs import access, actions, conversations
from runs.api.envelope import INVALID_REQUEST, SERVER_ERROR, failure
from runs.queue import TooManyWaiting

log = logging.getLogger(__name__)

SAFE = ("GET", "HEAD", "OPTIONS")
RETRY_AFTER = "5"  # seconds until the line is worth another try
NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization "
    "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you "
    "aren't using your HTTP library correctly. The API expects a JSON payload, but what "
    "was sent was not valid JSON.)"
)
INTERNAL = "The server had an error while processing your request."


class ApiError(Exception):
    """An answer other than success, with all that a client may read from it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        type: str = INVALID_REQUEST,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.param, self.code, self.type = param, code, type
        self.headers = headers

    def response(self) -> HttpResponse:
        return failure(
            self.status,
            self.message,
            param=self.param,
            code=self.code,
            type=self.type,
            headers=self.headers,
        )


def not_found(kind: str, key: str) -> ApiError:
    """For a ``kind`` such as "thread" or "run step"; the same for absent and foreign."""
    return ApiError(404, f"No {kind} found with id '{key}'.")


def respond(request: HttpRequest, error: Exception) -> HttpResponse:
    """The answer to a request that ended with this exception; never raises."""
    api_error = as_api_error(error)
    if api_error is None:
        log.error(
            "%s %s failed (%s)",
            request.method,
            request.path,
            getattr(request, "request_id", "-"),
            exc_info=error,
        )
        # A client that sent it again might do twice what was done before the failure.
        again = {} if request.method in SAFE else {"x-should-retry": "false"}
        api_error = ApiError(500, INTERNAL, type=SERVER_ERROR, headers=again)
    return api_error.response()


def as_api_error(error: Exception) -> ApiError | None:
    """What the exception says to a client; None for one that nobody foresaw."""
    if isinstance(error, ApiError):
        return error
    for kind, make in MEANINGS:
        if isinstance(error, kind):
            return make(error)
    return None


def _busy(error: Any) -> ApiError:
    run = error.run
    return ApiError(400, f"Thread {run.thread_id} already has an active run {run.pk}.")


def _refused(error: Exception) -> ApiError:
    return ApiError(400, str(error))


def _in_use(error: Any) -> ApiError:
    run = error.run
    message = (
        f"Can't delete messages of {run.thread_id} that the active run {run.pk} needs."
    )
    return ApiError(400, message)


def _full(error: Exception) -> ApiError:
    return ApiError(
        429,
        str(error),
        type="requests",
        code="rate_limit_exceeded",
        headers={"retry-after": RETRY_AFTER},
    )


def _missing(error: Exception) -> ApiError:
    return ApiError(404, str(error))


def _no_key(error: Exception) -> ApiError:
    return ApiError(401, NO_KEY)


def _of_ninja(error: Any) -> ApiError:
    """Ninja wraps what the parser of the body raised."""
    if isinstance(error.__cause__, ApiError):
        return error.__cause__
    return ApiError(error.status_code, error.message)


def _too_big(error: Exception) -> ApiError:
    return ApiError(413, str(error), code="request_too_large")


# The first that fits is used, so a class stands before its parents.
MEANINGS: tuple[tuple[type[Exception], Callable[[Any], ApiError]], ...] = (
    (conversations.ThreadIsBusy, _busy),
    (conversations.ThreadIsFull, _refused),
    (conversations.MessageInUse, _in_use),
    (actions.NotCancellable, _refused),
    (actions.NotRetryable, _refused),
    (actions.InvalidInput, _refused),
    (TooManyWaiting, _full),
    (access.NotFound, _missing),
    (Http404, _missing),
    (AuthenticationError, _no_key),
    (HttpError, _of_ninja),
    (RequestDataTooBig, _too_big),
    (SuspiciousOperation, _refused),
)
