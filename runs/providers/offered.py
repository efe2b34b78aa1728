"""What models there are to choose from, over all servers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from runs.providers.base import Provider, ProviderError, Server


@dataclass(slots=True)
class Offered:
    """The name of the server for each model, and the servers that could not be asked."""

    models: dict[str, str] = field(default_factory=dict)
    away: list[str] = field(default_factory=list)


async def offered(providers: Sequence[tuple[Server, Provider]]) -> Offered:
    """What these servers offer; all are asked at the same time.

    A server's default model is offered in any case: one that cannot be asked just now,
    or names no models, adds nothing else. Of two servers with one model the first has it.
    """
    listed = await asyncio.gather(*(_models(provider) for _, provider in providers))
    found = Offered()
    for (server, _), models in zip(providers, listed, strict=True):
        if models is None:
            found.away.append(server.name)
        first = [server.default_model] if server.default_model else []
        for model in (*first, *(models or ())):
            found.models.setdefault(model, server.name)
    return found


async def _models(provider: Provider) -> list[str] | None:
    """What it lists; None if it cannot be asked just now."""
    try:
        return await provider.models()
    except ProviderError:
        return None
    finally:
        await provider.aclose()
