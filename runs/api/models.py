"""Models: what the configured model servers offer."""

from __future__ import annotations

import time
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from openai.types import Model

from runs import providers
from runs.api.app import new_router
from runs.api.auth import ApiRequest
from runs.api.errors import ApiError
from runs.api.lists import ListOf

router = new_router("Models")

KEPT_SECONDS = 60.0
UNKNOWN_TIME = 0  # model servers do not agree on what a model's time is
QUICK = {"connect_timeout": 3, "first_token_timeout": 4, "silence_timeout": 4}


class Offer:
    """What was offered when the servers were last asked."""

    def __init__(self) -> None:
        self._models: dict[str, str] = {}
        self._until = 0.0

    def models(self) -> dict[str, str]:
        """The name of the server for each model; asked anew once KEPT_SECONDS are over."""
        if time.monotonic() >= self._until:
            self._models = async_to_sync(_ask)()
            self._until = time.monotonic() + KEPT_SECONDS
        return self._models


offer = Offer()


@router.get("models", response=ListOf[Model])
def list_models(request: ApiRequest) -> Any:
    """The models of the configured servers. One that is away is left out."""
    data = [_shown(name, server) for name, server in offer.models().items()]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": False,
    }


@router.get("models/{path:model}", response=Model)
def retrieve_model(request: ApiRequest, model: str) -> Any:
    """One model. Its name may have slashes."""
    server = offer.models().get(model)
    if server is None:
        message = f"The model '{model}' does not exist or you do not have access to it."
        raise ApiError(404, message, param="model", code="model_not_found")
    return _shown(model, server)


def _shown(name: str, server: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": UNKNOWN_TIME,
        "owned_by": server,
    }


async def _ask() -> dict[str, str]:
    chosen = [
        providers.Server(name=name, **known | QUICK)
        for name, known in settings.MODEL_SERVERS.items()
        if name == settings.DEFAULT_MODEL_SERVER or known.get("base_url")
    ]
    return await providers.offered([(one, providers.connect(one)) for one in chosen])
