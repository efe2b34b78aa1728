"""What the two wire formats of the scripted model server have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from tests.model_server_script import Call, Script

CREATED = 1_790_000_000


class Wire(Protocol):
    """Encodes one answer."""

    def begin(self) -> bytes:
        """What comes before any content."""

    def reasoning(self, text: str) -> bytes:
        """A piece of reasoning."""

    def begin_message(self) -> bytes:
        """What comes before the first token."""

    def token(self, text: str) -> bytes:
        """A piece of the answer; may be empty."""

    def refusal(self, text: str) -> bytes:
        """A piece of a refusal."""

    def call(self, index: int, call: Call) -> bytes:
        """A whole tool call."""

    def end(self) -> bytes:
        """How the answer ended, and the usage."""

    def done(self) -> bytes:
        """The end mark, where the format has one."""

    def error(self, *, failed: bool) -> bytes:
        """The script's error inside the stream."""

    def whole(self) -> dict[str, Any]:
        """The same answer in one piece."""


def encoded(value: Any) -> bytes:
    """Compact JSON, text as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def data_line(value: Any) -> bytes:
    """An event that has no name."""
    return b"data: " + encoded(value) + b"\n\n"


def walk(wire: Wire, script: Script) -> Iterator[bytes]:
    """The whole answer, in the order in which it is streamed."""
    yield wire.begin()
    yield from (wire.reasoning(text) for text in script.reasoning)
    if script.count or script.refusal:
        yield wire.begin_message()
    yield from (wire.refusal(text) for text in script.refusal)
    yield from (wire.token(script.token(number)) for number in range(script.count))
    for index, call in enumerate(script.tool_calls):
        yield wire.call(index, call)
    yield wire.end()


def text_of(script: Script) -> str:
    """The answer's text as one."""
    return "".join(script.token(number) for number in range(script.count))


def arguments_of(call: Call) -> str:
    """The call's arguments as one; a call without any has an empty object."""
    return "".join(call.arguments) or "{}"
