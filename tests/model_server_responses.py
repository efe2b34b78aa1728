"""The Responses format of the scripted model server."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests.model_server_script import Call, Script
from tests.model_server_wire import (
    CREATED,
    arguments_of,
    data_line,
    encoded,
    text_of,
    walk,
)

COMPLETED = ("stop", "tool_calls")


class ResponsesWire:
    """Events of a streamed response: items with their parts, each added and done."""

    def __init__(self, script: Script, model: str, number: int) -> None:
        self._script = script
        self._sequence = count()
        self._items: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None
        self._response: dict[str, Any] = {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": CREATED,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "model": model,
            "output": [],
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": None,
            "metadata": {},
        }
        self._before = b""

    def begin(self) -> bytes:
        created = self._event("response.created", response=self._response)
        return created + self._event("response.in_progress", response=self._response)

    def reasoning(self, text: str) -> bytes:
        opened = b""
        if self._open is None:
            part = {"type": "summary_text", "text": ""}
            opened = self._add({"type": "reasoning", "id": "rs_1", "summary": []})
            opened += self._event(
                "response.reasoning_summary_part.added",
                **self._where("rs_1", summary_index=0),
                part=part,
            )
        where = self._where("rs_1", summary_index=0)
        delta = "response.reasoning_summary_text.delta"
        return opened + self._event(delta, **where, delta=text)

    def begin_message(self) -> bytes:
        closed = self._close_reasoning()
        item = {
            "type": "message",
            "id": "msg_1",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        opened = self._add(item)
        where = self._where("msg_1", content_index=0)
        part = _refusal_part(self._script) or _text_part("")
        opened += self._event("response.content_part.added", **where, part=part)
        fields = {**where, "delta": "TEXT", "logprobs": []}
        event = {"type": "response.output_text.delta", "sequence_number": 0, **fields}
        self._before, after = _named(event).split(b'"sequence_number":0')
        self._middle, self._after = after.split(b'"TEXT"')
        return closed + opened

    def token(self, text: str) -> bytes:
        number = b'"sequence_number":%d' % next(self._sequence)
        return self._before + number + self._middle + encoded(text) + self._after

    def refusal(self, text: str) -> bytes:
        where = self._where("msg_1", content_index=0)
        return self._event("response.refusal.delta", **where, delta=text)

    def call(self, index: int, call: Call) -> bytes:
        lines = self._close_reasoning() + self._close_message()
        item_id = f"fc_{index}"
        item = {
            "type": "function_call",
            "id": item_id,
            "call_id": call.id,
            "name": call.name,
            "arguments": "",
            "status": "in_progress",
        }
        lines += self._add(item)
        where = self._where(item_id)
        arguments = arguments_of(call)
        for piece in call.arguments:
            delta = "response.function_call_arguments.delta"
            lines += self._event(delta, **where, delta=piece)
        done = "response.function_call_arguments.done"
        lines += self._event(done, **where, name=call.name, arguments=arguments)
        return lines + self._done(arguments=arguments, status="completed")

    def end(self) -> bytes:
        lines = self._close_reasoning() + self._close_message()
        status = "completed" if self._script.finish in COMPLETED else "incomplete"
        response = {**self._response, "status": status, "output": self._items}
        if status == "incomplete":
            filtered = self._script.finish == "content_filter"
            reason = "content_filter" if filtered else "max_output_tokens"
            response["incomplete_details"] = {"reason": reason}
        if self._script.usage:
            response["usage"] = self._usage()
        self._response = response
        return lines + self._event(f"response.{status}", response=response)

    def done(self) -> bytes:
        return b""

    def error(self, *, failed: bool) -> bytes:
        error = (self._script.body or {}).get("error", {})
        said = {"code": error.get("code"), "message": error.get("message", "")}
        if failed:
            response = {**self._response, "status": "failed", "error": said}
            return self._event("response.failed", response=response)
        return self._event("error", **said, param=None)

    def whole(self) -> dict[str, Any]:
        """Walks through the stream, whose last event has it all."""
        for _ in walk(self, self._script):
            pass
        return self._response

    def _event(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, "sequence_number": next(self._sequence), **fields}
        return _named(event)

    def _where(self, item_id: str, **fields: int) -> dict[str, Any]:
        return {"item_id": item_id, "output_index": len(self._items), **fields}

    def _add(self, item: dict[str, Any]) -> bytes:
        self._open = item
        index = len(self._items)
        return self._event("response.output_item.added", output_index=index, item=item)

    def _done(self, **fields: Any) -> bytes:
        assert self._open
        item, index = {**self._open, **fields}, len(self._items)
        self._items.append(item)
        self._open = None
        return self._event("response.output_item.done", output_index=index, item=item)

    def _close_reasoning(self) -> bytes:
        if self._open is None or self._open["type"] != "reasoning":
            return b""
        where, text = (
            self._where("rs_1", summary_index=0),
            "".join(self._script.reasoning),
        )
        part = {"type": "summary_text", "text": text}
        kind = "response.reasoning_summary"
        lines = self._event(f"{kind}_text.done", **where, text=text)
        lines += self._event(f"{kind}_part.done", **where, part=part)
        return lines + self._done(summary=[part])

    def _close_message(self) -> bytes:
        if self._open is None or self._open["type"] != "message":
            return b""
        where, text = self._where("msg_1", content_index=0), text_of(self._script)
        part = _refusal_part(self._script, whole=True) or _text_part(text)
        if "refusal" in part:
            done = "response.refusal.done"
            lines = self._event(done, **where, refusal=part["refusal"])
        else:
            done = "response.output_text.done"
            lines = self._event(done, **where, text=text, logprobs=[])
        lines += self._event("response.content_part.done", **where, part=part)
        return lines + self._done(content=[part], status="completed")

    def _usage(self) -> dict[str, Any]:
        assert self._script.usage
        counts = self._script.usage
        return {
            "input_tokens": counts.input,
            "input_tokens_details": {
                "cached_tokens": counts.cached,
                "cache_write_tokens": 0,
            },
            "output_tokens": counts.output,
            "output_tokens_details": {"reasoning_tokens": counts.reasoning},
            "total_tokens": counts.input + counts.output,
        }


def _named(event: dict[str, Any]) -> bytes:
    return b"event: %s\n" % event["type"].encode() + data_line(event)


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _refusal_part(script: Script, *, whole: bool = False) -> dict[str, Any] | None:
    if not script.refusal:
        return None
    return {"type": "refusal", "refusal": "".join(script.refusal) if whole else ""}
