"""Assistants: create, list, retrieve, modify, delete."""

from __future__ import annotations

from typing import Any

from ninja import Query
from openai.types.beta import Assistant, AssistantDeleted

from runs import access, assistants
from runs.api import lists, objects
from runs.api.app import new_router
from runs.api.auth import ApiRequest, changeable_assistant
from runs.api.idempotency import once
from runs.api.inputs import AssistantChange, AssistantInput, files_of
from runs.api.lists import ListOf, ListQuery
from runs.models import Assistant as Row

router = new_router("Assistants")


@router.post("assistants", response=Assistant)
def create_assistant(request: ApiRequest, body: AssistantInput) -> Any:
    """Make an assistant of your own."""
    access.files(request.user, files_of(body.tool_resources))
    made = once(
        request,
        lambda: assistants.create(owner=request.user, **body.given()),
        lambda key: access.assistant(request.user, key),
    )
    return objects.assistant(made)


@router.get("assistants", response=ListOf[Assistant])
def list_assistants(request: ApiRequest, query: Query[ListQuery]) -> Any:
    """Your assistants and the team's."""
    rows = Row.objects.visible_to(request.user)
    return lists.page(rows, query, show=objects.assistant)


@router.get("assistants/{assistant_id}", response=Assistant)
def retrieve_assistant(request: ApiRequest, assistant_id: str) -> Any:
    """One assistant."""
    return objects.assistant(access.assistant(request.user, assistant_id))


@router.post("assistants/{assistant_id}", response=Assistant)
def modify_assistant(
    request: ApiRequest, assistant_id: str, body: AssistantChange
) -> Any:
    """Change the fields that are sent; the others stay."""
    found = changeable_assistant(request, assistant_id)
    access.files(request.user, files_of(body.tool_resources))
    return objects.assistant(assistants.change(found, **body.given()))


@router.delete("assistants/{assistant_id}", response=AssistantDeleted)
def delete_assistant(request: ApiRequest, assistant_id: str) -> Any:
    """Delete it for good. Its threads and runs stay."""
    assistants.delete(changeable_assistant(request, assistant_id))
    return objects.deleted(assistant_id, "assistant.deleted")
