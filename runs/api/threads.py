"""Threads: create, list, retrieve, modify, delete. They are those of the browser, too."""

from __future__ import annotations

from typing import Any

from ninja import Query
from openai.types.beta import Thread, ThreadDeleted

from runs import access, conversations
from runs.api import lists, objects
from runs.api.app import new_router
from runs.api.auth import ApiRequest
from runs.api.idempotency import once
from runs.api.inputs import ThreadChange, ThreadInput, files_of, plain_resources
from runs.api.lists import ListOf, ListQuery
from runs.models import Thread as Row

router = new_router("Threads")


@router.post("threads", response=Thread)
def create_thread(request: ApiRequest, body: ThreadInput) -> Any:
    """Make a thread, with messages or without."""
    made = once(
        request,
        lambda: new_thread(request, body),
        lambda key: access.thread(request.user, key),
    )
    return objects.thread(made)


def new_thread(request: ApiRequest, body: ThreadInput) -> Row:
    """The thread with its messages, stored. Raises NotFound for a file."""
    access.files(request.user, body.file_ids())
    return conversations.create(
        owner=request.user,
        messages=body.drafts(),
        tool_resources=plain_resources(body.tool_resources),
        metadata=body.metadata,
    )


@router.get("threads", response=ListOf[Thread])
def list_threads(request: ApiRequest, query: Query[ListQuery]) -> Any:
    """Your threads, those made in the browser among them. The original had no such list."""
    rows = Row.objects.listed_for(request.user)
    return lists.page(rows, query, show=objects.thread)


@router.get("threads/{thread_id}", response=Thread)
def retrieve_thread(request: ApiRequest, thread_id: str) -> Any:
    """One thread."""
    return objects.thread(access.thread(request.user, thread_id))


@router.post("threads/{thread_id}", response=Thread)
def modify_thread(request: ApiRequest, thread_id: str, body: ThreadChange) -> Any:
    """Change the fields that are sent; the others stay."""
    found = access.own_thread(request.user, thread_id)
    access.files(request.user, files_of(body.tool_resources))
    return objects.thread(conversations.change_thread(found, **body.given()))


@router.delete("threads/{thread_id}", response=ThreadDeleted)
def delete_thread(request: ApiRequest, thread_id: str) -> Any:
    """Delete it with its messages and runs. A run that is active ends at once."""
    found = access.own_thread(request.user, thread_id)
    conversations.delete_thread(found, user=request.user)
    return objects.deleted(thread_id, "thread.deleted")
