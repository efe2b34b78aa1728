"""What models there are to choose from, over all servers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from runs.providers.base import Provider, ProviderError, Server


async def offered(providers: Sequence[tuple[Server, Provider]]) -> dict[str, str]:
    """The name of the server for each model; all servers are asked at the same time.

    A server's default model is offered in any case: one that cannot be asked just now,
    or names no models, adds nothing else. Of two servers with one model the first has it.
    """
    listed = await asyncio.gather(*(_models(*pair) for pair in providers))
    found: dict[str, str] = {}
    for (server, _), models in zip(providers, listed, strict=True):
        for model in models:
            found.setdefault(model, server.name)
    return found


async def _models(server: Server, provider: Provider) -> list[str]:
    first = [server.default_model] if server.default_model else []
    try:
        return first + await provider.models()
    except ProviderError:
        return first
    finally:
        await provider.aclose()
