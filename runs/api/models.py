"""Models: what the configured model servers offer."""

from __future__ import annotations

from typing import Any

from openai.types import Model

from runs import offers
from runs.api.app import new_router
from runs.api.auth import ApiRequest
from runs.api.errors import ApiError
from runs.api.lists import ListOf

router = new_router("Models")

UNKNOWN_TIME = 0  # model servers do not agree on what a model's time is


@router.get("models", response=ListOf[Model])
def list_models(request: ApiRequest) -> Any:
    """The models of the configured servers. One that is away is left out."""
    data = [_shown(name, server) for name, server in offers.offer.now().models.items()]
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
    server = offers.offer.now().models.get(model)
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
