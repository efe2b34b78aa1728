"""The Chat Completions format of the scripted model server."""

from __future__ import annotations

from typing import Any

from tests.model_server_script import Call, Script
from tests.model_server_wire import (
    CREATED,
    arguments_of,
    data_line,
    encoded,
    text_of,
)


class ChatWire:
    """Chunks of a streamed chat completion."""

    def __init__(self, script: Script, model: str, number: int) -> None:
        self._script = script
        self._head = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": model,
            "system_fingerprint": "fp_scripted",
        }
        chunk = self._chunk({"content": "TEXT"})
        self._before, self._after = chunk.split(b'"TEXT"')

    def begin(self) -> bytes:
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def reasoning(self, text: str) -> bytes:
        return self._chunk({self._script.reasoning_field: text})

    def begin_message(self) -> bytes:
        return b""

    def token(self, text: str) -> bytes:
        return self._before + encoded(text) + self._after

    def refusal(self, text: str) -> bytes:
        return self._chunk({"refusal": text})

    def call(self, index: int, call: Call) -> bytes:
        first = {
            "index": index,
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        rest = [
            {"index": index, "function": {"arguments": piece}}
            for piece in call.arguments
        ]
        return b"".join(self._chunk({"tool_calls": [one]}) for one in [first, *rest])

    def end(self) -> bytes:
        last = self._chunk({}, finish=self._script.finish)
        if self._script.usage is None:
            return last
        return last + data_line({**self._head, "choices": [], "usage": self._usage()})

    def done(self) -> bytes:
        return b"data: [DONE]\n\n"

    def error(self, *, failed: bool) -> bytes:
        return data_line(self._script.body)

    def whole(self) -> dict[str, Any]:
        script = self._script
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": arguments_of(call)},
            }
            for call in script.tool_calls
        ]
        message = {
            "role": "assistant",
            "content": text_of(script) or None,
            "refusal": "".join(script.refusal) or None,
            **({"tool_calls": calls} if calls else {}),
        }
        choice = {"index": 0, "message": message, "finish_reason": script.finish}
        head = {**self._head, "object": "chat.completion", "choices": [choice]}
        return {**head, "usage": self._usage()} if script.usage else head

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return data_line({**self._head, "choices": [choice]})

    def _usage(self) -> dict[str, Any]:
        assert self._script.usage
        counts = self._script.usage
        return {
            "prompt_tokens": counts.input,
            "completion_tokens": counts.output,
            "total_tokens": counts.input + counts.output,
            "prompt_tokens_details": {"cached_tokens": counts.cached},
            "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
        }
