"""Exports in the shapes that ChatGPT and Claude give them, made for the tests."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

FIRST = 1_700_000_000.25


def node(key: str, parent: str | None, role: str = "", *parts: Any, **more: Any) -> Any:
    """A node of ChatGPT's tree; without a role, one that only holds it together."""
    content = more.pop("content", {"content_type": "text", "parts": list(parts)})
    message = {
        "id": key,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": FIRST + len(key),
        "content": content,
        "status": "finished_successfully",
        "metadata": more.pop("metadata", {}),
        "recipient": "all",
        **more,
    }
    return {
        "id": key,
        "message": message if role else None,
        "parent": parent,
        "children": [],
    }


def chatgpt(key: str = "conv-1", *nodes: Any, current: str = "") -> dict[str, Any]:
    nodes = nodes or (
        node("root", None),
        node("hidden", "root", "system", "", metadata={
            "is_visually_hidden_from_conversation": True}),
        node("ask", "hidden", "user", "How *big* is it?"),
        node("old", "ask", "assistant", "Quite small."),
        node("new", "ask", "assistant", "Very big."),
        node("code", "new", "assistant", content={
            "content_type": "code", "language": "python", "text": "print(1)"}),
        node("tool", "code", "tool", content={
            "content_type": "execution_output", "text": "1"}),
        node("picture", "tool", "user", content={
            "content_type": "multimodal_text",
            "parts": [{"content_type": "image_asset_pointer",
                       "asset_pointer": "file-service://file-abc"}, "And this?"]}),
        node("last", "picture", "assistant", "That, too."),
    )  # fmt: skip
    return {
        "title": "Sizes of things",
        "create_time": FIRST,
        "update_time": FIRST + 60,
        "mapping": {one["id"]: one for one in nodes},
        "current_node": current or nodes[-1]["id"],
        "conversation_id": key,
        "id": key,
    }


def claude(key: str = "claude-1") -> dict[str, Any]:
    def said(number: int, sender: str, *content: Any, **more: Any) -> dict[str, Any]:
        return {
            "uuid": f"m{number}",
            "text": "",
            "content": list(content),
            "sender": sender,
            "created_at": f"2024-05-01T10:00:{number:02}.000000Z",
            "updated_at": f"2024-05-01T10:00:{number:02}.000000Z",
            "attachments": [],
            "files": [],
            **more,
        }

    return {
        "uuid": key,
        "name": "A plan",
        "created_at": "2024-05-01T10:00:00.000000Z",
        "updated_at": "2024-05-01T10:05:00.000000Z",
        "account": {"uuid": "a-1"},
        "chat_messages": [
            said(1, "human", {"type": "text", "text": "Plan it."}, attachments=[
                {"file_name": "notes.txt", "extracted_content": "Monday."}]),
            said(2, "assistant", {"type": "thinking", "thinking": "Hm."},
                 {"type": "text", "text": "On Monday."}),
            said(3, "human", text="Thanks", files=[{"file_name": "photo.png"}]),
        ],
    }  # fmt: skip


def zipped(entries: dict[str, Any], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in entries.items():
            text = content if isinstance(content, str | bytes) else json.dumps(content)
            archive.writestr(name, text)
    return out.getvalue()
