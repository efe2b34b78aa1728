"""One answer on its way in: what both wire formats share in reading it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol
from uuid import uuid4

from runs.providers import errors
from runs.providers.base import (
    Content,
    ProviderError,
    Server,
    ToolCallDelta,
    Usage,
    Value,
)
from runs.providers.lines import DONE, Events, Lines


class Reader(Protocol):
    """Understands the events of one answer in one wire format."""

    is_complete: bool
    """The server has said how the answer ended; what follows is a courtesy."""
    is_over: bool
    """Nothing more will come."""

    def read(self, event: dict[str, Any]) -> Sequence[Content]:
        """The content in an event. Raises ProviderError for an error in it."""
        ...

    def finish(self) -> Iterable[Value]:
        """What closes a complete answer: Usage when known, and Finish."""
        ...


class Incoming:
    """Takes in the bytes of one answer and gives its content."""

    def __init__(self, server: Server, reader: Reader) -> None:
        self.reader = reader
        self._lines = Lines(server.max_line_bytes)
        self._events = Events(server.max_line_bytes)
        self._limit = server.max_answer_bytes
        self._size = 0

    def contents(self, chunk: bytes) -> Iterator[Content]:
        """What `chunk` completes. Raises ProviderError: garbage, answer_too_large."""
        return self._read(self._lines.feed(chunk))

    def end(self) -> Iterator[Value]:
        """What remains at the end of the stream; raises when that was no end."""
        yield from self._read(self._lines.end())
        if not self.reader.is_complete:
            raise self._ended_early()
        yield from self.reader.finish()

    def _read(self, lines: list[bytes]) -> Iterator[Content]:
        for line in lines:
            if self.reader.is_over:
                return
            event = self._events.read(line)
            if event is DONE:
                self.reader.is_over = True
            elif event is not None:
                for content in self._content(event):
                    self._count(content)
                    yield content

    def _content(self, event: dict[str, Any]) -> Sequence[Content]:
        try:
            return self.reader.read(event)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            raise errors.garbage("data of an unexpected shape") from error

    def _count(self, content: Content) -> None:
        text = content.arguments if isinstance(content, ToolCallDelta) else content.text
        self._size += len(text) if text.isascii() else len(text.encode())
        if self._size > self._limit:
            raise ProviderError(
                "answer_too_large",
                f"The answer is longer than the allowed {self._limit:,} bytes.",
            )

    def _ended_early(self) -> ProviderError:
        if self._events.stray.startswith(b"<"):
            return errors.garbage(errors.WEB_PAGE)
        return errors.truncated()


class ToolCalls:
    """Numbers the tool calls of an answer 0, 1, …, whatever the server calls them."""

    def __init__(self) -> None:
        self._indices: dict[object, int] = {}
        self._ids: list[str] = []
        self._with_arguments: set[int] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def has_arguments(self, key: object) -> bool:
        """Whether any arguments of the call under the server's `key` were read."""
        return self._indices.get(key) in self._with_arguments

    def is_new(self, key: object, call_id: str = "") -> bool:
        """Whether `key` names no call yet, or now names another than before.

        Some servers give all parallel calls the same index and only ids of their own.
        """
        index = self._indices.get(key)
        return index is None or (call_id != "" and self._ids[index] != call_id)

    def begin(
        self, key: object, call_id: str, name: str, arguments: str
    ) -> ToolCallDelta:
        """The first piece of a new call; makes an id when the server gave none."""
        index = self._indices[key] = len(self._ids)
        self._ids.append(call_id)
        if arguments:
            self._with_arguments.add(index)
        given_id = call_id or f"call_{uuid4().hex[:24]}"
        return ToolCallDelta(index, given_id, name, arguments)

    def add(self, key: object, arguments: str) -> ToolCallDelta:
        """A further piece of the call under `key`."""
        index = self._indices[key]
        self._with_arguments.add(index)
        return ToolCallDelta(index, "", "", arguments)

    def without_arguments(self) -> list[ToolCallDelta]:
        """Completes the calls that have none: their arguments are an empty object."""
        silent = set(range(len(self._ids))) - self._with_arguments
        return [ToolCallDelta(index, "", "", "{}") for index in sorted(silent)]


def text_in(value: object) -> str:
    """`value` if it is text, without NUL, which no database column holds."""
    if not isinstance(value, str):
        return ""
    return value.replace("\0", "") if "\0" in value else value


def usage_in(
    usage: dict[str, Any] | None, *, input_name: str, output_name: str
) -> list[Usage]:
    """The usage, if given; the two wire formats differ in two names only."""
    if not isinstance(usage, dict):
        return []
    return [
        Usage(
            input_tokens=_number(usage, input_name),
            output_tokens=_number(usage, output_name),
            cached_input_tokens=_number(
                usage.get(f"{input_name}_details"), "cached_tokens"
            ),
            reasoning_tokens=_number(
                usage.get(f"{output_name}_details"), "reasoning_tokens"
            ),
        )
    ]


def _number(counts: object, name: str) -> int | None:
    number = counts.get(name) if isinstance(counts, dict) else None
    return number if isinstance(number, int) else None
