"""The connection to one model server through the `openai` package.

The package makes the request; the answer is read as raw lines, which costs a third of
its typed events and lets every fault of a stream be seen and named.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeAlias

import httpx2
import jiter
import openai

from runs.providers import body, errors
from runs.providers.base import Prompt, ProviderError, Sent, Server, Value
from runs.providers.watchdog import Patience, Watchdog
from runs.providers.wire import Incoming, Reader

OPENAI_URL = "https://api.openai.com/v1"
YIELD_EVERY = 16
MAX_LIST_BYTES = 10_000_000
POOL_TIMEOUT = 5
# Many servers drop a connection that was idle for 5 s: give it up before they do.
KEEP_ALIVE = 4
MAX_CONNECTIONS = 1000

Opening: TypeAlias = AbstractAsyncContextManager[Any, bool | None]
Request: TypeAlias = Callable[[openai.AsyncOpenAI, str, Prompt], Opening]


class Upstream:
    """One model server: its client with pooled connections, used in one event loop."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._client: openai.AsyncOpenAI | None = None
        self._first_model = ""

    @property
    def client(self) -> openai.AsyncOpenAI:
        """Made at the first use: certificates are read from disk then."""
        if self._client is None:
            self._client = open_client(self.server)
        return self._client

    async def answer(
        self, prompt: Prompt, request: Request, reader: Reader
    ) -> AsyncGenerator[Value, None]:
        """Sends one request and yields its answer; see Provider.stream."""
        model = prompt.model or await self._default_model()
        watchdog = Watchdog(self.server)
        incoming = Incoming(self.server, reader)
        yielded = 0
        async with AsyncExitStack() as stack:
            opening = request(self.client, model, prompt)
            response = await self._open(stack, opening, watchdog)
            await body.refuse_other_than_stream(response, watchdog, self.server)
            yield Sent(response.headers.get("x-request-id", ""))
            chunks = _chunks(response, watchdog, reader)
            stack.push_async_callback(chunks.aclose)
            async for chunk in chunks:
                before = yielded
                for content in incoming.contents(chunk):
                    yield content
                    yielded += 1
                    if yielded % YIELD_EVERY == 0:
                        await asyncio.sleep(0)
                watchdog.note(reader, has_content=yielded > before)
        for value in incoming.end():
            yield value

    async def models(self) -> list[str]:
        """The ids that GET /models lists, in the server's order."""
        watchdog = Watchdog(self.server)
        async with AsyncExitStack() as stack:
            opening: Opening = self.client.models.with_streaming_response.list()
            response = await self._open(stack, opening, watchdog)
            listed = await body.read(response, watchdog, MAX_LIST_BYTES)
        try:
            return [str(model["id"]) for model in jiter.from_json(listed)["data"]]
        except (ValueError, TypeError, KeyError):
            raise errors.garbage("something else than a list of models") from None

    async def aclose(self) -> None:
        """Closes the pooled connections."""
        if self._client is not None:
            await self._client.close()

    async def _default_model(self) -> str:
        if self.server.default_model:
            return self.server.default_model
        if not self._first_model:
            models = await self.models()
            if not models:
                raise ProviderError("not_found", "The model server offers no model.")
            self._first_model = models[0]
        return self._first_model

    async def _open(
        self, stack: AsyncExitStack, opening: Opening, watchdog: Watchdog
    ) -> httpx2.Response:
        """Sends the request and waits for the headers of a good response."""
        try:
            async with asyncio.timeout_at(watchdog.deadline):
                response = await stack.enter_async_context(opening)
        except openai.APIStatusError as error:
            raise errors.from_status(
                error.status_code, error.response.headers, error.body, self.server
            ) from None
        except TimeoutError:
            raise watchdog.error(is_open=False) from None
        except (*body.TRANSPORT_ERRORS, ValueError) as error:
            raise errors.from_exception(error, is_open=False) from None
        http_response: httpx2.Response = response.http_response
        return http_response


async def _chunks(
    response: httpx2.Response, watchdog: Watchdog, reader: Reader
) -> AsyncGenerator[bytes, None]:
    """The body as it arrives, until its end. Raises ProviderError.

    An answer that is complete is not spoiled by how its connection ends.
    """
    patience = Patience(watchdog)
    async with AsyncExitStack() as stack:
        stack.callback(patience.close)
        chunks = await stack.enter_async_context(
            contextlib.aclosing(body.chunks(response))
        )
        while True:
            try:
                with patience:
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                if reader.is_complete or reader.is_over:
                    return
                raise watchdog.error(is_open=True) from None
            except body.TRANSPORT_ERRORS as error:
                if reader.is_complete or reader.is_over:
                    return
                raise errors.from_exception(error, is_open=True) from None
            yield chunk


def open_client(server: Server) -> openai.AsyncOpenAI:
    """A client that follows no redirect, retries nothing and asks for plain bytes."""
    slowest = max(server.first_token_timeout, server.silence_timeout)
    timeout = httpx2.Timeout(
        connect=server.connect_timeout,
        read=None,  # The watchdog decides, and aiohttp would set a timer per chunk.
        write=slowest,
        pool=max(POOL_TIMEOUT, server.connect_timeout),
    )
    # Whatever is not given here, the package takes from the environment.
    client = openai.AsyncOpenAI(
        api_key=server.api_key or "none",
        admin_api_key="",
        organization="",
        project="",
        webhook_secret="",
        base_url=server.base_url or OPENAI_URL,
        timeout=timeout,
        max_retries=0,
        http_client=_http_client(timeout, has_key=bool(server.api_key)),
        default_headers={"Accept-Encoding": "identity"},
    )
    client.organization = client.project = None
    return client


def _http_client(timeout: httpx2.Timeout, *, has_key: bool) -> httpx2.AsyncClient:
    return openai.DefaultAioHttpClient(
        timeout=timeout,
        follow_redirects=False,
        limits=httpx2.Limits(
            max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEP_ALIVE
        ),
        event_hooks={
            "request": [] if has_key else [_without_key],
            "response": [body.bound_error_body],
        },
    )


async def _without_key(request: httpx2.Request) -> None:
    """The package does not work without a key, but not every server wants one."""
    request.headers.pop("Authorization", None)
