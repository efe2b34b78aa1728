"""Conversations as Claude exports them: ``chat_messages``, a list, at times a tree."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from runs.imports.conversation import (
    MOST_MESSAGES,
    Conversation,
    NotTaken,
    Said,
    branch_to,
    in_order,
    moment_of,
    text_of,
)

SOURCE = "claude"
ROLES: dict[Any, Literal["user", "assistant"]] = {
    "human": "user",
    "assistant": "assistant",
}
LEFT_OUT = {
    "thinking": "reasoning",
    "tool_use": "tool_call",
    "tool_result": "tool_output",
    "image": "image",
}


def is_one(value: dict[str, Any]) -> bool:
    return isinstance(value.get("chat_messages"), list)


def read(value: dict[str, Any]) -> Conversation:
    """Raises NotTaken."""
    key, at = text_of(value.get("uuid"), 100), moment_of(value.get("created_at"))
    if not key or at is None:
        raise NotTaken("it has no id" if not key else "it has no time")
    if len(value["chat_messages"]) > MOST_MESSAGES:
        raise NotTaken(f"it has more than {MOST_MESSAGES:,} messages")
    left_out: Counter[str] = Counter()
    nodes: dict[str, Said] = {}
    above: dict[str, str | None] = {}  # of messages that are left out
    last: str | None = None
    for number, message in enumerate(value["chat_messages"]):
        if not isinstance(message, dict):
            continue
        name = text_of(message.get("uuid"), 100) or f"#{number}"
        parent = text_of(message.get("parent_message_uuid"), 100)
        follows = above.get(parent, parent) if parent else last
        said = _said(name, follows, message, left_out)
        if said and name not in nodes:
            nodes[name] = said
            last = name
        else:
            above[name] = follows
    for said in nodes.values():
        said.parent = said.parent if said.parent in nodes else None
    return Conversation(
        source=SOURCE,
        key=key,
        title=text_of(value.get("name"), 200),
        at=at,
        said=in_order(nodes),
        shown=branch_to(last, nodes),
        left_out=left_out,
    )


def _said(
    name: str, parent: str | None, message: dict[str, Any], left_out: Counter[str]
) -> Said | None:
    role = ROLES.get(message.get("sender"))
    text = "\n\n".join(filter(None, _texts(message, left_out))).strip()
    if role is None or not text:
        return None
    at = moment_of(message.get("created_at"))
    return Said(key=name, parent=parent, role=role, text=text, at=at)


def _texts(message: dict[str, Any], left_out: Counter[str]) -> list[str]:
    """The words, those of attached texts, and a note for each file that is left out."""
    parts = [one for one in _list(message, "content") if isinstance(one, dict)]
    texts = [
        text_of(p.get("text"), 1_000_000) for p in parts if p.get("type") == "text"
    ]
    for part in parts:
        if part.get("type") != "text":
            left_out[LEFT_OUT.get(str(part.get("type")), "other")] += 1
    if not any(texts):
        texts = [text_of(message.get("text"), 1_000_000)]
    for one in _list(message, "attachments"):
        name = text_of(one.get("file_name"), 200) if isinstance(one, dict) else ""
        content = one.get("extracted_content") if isinstance(one, dict) else None
        texts.append(f"[{name or 'attachment'}]\n{text_of(content, 300_000)}")
    for one in _list(message, "files"):
        name = text_of(one.get("file_name"), 200) if isinstance(one, dict) else ""
        left_out["file"] += 1
        texts.append(f"[A file was left out: {name or 'unnamed'}]")
    return texts


def _list(message: dict[str, Any], key: str) -> list[Any]:
    value = message.get(key)
    return value if isinstance(value, list) else []
