"""Models: what the model servers offer, seen through the API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import openai
import pytest
from openai import OpenAI

from runs import providers
from runs.providers import Offered, Provider, ProviderError, Server
from tests.api.conftest import Site


class Listing:
    """A provider of which only the list of models is wanted."""

    def __init__(self, *models: str, error: ProviderError | None = None) -> None:
        self._models, self._error = models, error
        self.is_closed = False

    async def models(self) -> list[str]:
        if self._error:
            raise self._error
        return list(self._models)

    async def aclose(self) -> None:
        self.is_closed = True

    def stream(self, prompt: object) -> AsyncIterator[object]:
        raise NotImplementedError


def server(name: str, default: str = "") -> Server:
    return Server(name=name, kind="chat_completions", default_model=default)


async def offered(*pairs: tuple[Server, Listing]) -> Offered:
    listed: list[tuple[Server, Provider]] = list(pairs)  # type: ignore[arg-type]
    return await providers.offered(listed)


def test_the_list_has_what_the_model_server_offers(client: OpenAI) -> None:
    models = client.models.list().data

    assert "scripted" in [model.id for model in models]
    for model in models:
        assert (model.object, model.owned_by) == ("model", "openai")
        assert isinstance(model.created, int)
        assert client.models.retrieve(model.id) == model


def test_a_model_that_nobody_offers_is_not_found(client: OpenAI) -> None:
    for name in ("gpt-none", "org/none"):
        with pytest.raises(openai.NotFoundError) as raised:
            client.models.retrieve(name)
        assert (raised.value.code, raised.value.param) == ("model_not_found", "model")


def test_models_need_a_key(site: Site) -> None:
    assert site.call("GET", "/models", key=None).status_code == 401
    assert site.call("GET", "/models/scripted", key=None).status_code == 401


async def test_a_server_that_is_away_does_not_fail_the_list() -> None:
    away = Listing(error=ProviderError("unreachable", "The server is away."))
    there = Listing("org/large", "small")

    found = await offered((server("a", "kept"), away), (server("b"), there))

    assert found.models == {"kept": "a", "org/large": "b", "small": "b"}
    assert found.away == ["a"]
    assert away.is_closed
    assert there.is_closed


async def test_of_two_servers_with_one_model_the_first_has_it() -> None:
    found = await offered(
        (server("a", "x"), Listing("x", "y")), (server("b"), Listing("y", "z"))
    )

    assert found == Offered(models={"x": "a", "y": "a", "z": "b"})


def test_the_servers_are_asked_once_a_minute(site: Site) -> None:
    asked = site.shell(
        "import json, runs.offers as m\n"
        "asked = []\n"
        "async def ask():\n"
        "    asked.append(1)\n"
        "    return m.Offered({'one': 'a'})\n"
        "m._ask = ask\n"
        "clock = [0.0]\n"
        "m.time.monotonic = lambda: clock[0]\n"
        "offer = m.Offer()\n"
        "seen = []\n"
        "for now in (0, 30, 59, 61, 100):\n"
        "    clock[0] = float(now)\n"
        "    offer.now()\n"
        "    seen.append(len(asked))\n"
        "print(json.dumps(seen))\n"
    )

    assert json.loads(asked) == [1, 1, 1, 2, 2]
