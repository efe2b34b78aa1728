"""The JSON of an error. Light, for it is also needed where the API is not loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import JsonResponse

INVALID_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"


def failure(
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    type: str = INVALID_REQUEST,
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    """An answer that says what is wrong, in the one shape that clients read."""
    error: dict[str, Any] = {
        "message": message,
        "type": type,
        "param": param,
        "code": code,
    }
    return JsonResponse({"error": error}, status=status, headers=dict(headers or {}))
