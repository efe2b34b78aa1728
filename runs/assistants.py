"""What people do with assistants, in the browser and through the API; the admin has its
own forms. Whether they may is ``access``'s question."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from runs.configuration import LONGEST_NAME
from runs.models import Assistant, User
from runs.models.fields import without_nul

# Columns where null in the protocol is an empty text or object with us.
EMPTY: dict[str, Any] = {
    "name": "",
    "description": "",
    "instructions": "",
    "reasoning_effort": "",
    "model": "",
    "tool_resources": {},
}


COPIED = (
    "description",
    "instructions",
    "model",
    "server",
    "tools",
    "server_tools",
    "metadata",
    "temperature",
    "top_p",
    "response_format",
    "reasoning_effort",
    "starters",
    "colour",
)


def create(*, owner: User, **fields: Any) -> Assistant:
    """An assistant of this person; ``fields`` as the protocol names them, and ours."""
    return Assistant.objects.create(owner=owner, **_columns(fields))


def duplicate(assistant: Assistant, *, owner: User, name: str) -> Assistant:
    """The same for this person, under another name and not shared.

    Files belong to the one who uploaded them, so that a copy for somebody else has none.
    """
    copied = {column: getattr(assistant, column) for column in COPIED}
    if assistant.owner_id == owner.pk:
        copied["tool_resources"] = assistant.tool_resources
    return Assistant.objects.create(owner=owner, name=name[:LONGEST_NAME], **copied)


def change(assistant: Assistant, **fields: Any) -> Assistant:
    """Write these fields and no others; returns the row as it is then."""
    with transaction.atomic():
        row = Assistant.objects.select_for_update().get(pk=assistant.pk)
        columns = _columns(fields)
        for name, value in columns.items():
            setattr(row, name, value)
        if columns:
            row.save(update_fields=list(columns))
    return row


def delete(assistant: Assistant) -> None:
    """For good. Threads and runs that name it stay, and active runs go on as told."""
    assistant.delete()


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    columns = {
        name: EMPTY.get(name) if value is None else without_nul(value)
        for name, value in fields.items()
    }
    if columns.get("response_format") == "auto":
        columns["response_format"] = None
    return columns
