"""What went wrong at a model server, as a ProviderError that a chat user understands.

The provider's own words are appended when there are any: shortened, without keys.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import httpx2
import jiter

from runs.providers.base import ProviderError, Server

MAX_UPSTREAM_TEXT = 500
# Anything shorter is a placeholder such as "none", and may be an honest word.
SHORTEST_KEY = 8

SENTENCES = {
    "rate_limited": "The model server is limiting the rate of requests at the moment.",
    "quota": "The account at the model server has no quota left.",
    "authentication": "The model server did not accept the API key or its rights.",
    "not_found": "The model server does not know this model or this address.",
    "invalid_request": "The model server rejected the request.",
    "context_length_exceeded": "The conversation is too long for this model.",
    "content_filter": "The content filter of the model server stopped the request.",
    "server_error": "The model server had an error of its own.",
    "redirected": (
        "The model server answered with a redirect, which is not followed;"
        " its base URL needs correcting."
    ),
}

# What servers call the cases that a status alone does not tell apart.
WORDS = {
    "context_length_exceeded": "context_length_exceeded",
    "exceed_context_size_error": "context_length_exceeded",
    "string_above_max_length": "context_length_exceeded",
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "content_filter": "content_filter",
    "content_policy_violation": "content_filter",
    "responsibleaipolicyviolation": "content_filter",
    "bio_policy": "content_filter",
    "misalignment_policy_violation": "content_filter",
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "too_many_requests": "rate_limited",
    "toomanyrequestserror": "rate_limited",
    "invalid_api_key": "authentication",
    "authentication_error": "authentication",
    "permission_error": "authentication",
    "model_not_found": "not_found",
    "not_found_error": "not_found",
    "notfounderror": "not_found",
    "invalid_prompt": "invalid_request",
    "invalid_request_error": "invalid_request",
    "badrequesterror": "invalid_request",
}

CONTEXT_LENGTH = re.compile(
    r"context[ _](length|window|size)|maximum context|prompt is too long"
    r"|too many (input )?tokens|input is too long|exceeds? .{0,40}token limit",
    re.IGNORECASE,
)
# Servers like to quote the key they refused, whole or with stars in its middle.
SECRETS = re.compile(
    r"\bbearer\s+\S+|\b(?:sk|pk|gsk|xai|hf)[-_][\w*-]{6,}|\S*\*{3,}\S*",
    re.IGNORECASE,
)


def from_status(
    status: int, headers: Mapping[str, str], body: object, server: Server
) -> ProviderError:
    """The error for a response that is not 2xx; `body` is decoded JSON or text."""
    words, text = _said(body)
    if 300 <= status < 400:
        return ProviderError("redirected", SENTENCES["redirected"])
    case = _case(status, words, text)
    retry_after = _retry_after(headers) if case != "quota" else None
    return _error(case, text, server, retry_after=retry_after)


def from_stream(error: object, server: Server) -> ProviderError:
    """The error for one that was sent in the stream in place of more content."""
    words, text = _said(error)
    status = next((int(word) for word in words if word.isdecimal()), 0)
    return _error(_case(status, words, text), text, server)


def from_exception(error: BaseException, *, is_open: bool) -> ProviderError:
    """The error for a failure of the connection, before or in the response."""
    causes = list(_causes(error))
    if is_open:
        sentence = "The connection to the model server broke off in mid-answer."
        return ProviderError("connection", sentence, retryable=True)
    for kinds, sentence, retryable in _CONNECTING:
        if any(isinstance(cause, kinds) for cause in causes):
            return ProviderError("connection", sentence, retryable=retryable)
    if any(isinstance(cause, MALFORMED) for cause in causes):
        sentence = "The address or the API key of the model server is malformed."
        return ProviderError("invalid_request", sentence)
    sentence = "The model server cannot be reached."
    return ProviderError("connection", sentence, retryable=True)


def truncated() -> ProviderError:
    """The stream ended and nobody said that the answer was finished."""
    sentence = "The model server cut the answer off before its end."
    return ProviderError("upstream_truncated", sentence)


def garbage(what: str) -> ProviderError:
    """The server sent `what` in place of an answer."""
    return ProviderError("garbage", f"The model server sent {what}.")


WEB_PAGE = (
    "a web page instead of an answer; its base URL may be wrong,"
    " or a proxy in between has failed"
)

MALFORMED = (ValueError, httpx2.UnsupportedProtocol)

_CONNECTING: list[tuple[tuple[type[BaseException], ...], str, bool]] = [
    (
        (aiohttp.ClientConnectorDNSError,),
        "The model server cannot be reached: its name is not known.",
        True,
    ),
    (
        (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch),
        "The model server cannot be reached: its certificate was not accepted.",
        False,
    ),
    (
        (aiohttp.ClientSSLError,),
        "The model server cannot be reached: no secure connection could be made.",
        False,
    ),
    (
        (aiohttp.ClientConnectorError, ConnectionRefusedError),
        "The model server cannot be reached: nothing answers at its address.",
        True,
    ),
    (
        (TimeoutError,),
        "The model server cannot be reached: it did not answer in time.",
        True,
    ),
    (
        (aiohttp.ServerDisconnectedError, ConnectionResetError),
        "The model server closed the connection without an answer.",
        True,
    ),
]


def _error(
    case: str, text: str, server: Server, *, retry_after: float | None = None
) -> ProviderError:
    code = "rate_limited" if case == "quota" else case
    said = _without_secrets(text, server)
    sentence = SENTENCES[case] + (f" It said: {said}" if said else "")
    return ProviderError(
        code,
        sentence,
        retryable=case in ("rate_limited", "server_error"),
        retry_after=retry_after if case in ("rate_limited", "server_error") else None,
    )


def _case(status: int, words: list[str], text: str) -> str:
    """Which of SENTENCES it is: by the server's own word, then by the status."""
    named = [WORDS[word] for word in words if word in WORDS]
    if "context_length_exceeded" in named or (
        status in (0, 400, 413, 422, 500) and CONTEXT_LENGTH.search(text)
    ):
        return "context_length_exceeded"
    if "quota" in named or status == 402:
        return "quota"
    by_status = {401: "authentication", 403: "authentication", 404: "not_found"}
    if status in by_status:
        return by_status[status]
    if status == 429:
        return "rate_limited"
    if status >= 500 or status in (408, 409):
        return "server_error"
    if named:
        return min(named, key=lambda name: name == "invalid_request")
    return "invalid_request" if 400 <= status < 500 else "server_error"


def _said(body: object) -> tuple[list[str], str]:
    """The machine words and the text of an error in any of the shapes in use."""
    if isinstance(body, str | bytes):
        return [], _plain(body)
    if not isinstance(body, dict):
        return [], ""
    error = body.get("error")
    inner: dict[str, Any] = {**body, **error} if isinstance(error, dict) else body
    words = [
        str(inner[key]).lower() for key in ("code", "type", "status") if inner.get(key)
    ]
    texts = (inner.get("message"), inner.get("detail"), error)
    text = next((text for text in texts if text and isinstance(text, str)), "")
    if not text and inner.get("detail"):
        text = str(inner["detail"])
    return words, text


def _plain(body: str | bytes) -> str:
    text = body.decode(errors="replace") if isinstance(body, bytes) else body
    if text.lstrip().startswith("<"):
        return ""
    if text.lstrip().startswith("{"):
        try:
            return _said(jiter.from_json(text.encode(errors="replace")))[1]
        except ValueError:
            return ""
    return text


def _without_secrets(text: str, server: Server) -> str:
    """Printable, on one line, at most 500 characters; keys go before the cut."""
    if len(server.api_key) >= SHORTEST_KEY:
        text = text.replace(server.api_key, "[key]")
    text = SECRETS.sub("[key]", text[: 20 * MAX_UPSTREAM_TEXT])
    text = " ".join(text.split())
    text = "".join(char for char in text if char.isprintable())
    if len(text) > MAX_UPSTREAM_TEXT:
        text = text[: MAX_UPSTREAM_TEXT - 1] + "…"
    return text


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until the server wants to be asked again, or None."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            seconds = float(milliseconds) / 1000
        elif (value := headers.get("retry-after", "")).replace(".", "", 1).isdecimal():
            seconds = float(value)
        else:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes
