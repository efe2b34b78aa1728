"""The Responses API: what OpenAI speaks, and some other servers by now."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any

import openai

from runs.providers import errors
from runs.providers.base import (
    Content,
    Finish,
    FinishReason,
    Image,
    Prompt,
    PromptMessage,
    ReasoningDelta,
    RefusalDelta,
    Server,
    TextDelta,
    Value,
)
from runs.providers.hosted import HostedCalls, citation_in, hosted_tools
from runs.providers.openai_client import Opening, Upstream
from runs.providers.wire import ToolCalls, text_in, usage_in

REASONING = (
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
)
ITEMS = ("response.output_item.added", "response.output_item.done")


class Responses:
    """A provider for POST /responses."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._upstream = Upstream(server)

    def stream(self, prompt: Prompt) -> AsyncGenerator[Value, None]:
        """See Provider.stream."""
        reader = ResponsesReader(self._server)
        return self._upstream.answer(prompt, _request, reader)

    async def models(self) -> list[str]:
        """See Provider.models."""
        return await self._upstream.models()

    async def aclose(self) -> None:
        """See Provider.aclose."""
        await self._upstream.aclose()


class ResponsesReader:
    """Understands the events of one streamed response."""

    def __init__(self, server: Server) -> None:
        self.is_complete = False
        self.is_over = False
        self._server = server
        self._calls = ToolCalls()
        self._hosted = HostedCalls()
        self._response: dict[str, Any] = {}
        self._part: object = None
        self._reasoning_part: object = None

    def read(self, event: dict[str, Any]) -> Sequence[Content]:
        """See Reader.read."""
        kind = event.get("type")
        if kind == "response.output_text.delta":
            return self._text(event)
        if kind in REASONING:
            return self._reasoning(event)
        if kind == "response.refusal.delta":
            refusal = text_in(event.get("delta"))
            return (RefusalDelta(refusal),) if refusal else ()
        if kind == "response.function_call_arguments.delta":
            return self._arguments(event)
        if kind in ITEMS:
            return tuple(self._item(event, is_done=kind == ITEMS[1]))
        if kind == "response.code_interpreter_call_code.delta":
            return self._hosted.code(event)
        if kind == "response.output_text.annotation.added":
            return citation_in(event)
        self._lifecycle(kind, event)
        return ()

    def finish(self) -> Iterator[Value]:
        """See Reader.finish."""
        yield from self._calls.without_arguments()
        yield from usage_in(
            self._response.get("usage"),
            input_name="input_tokens",
            output_name="output_tokens",
        )
        response_id = text_in(self._response.get("id"))
        yield Finish(self._reason(), response_id, text_in(self._response.get("model")))

    def _text(self, event: dict[str, Any]) -> Sequence[Content]:
        """Several messages in one response become paragraphs of one answer."""
        text = text_in(event.get("delta"))
        if not text:
            return ()
        part = event.get("output_index")
        if part != self._part:
            if self._part is not None:
                text = "\n\n" + text
            self._part = part
        return (TextDelta(text),)

    def _reasoning(self, event: dict[str, Any]) -> Sequence[Content]:
        """The parts of a summary have no line ends of their own between them."""
        text = text_in(event.get("delta"))
        if not text:
            return ()
        part = (event.get("output_index"), event.get("summary_index"))
        if part != self._reasoning_part:
            if self._reasoning_part is not None:
                text = "\n\n" + text
            self._reasoning_part = part
        return (ReasoningDelta(text),)

    def _item(self, event: dict[str, Any], *, is_done: bool) -> Iterator[Content]:
        item = event.get("item") or {}
        if item.get("type") != "function_call":
            for call in self._hosted.item(event.get("output_index"), item, is_done):
                self._part = None  # The text after it is another message.
                yield call
            return
        key = event.get("output_index")
        if self._calls.is_new(key):
            call_id = text_in(item.get("call_id")) or text_in(item.get("id"))
            yield self._calls.begin(key, call_id, text_in(item.get("name")), "")
        arguments = text_in(item.get("arguments"))
        if is_done and arguments and not self._calls.has_arguments(key):
            yield self._calls.add(key, arguments)

    def _arguments(self, event: dict[str, Any]) -> Sequence[Content]:
        key, arguments = event.get("output_index"), text_in(event.get("delta"))
        if not arguments or self._calls.is_new(key):
            return ()
        return (self._calls.add(key, arguments),)

    def _lifecycle(self, kind: object, event: dict[str, Any]) -> None:
        response = event.get("response")
        if isinstance(response, dict):
            self._response = response
        if kind in ("response.completed", "response.incomplete"):
            self.is_complete = self.is_over = True
        elif kind == "response.failed":
            raise errors.from_stream(self._response.get("error"), self._server)
        elif kind == "error" or event.get("error"):
            raise errors.from_stream(event, self._server)

    def _reason(self) -> FinishReason:
        if self._response.get("status") == "incomplete":
            details = self._response.get("incomplete_details") or {}
            is_filtered = details.get("reason") == "content_filter"
            return "content_filter" if is_filtered else "length"
        return "tool_calls" if len(self._calls) else "stop"


def _request(client: openai.AsyncOpenAI, model: str, prompt: Prompt) -> Opening:
    parameters = responses_parameters(prompt)
    return client.responses.with_streaming_response.create(
        model=model,
        input=responses_input(prompt),
        stream=True,
        store=False,
        **parameters,
    )


def responses_input(prompt: Prompt) -> Any:
    """The conversation as input items: messages, calls and their outputs."""
    return [item for message in prompt.messages for item in _items(message)]


def _items(message: PromptMessage) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield {
            "type": "function_call_output",
            "call_id": message.tool_call_id,
            "output": message.text,
        }
        return
    if message.text or message.parts:
        # An assistant's text goes as a plain string: as an output_text part, several
        # servers want the id and status of a message that they themselves stored.
        content = _input(message) if message.role == "user" else message.text
        yield {"role": message.role, "content": content}
    for call in message.tool_calls:
        yield {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments or "{}",
        }


def _input(message: PromptMessage) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if message.text:
        parts.append({"type": "input_text", "text": message.text})
    for part in message.parts:
        if isinstance(part, Image):
            parts.append(
                {"type": "input_image", "image_url": part.url, "detail": part.detail}
            )
        else:
            name, data = part.filename, part.data_url
            parts.append({"type": "input_file", "filename": name, "file_data": data})
    return parts


def responses_parameters(prompt: Prompt) -> dict[str, Any]:
    """The parameters that are set; tools of unknown types are left out."""
    effort = prompt.reasoning_effort
    parameters: dict[str, Any] = {
        "instructions": prompt.instructions or None,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "max_output_tokens": prompt.max_output_tokens,
        "reasoning": {"effort": effort} if effort is not None else None,
    }
    if isinstance(prompt.response_format, dict):
        parameters["text"] = {"format": _flat(prompt.response_format, "json_schema")}
    tools = [_tool(tool) for tool in prompt.tools if tool.get("type") == "function"]
    hosted, include = hosted_tools(prompt.tools)
    if tools or hosted:
        parameters["tools"] = [*tools, *hosted]
        parameters["include"] = include or None
        parameters["tool_choice"] = _choice(prompt.tool_choice)
        parameters["parallel_tool_calls"] = prompt.parallel_tool_calls
    return {name: value for name, value in parameters.items() if value is not None}


def _flat(nested: dict[str, Any], key: str) -> dict[str, Any]:
    """{"type": t, key: {…}} as {"type": t, …}."""
    return {"type": nested["type"], **(nested.get(key) or {})}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Strictness is the default here and was not there: it is always said."""
    flat = _flat(tool, "function")
    flat["strict"] = bool(flat.get("strict"))
    flat["parameters"] = flat.get("parameters") or {"type": "object", "properties": {}}
    return flat


def _choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    return _flat(choice, "function") if isinstance(choice, dict) else choice
