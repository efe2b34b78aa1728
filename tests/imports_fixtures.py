"""What the tests of imports share: objects of the protocol, and one run of the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

FIRST = 1_700_000_000

ASSISTANT = {
    "id": "asst_abc123",
    "object": "assistant",
    "created_at": FIRST,
    "name": "Math tutor",
    "description": None,
    "model": "gpt-4o",
    "instructions": "You explain.",
    "tools": [{"type": "code_interpreter"}],
    "tool_resources": {"code_interpreter": {"file_ids": []}},
    "metadata": {"team": "a"},
    "temperature": 0.7,
    "top_p": 1,
    "response_format": "auto",
}
THREAD = {
    "id": "thread_abc123",
    "object": "thread",
    "created_at": FIRST,
    "metadata": {"ticket": "4711"},
    "tool_resources": {},
}


def message(number: int, /, **more: Any) -> dict[str, Any]:
    """The n-th message of the thread, n seconds after the first."""
    role = "user" if number % 2 else "assistant"
    text = {"value": f"Message {number}", "annotations": []}
    return {
        "id": f"msg_{number:03}",
        "object": "thread.message",
        "created_at": FIRST + number,
        "thread_id": "thread_abc123",
        "role": role,
        "content": [{"type": "text", "text": text}],
        "assistant_id": "asst_abc123" if role == "assistant" else None,
        "run_id": "run_gone" if role == "assistant" else None,
        "attachments": [],
        "metadata": {},
        **more,
    }


ALL = [ASSISTANT, THREAD, *[message(number) for number in range(1, 5)]]


class Import:
    """One run of the command."""

    def __init__(self, *options: str) -> None:
        out = StringIO()
        self.code = 0
        try:
            call_command("import_assistants", *options, stdout=out)
        except SystemExit as ended:
            self.code = int(str(ended.code))
        self.out = out.getvalue()
        self.refusals = [
            line.removeprefix("refused  ")
            for line in self.out.splitlines()
            if line.startswith("refused  ") and ":" in line
        ]

    def counts(self, kind: str) -> tuple[int, int]:
        """How many were imported, how many skipped."""
        line = next(row for row in self.out.splitlines() if row.startswith(kind))
        _, made, _, skipped, *_ = line.split()
        return int(made), int(skipped)


File = Callable[..., str]


@pytest.fixture
def file(tmp_path: Path) -> File:
    """Writes objects as JSON lines, or a text as it is, and gives its path."""

    def write(content: Any, name: str = "export.jsonl") -> str:
        path = tmp_path / name
        if isinstance(content, list):
            content = "\n".join(json.dumps(one) for one in content)
        path.write_text(content, "utf-8")
        return str(path)

    return write
