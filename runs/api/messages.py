"""Messages of a thread: create, list, retrieve, modify, delete."""

from __future__ import annotations

from typing import Any

from ninja import Query
from openai.types.beta.threads import Message, MessageDeleted

from runs import access, conversations
from runs.api import lists, objects
from runs.api.app import new_router
from runs.api.auth import ApiRequest
from runs.api.errors import ApiError
from runs.api.idempotency import once
from runs.api.inputs import MessageChange, MessageInput
from runs.api.lists import ListOf, ListQuery
from runs.conversations import ThreadIsBusy
from runs.models import Message as Row

router = new_router("Messages")


class MessageQuery(ListQuery):
    run_id: str | None = None


@router.post("threads/{thread_id}/messages", response=Message)
def create_message(request: ApiRequest, thread_id: str, body: MessageInput) -> Any:
    """Add a message at the end of the thread. No run may be active."""
    thread = access.thread_to_write(request.user, thread_id)
    access.files(request.user, body.file_ids())
    try:
        made = once(
            request,
            lambda: conversations.add_message(thread, body.draft(), user=request.user),
            lambda key: access.message_of(request.user, thread_id, key),
        )
    except ThreadIsBusy as busy:
        message = (
            f"Can't add messages to {thread_id} while a run {busy.run.pk} is active."
        )
        raise ApiError(400, message) from busy
    return objects.message(made)


@router.get("threads/{thread_id}/messages", response=ListOf[Message])
def list_messages(
    request: ApiRequest, thread_id: str, query: Query[MessageQuery]
) -> Any:
    """The messages that the thread shows, or, with ``run_id``, those of one run."""
    thread = access.thread(request.user, thread_id)
    if query.run_id:
        rows = thread.messages.filter(run=query.run_id)
    else:
        rows = Row.objects.shown(thread)
    return lists.page(rows, query, show=objects.message, key=lists.BY_NUMBER)


@router.get("threads/{thread_id}/messages/{message_id}", response=Message)
def retrieve_message(request: ApiRequest, thread_id: str, message_id: str) -> Any:
    """One message."""
    return objects.message(access.message_of(request.user, thread_id, message_id))


@router.post("threads/{thread_id}/messages/{message_id}", response=Message)
def modify_message(
    request: ApiRequest, thread_id: str, message_id: str, body: MessageChange
) -> Any:
    """Change its metadata."""
    found = access.message_of_to_change(request.user, thread_id, message_id)
    return objects.message(conversations.change_message(found, **body.given()))


@router.delete("threads/{thread_id}/messages/{message_id}", response=MessageDeleted)
def delete_message(request: ApiRequest, thread_id: str, message_id: str) -> Any:
    """Delete it; later runs don't see it any more."""
    found = access.message_of_to_change(request.user, thread_id, message_id)
    conversations.delete_message(found)
    return objects.deleted(message_id, "thread.message.deleted")
