"""What the tests of the providers share: one question, and ways to hear the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from runs import providers
from runs.providers import Prompt, PromptMessage, Provider, ProviderError, Server
from runs.providers.wire import Incoming, Reader
from tests.model_server import ModelServer, Script

KEY = "sk-test-0123456789abcdef"
PROMPT = Prompt("scripted", "Be brief.", (PromptMessage("user", "Hello?"),))
FORMATS = pytest.mark.parametrize("kind", ["responses", "chat_completions"])


@asynccontextmanager
async def connected(
    kind: Any, *scripts: Script, **fields: Any
) -> AsyncIterator[tuple[ModelServer, Provider]]:
    """A scripted server and a provider for it, impatient unless `fields` say else."""
    patience = {"first_token_timeout": 2, "silence_timeout": 2}
    async with ModelServer() as server:
        server.enqueue(*scripts)
        values = {"base_url": server.url, "api_key": KEY, **patience, **fields}
        provider = providers.connect(Server(name="scripted", kind=kind, **values))
        try:
            yield server, provider
        finally:
            await provider.aclose()


async def heard(
    provider: Provider, prompt: Prompt = PROMPT
) -> tuple[list[Any], ProviderError | None]:
    """All values of an answer, and the error that ended it."""
    values: list[Any] = []
    try:
        async with aclosing(provider.stream(prompt)) as stream:
            async for value in stream:
                values.append(value)
    except ProviderError as error:
        return values, error
    return values, None


async def failure(kind: str, script: Script, **fields: Any) -> ProviderError:
    """The error that the script leads to."""
    async with connected(kind, script, **fields) as (_, provider):
        _, error = await heard(provider)
    assert error
    return error


def read(reader: Reader, *lines: str | bytes, limit: int = 100_000) -> list[Any]:
    """What a reader makes of these lines, up to and with the end of the stream."""
    server = Server(name="unit", kind="responses", max_line_bytes=limit)
    incoming = Incoming(server, reader)
    values: list[Any] = []
    for line in lines:
        encoded = line.encode() if isinstance(line, str) else line
        values += incoming.contents(encoded + b"\n")
    return [*values, *incoming.end()]
