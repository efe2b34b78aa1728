"""Bodies of HTTP responses, never more of one than is wanted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import aiohttp
import httpx2
import jiter
import openai

from runs.providers import errors
from runs.providers.base import Server
from runs.providers.watchdog import Watchdog

MAX_ERROR_BYTES = 64 * 1024

TRANSPORT_ERRORS = (
    openai.APIConnectionError,
    httpx2.HTTPError,
    httpx2.StreamError,
    aiohttp.ClientError,
    OSError,
)


class _Beginning(httpx2.AsyncByteStream):
    """The first bytes of a body: an error needs no more, and may be endless."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_ERROR_BYTES
        async for chunk in self._stream:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                break

    async def aclose(self) -> None:
        await self._stream.aclose()


async def bound_error_body(response: httpx2.Response) -> None:
    """A response hook: the client reads the body of an error itself, and all of it."""
    if not response.is_success and isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Beginning(response.stream)


def chunks(response: httpx2.Response) -> AsyncGenerator[bytes, None]:
    """The body as it arrives, decoded where the server compresses it unasked."""
    if response.headers.get("content-encoding", "identity") == "identity":
        return response.aiter_raw()
    return response.aiter_bytes()


async def read(response: httpx2.Response, watchdog: Watchdog, limit: int) -> bytes:
    """A body that is not a stream, cut soon after `limit` bytes."""
    body = b""
    try:
        async with asyncio.timeout_at(watchdog.deadline):
            async with contextlib.aclosing(chunks(response)) as pieces:
                async for piece in pieces:
                    body += piece
                    if len(body) > limit:
                        break
    except TimeoutError:
        raise watchdog.error(is_open=True) from None
    except TRANSPORT_ERRORS as error:
        raise errors.from_exception(error, is_open=True) from None
    return body


async def refuse_other_than_stream(
    response: httpx2.Response, watchdog: Watchdog, server: Server
) -> None:
    """Raises ProviderError for a web page and for JSON, which is mostly an error."""
    content_type = response.headers.get("content-type", "").lower()
    if "html" in content_type:
        raise errors.garbage(errors.WEB_PAGE)
    if content_type.startswith("application/json"):
        body = await read(response, watchdog, MAX_ERROR_BYTES)
        with contextlib.suppress(ValueError):
            said = jiter.from_json(body)
            if isinstance(said, dict) and said.get("error"):
                raise errors.from_stream(said, server)
        raise errors.garbage("an answer in one piece where a stream was asked for")
