"""Server-sent events as bytes: bounded lines, and the JSON of their data.

Lenient where servers differ (line ends, missing blank lines, objects over several
data lines), strict where it protects (no line may grow without bound).
"""

from __future__ import annotations

import json
from typing import Any, Final

import jiter

from runs.providers import errors
from runs.providers.base import ProviderError

DONE: Final[dict[str, Any]] = {}


class Lines:
    """Cuts chunks into lines without their end; remembers what is not yet a line."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest: list[bytes] = []
        self._rest_size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines completed by `chunk`. Raises ProviderError for one too long."""
        lines = chunk.split(b"\n")
        tail = lines.pop()
        if lines and self._rest:
            self._check(self._rest_size + len(lines[0]))
            lines[0] = b"".join([*self._rest, lines[0]])
            self._rest.clear()
            self._rest_size = 0
        if tail:
            self._rest.append(tail)
            self._rest_size += len(tail)
            self._check(self._rest_size)
        if len(chunk) > self._limit:
            self._check(max(map(len, lines), default=0))
        return lines

    def end(self) -> list[bytes]:
        """The last line, when the stream ended without a line end."""
        rest, self._rest = self._rest, []
        return [b"".join(rest)] if rest else []

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise ProviderError(
                "answer_too_large",
                f"The model server sent a line of more than {self._limit:,} bytes.",
            )


class Events:
    """Turns lines into the decoded data of events."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._is_error = False
        self.stray = b""

    def read(self, line: bytes) -> dict[str, Any] | None:
        """The event that `line` completes: an object, DONE, or None.

        Raises ProviderError "garbage" for data that is not a JSON object.
        """
        if not line.startswith(b"data:"):
            return self._read_other(line)
        if self._pending:
            self._keep(line[5:])
            return None
        try:
            event = jiter.from_json(line[5:], cache_mode="keys")
        except ValueError:
            return self._read_undecoded(line[5:])
        return self._whole(event)

    def _whole(self, event: Any) -> dict[str, Any]:
        if type(event) is not dict:
            raise errors.garbage("data that is not an answer")
        if self._is_error:
            self._is_error = False
            return event if "error" in event or "type" in event else {"error": event}
        return event

    def _read_other(self, line: bytes) -> dict[str, Any] | None:
        line = line.strip()
        if not line:
            return self._read_pending() if self._pending else None
        if line.startswith(b"event:"):
            self._is_error = line[6:].strip() == b"error"
        elif line.startswith(b"{"):
            # Some servers report an error in mid-stream as a bare line of JSON.
            return self.read(b"data:" + line)
        elif not line.startswith((b":", b"id:", b"retry:")):
            self.stray = self.stray or line[:200]
        return None

    def _read_undecoded(self, payload: bytes) -> dict[str, Any] | None:
        """Data that is no JSON: the end mark, damaged text, or part of an object."""
        if payload.strip() == b"[DONE]":
            return DONE
        event = repaired(payload)
        if event is not None:
            return self._whole(event)
        self._keep(payload)
        return None

    def _keep(self, payload: bytes) -> None:
        """One object may be spread over data lines; a blank line says it is whole."""
        self._pending_size += len(payload)
        if self._pending_size > self._limit:
            raise errors.garbage("data that cannot be decoded")
        self._pending.append(payload)

    def _read_pending(self) -> dict[str, Any]:
        payload = b"\n".join(self._pending)
        self._pending.clear()
        self._pending_size = 0
        event = repaired(payload)
        if event is None:
            raise errors.garbage("data that cannot be decoded")
        return self._whole(event)


def repaired(payload: bytes) -> dict[str, Any] | None:
    """The object in `payload` with broken characters replaced, or None.

    Servers that cut text between the bytes of a character, or between the halves of
    an escaped pair, send what a strict decoder refuses.
    """
    try:
        event = json.loads(payload.decode(errors="replace"))
        sound = json.dumps(event, ensure_ascii=False).encode(errors="replace")
        event = jiter.from_json(sound)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None
