"""Conversations as ChatGPT exports them: ``mapping``, a tree of nodes by id."""

from __future__ import annotations

from collections import Counter
from typing import Any

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

SOURCE = "chatgpt"
ROLES = ("user", "assistant")


def is_one(value: dict[str, Any]) -> bool:
    return isinstance(value.get("mapping"), dict)


def read(value: dict[str, Any]) -> Conversation:
    """Raises NotTaken."""
    key = text_of(value.get("conversation_id") or value.get("id"), 100)
    if not key:
        raise NotTaken("it has no id")
    mapping = {k: v for k, v in value["mapping"].items() if isinstance(v, dict)}
    if len(mapping) > MOST_MESSAGES:
        raise NotTaken(f"it has more than {MOST_MESSAGES:,} messages")
    left_out: Counter[str] = Counter()
    nodes: dict[str, Said] = {}
    for node, content in mapping.items():
        if said := _said(node, content, left_out):
            nodes[node] = said
    for said in nodes.values():
        said.parent = _kept_above(said.parent, nodes, mapping)
    current = text_of(value.get("current_node"), 100)
    shown = branch_to(_kept_above(current, nodes, mapping), nodes)
    at = moment_of(value.get("create_time"))
    times = [said.at for said in nodes.values() if said.at]
    if at is None and not times:
        raise NotTaken("it has no time")
    return Conversation(
        source=SOURCE,
        key=key,
        title=text_of(value.get("title"), 200),
        at=at or min(times),
        said=in_order(nodes),
        shown=shown or set(nodes),
        left_out=left_out,
    )


def _said(key: str, node: dict[str, Any], left_out: Counter[str]) -> Said | None:
    """The message of a node; None for nodes that only hold the tree together."""
    message = node.get("message")
    if not isinstance(message, dict):
        return None
    author = message.get("author")
    role = author.get("role") if isinstance(author, dict) else None
    metadata = message.get("metadata")
    if isinstance(metadata, dict) and metadata.get(
        "is_visually_hidden_from_conversation"
    ):
        return None
    content = message.get("content")
    if role not in ROLES or not isinstance(content, dict):
        left_out["tool_output"] += role == "tool"
        return None
    text = _text(content, left_out).strip()
    if not text:
        return None
    parent = text_of(node.get("parent"), 100)
    at = moment_of(message.get("create_time"))
    return Said(key=key, parent=parent or None, role=role, text=text, at=at)


def _text(content: dict[str, Any], left_out: Counter[str]) -> str:
    """The words of a message, with a note for each thing that is left out."""
    kind = content.get("content_type")
    if kind in ("text", "multimodal_text"):
        parts = content.get("parts")
        parts = parts if isinstance(parts, list) else []
        return "\n\n".join(filter(None, (_part(part, left_out) for part in parts)))
    if kind == "code":
        language = text_of(content.get("language"), 20)
        language = language if language.isalnum() and language != "unknown" else ""
        return _fenced(text_of(content.get("text"), 1_000_000), language)
    left_out[{"thoughts": "reasoning"}.get(str(kind), "other")] += 1
    return ""


def _part(part: Any, left_out: Counter[str]) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    kind = text_of(part.get("content_type"), 50)
    if kind == "audio_transcription":
        return text_of(part.get("text"), 1_000_000)
    is_image = kind == "image_asset_pointer"
    left_out["image" if is_image else "file"] += 1
    return "[An image was left out.]" if is_image else "[A recording was left out.]"


def _fenced(code: str, language: str) -> str:
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}{language}\n{code}\n{fence}" if code.strip() else ""


def _kept_above(
    key: str | None, nodes: dict[str, Said], mapping: dict[str, Any]
) -> str | None:
    """This node or the nearest above it that is a message."""
    seen = set()
    while key and key not in nodes:
        if key in seen or key not in mapping:
            return None
        seen.add(key)
        key = text_of(mapping[key].get("parent"), 100) or None
    return key or None
