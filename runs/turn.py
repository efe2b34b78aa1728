"""One model turn: the provider's values as events of the log, in the protocol's order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runs.events import Event
from runs.ids import new_id
from runs.models import EventType, StepType
from runs.providers import (
    Citation,
    Finish,
    HostedCall,
    ReasoningDelta,
    RefusalDelta,
    Sent,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    Value,
)
from runs.writer import RunLog


@dataclass(slots=True)
class Turn:
    """What is open while the values of one model turn arrive.

    ``number`` counts the run's model turns from 1, ``next_index`` its steps from 0.
    """

    log: RunLog
    number: int
    next_index: int
    message: str = ""
    message_step: str = ""
    tool_step: str = ""
    asked: list[tuple[str, str, list[str]]] = field(default_factory=list)
    hosted_step: str = ""
    hosted_calls: dict[str, int] = field(default_factory=dict)
    last_step: str = ""
    has_message: bool = False
    parts: list[str] = field(default_factory=list)
    has_output: bool = False
    request_id: str = ""
    usage: dict[str, int | None] | None = None
    finish: Finish | None = None

    def take(self, value: Value) -> None:
        """Append what one value of the provider's stream means."""
        match value:
            case TextDelta(text):
                self._text(text, "text")
            case RefusalDelta(text):
                self._text(text, "refusal")
            case ReasoningDelta(text):
                self.has_output = True
                self._add(EventType.REASONING_DELTA, turn=self.number, text=text)
            case ToolCallDelta():
                self._tool_call(value)
            case HostedCall():
                self._hosted_call(value)
            case Citation(annotation):
                self._cite(annotation)
            case Sent(request_id):
                self.request_id = request_id
            case Usage():
                self.usage = within_bounds(value)
            case Finish():
                self.finish = value

    @property
    def calls(self) -> list[ToolCall]:
        """The functions that the model asked for, whole once the turn is over."""
        return [ToolCall(key, name, "".join(parts)) for key, name, parts in self.asked]

    def completed(self) -> list[Event]:
        """The message and what the turn used, once the stream has finished well."""
        if not (self.has_message or self.tool_step):
            self._open_message()
        return [self._turn_completed(), *self._close_hosted(), *self._close_message()]

    def limited(self, reason: str) -> list[Event]:
        """The message as far as a limit let it come; its step did what it could."""
        if not (self.has_message or self.tool_step):
            self._open_message()
        cut = Event(EventType.MESSAGE_INCOMPLETE, {"reason": reason})
        closed = [*self._close_hosted(), *self._close_message(cut)]
        if self.tool_step:
            closed.append(Event(EventType.STEP_COMPLETED, {"step": self.tool_step}))
        return [self._turn_completed(), *closed]

    def _text(self, text: str, key: str) -> None:
        self._end(self._close_hosted())
        if not self.message:
            self._open_message()
        if key not in self.parts:
            self.parts.append(key)
        self.has_output = True
        fact = {"message": self.message, "index": self.parts.index(key), key: text}
        self.log.add(Event(EventType.MESSAGE_DELTA, fact))

    def _cite(self, annotation: dict[str, Any]) -> None:
        """What is cited stands in the text, so there is no citation without text."""
        if self.message and "text" in self.parts:
            fact = {"message": self.message, "index": self.parts.index("text")}
            self._add(EventType.MESSAGE_DELTA, **fact, text="", annotation=annotation)

    def _hosted_call(self, call: HostedCall) -> None:
        self._end(self._close_message())
        if not self.hosted_step:
            self.hosted_step = self._open_step(StepType.TOOL_CALLS)
            self.hosted_calls = {}
        self.has_output = True
        is_new = call.id not in self.hosted_calls
        index = self.hosted_calls.setdefault(call.id, len(self.hosted_calls))
        fact: dict[str, Any] = {"step": self.hosted_step, "index": index}
        if is_new or call.result is not None:
            fact.update(id=call.id or new_id("call"), type=call.kind)
        if call.result is not None:
            fact.update(result=call.result)
        self._add(EventType.STEP_DELTA, **fact, arguments=call.text)

    def _tool_call(self, call: ToolCallDelta) -> None:
        self._end([*self._close_hosted(), *self._close_message()])
        if not self.tool_step:
            self.tool_step = self._open_step(StepType.TOOL_CALLS)
        self.has_output = True
        fact: dict[str, Any] = {"step": self.tool_step, "index": call.index}
        if call.id or call.name:
            fact.update(id=call.id or new_id("call"), name=call.name)
            self.asked.append((fact["id"], call.name, []))
        self.asked[call.index][2].append(call.arguments)
        self._add(EventType.STEP_DELTA, **fact, arguments=call.arguments)

    def _open_message(self) -> None:
        self.message_step = self._open_step(StepType.MESSAGE_CREATION)
        self.message, self.parts, self.has_message = new_id("msg"), [], True
        self._add(
            EventType.MESSAGE_CREATED, message=self.message, step=self.message_step
        )
        self._add(EventType.MESSAGE_IN_PROGRESS, message=self.message)

    def _open_step(self, kind: StepType) -> str:
        step, index = new_id("step"), self.next_index
        self.next_index += 1
        self.last_step = step
        fact = {"step": step, "type": kind.value, "index": index, "turn": self.number}
        self._add(EventType.STEP_CREATED, **fact)
        self._add(EventType.STEP_IN_PROGRESS, step=step)
        return step

    def _close_message(self, end: Event | None = None) -> list[Event]:
        if not self.message:
            return []
        end = end or Event(EventType.MESSAGE_COMPLETED)
        ends = [
            Event(end.type, {**end.data, "message": self.message}),
            Event(EventType.STEP_COMPLETED, {"step": self.message_step}),
        ]
        self.message = self.message_step = ""
        return ends

    def _close_hosted(self) -> list[Event]:
        if not self.hosted_step:
            return []
        end = Event(EventType.STEP_COMPLETED, {"step": self.hosted_step})
        self.hosted_step = ""
        return [end]

    def _end(self, ends: list[Event]) -> None:
        for event in ends:
            self.log.add(event)

    def _turn_completed(self) -> Event:
        finish = self.finish or Finish("stop", "", "")
        fact = {
            "turn": self.number,
            "step": self.tool_step or self.last_step,
            "usage": self.usage,
            "finish_reason": finish.reason,
            "response_id": finish.response_id,
            "request_id": self.request_id,
            "model": finish.model,
        }
        return Event(EventType.TURN_COMPLETED, fact)

    def _add(self, kind: EventType, **fact: Any) -> None:
        self.log.add(Event(kind, fact))


def within_bounds(usage: Usage) -> dict[str, int | None]:
    """Token counts; cached is a part of input, reasoning of output (OpenTelemetry)."""
    return {
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": at_most(usage.cached_input_tokens, usage.input_tokens),
        "output_tokens": usage.output_tokens,
        "reasoning_tokens": at_most(usage.reasoning_tokens, usage.output_tokens),
    }


def at_most(part: int | None, whole: int | None) -> int | None:
    return part if part is None or whole is None else min(part, whole)
