"""Chat Completions: what vLLM, Ollama, llama.cpp, LiteLLM and many others speak."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import openai

from runs.providers import errors
from runs.providers.base import (
    Content,
    Finish,
    FinishReason,
    Image,
    Prompt,
    PromptMessage,
    ProviderError,
    ReasoningDelta,
    RefusalDelta,
    Server,
    TextDelta,
    Value,
)
from runs.providers.openai_client import Opening, Upstream
from runs.providers.wire import ToolCalls, text_in, usage_in

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
# Reasons by which servers say that they gave up, not that the model was finished.
FAILURES = {"error", "abort", "insufficient_system_resource"}


class ChatCompletions:
    """A provider for POST /chat/completions."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._upstream = Upstream(server)

    def stream(self, prompt: Prompt) -> AsyncGenerator[Value, None]:
        """See Provider.stream."""
        reader = ChatReader(self._server)
        return self._upstream.answer(prompt, self._request, reader)

    async def models(self) -> list[str]:
        """See Provider.models."""
        return await self._upstream.models()

    async def aclose(self) -> None:
        """See Provider.aclose."""
        await self._upstream.aclose()

    def _request(
        self, client: openai.AsyncOpenAI, model: str, prompt: Prompt
    ) -> Opening:
        parameters = chat_parameters(prompt, limit_name(self._server))
        return client.chat.completions.with_streaming_response.create(
            model=model,
            messages=chat_messages(prompt),
            stream=True,
            stream_options={"include_usage": True},
            **parameters,
        )


class ChatReader:
    """Understands the chunks of one streamed chat completion."""

    def __init__(self, server: Server) -> None:
        self.is_complete = False
        self.is_over = False
        self._server = server
        self._calls = ToolCalls()
        self._reason: FinishReason = "stop"
        self._usage: dict[str, Any] | None = None
        self._id = ""
        self._model = ""

    def read(self, event: dict[str, Any]) -> Sequence[Content]:
        """See Reader.read."""
        choices = event.get("choices")
        if event.get("error") or event.get("object") == "error":
            raise errors.from_stream(event, self._server)
        if usage := event.get("usage"):
            self._usage = usage
        if not self._id:
            self._id = text_in(event.get("id"))
            self._model = text_in(event.get("model"))
        if not choices:
            return ()
        choice = choices[0]
        if reason := choice.get("finish_reason"):
            self._end(reason)
        return self._delta(choice.get("delta") or {})

    def finish(self) -> Iterator[Value]:
        """See Reader.finish. Calls count as the reason where a server says "stop"."""
        yield from self._calls.without_arguments()
        yield from usage_in(
            self._usage, input_name="prompt_tokens", output_name="completion_tokens"
        )
        called = len(self._calls) and self._reason == "stop"
        reason: FinishReason = "tool_calls" if called else self._reason
        yield Finish(reason, self._id, self._model)

    def _delta(self, delta: dict[str, Any]) -> Sequence[Content]:
        contents: list[Content] = []
        # One server sends the one field, another the other, a few send both alike.
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if reasoning := text_in(reasoning):
            contents.append(ReasoningDelta(reasoning))
        if text := text_in(delta.get("content")):
            contents.append(TextDelta(text))
        if refusal := text_in(delta.get("refusal")):
            contents.append(RefusalDelta(refusal))
        for call in delta.get("tool_calls") or ():
            contents.extend(self._call(call))
        return contents

    def _call(self, call: dict[str, Any]) -> Iterator[Content]:
        function = call.get("function") or {}
        key, call_id = call.get("index", 0), text_in(call.get("id"))
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments)
        arguments = text_in(arguments)
        if self._calls.is_new(key, call_id):
            name = text_in(function.get("name"))
            yield self._calls.begin(key, call_id, name, arguments)
        elif arguments:
            yield self._calls.add(key, arguments)

    def _end(self, reason: str) -> None:
        if reason in FAILURES:
            sentence = "The model server gave up in the middle of the answer."
            raise ProviderError("server_error", sentence, retryable=True)
        self.is_complete = True
        self._reason = FINISH_REASONS.get(reason, "stop")


def chat_messages(prompt: Prompt) -> Any:
    """The conversation, led by the instructions as a system message.

    A message of the assistant that says nothing is left out: some servers refuse it.
    """
    messages = [
        _message(message)
        for message in prompt.messages
        if message.text or message.tool_calls or message.role != "assistant"
    ]
    if prompt.instructions:
        messages.insert(0, {"role": "system", "content": prompt.instructions})
    return messages


def _message(message: PromptMessage) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.parts:
        wire["content"] = _parts(message)
    if message.role == "tool":
        wire["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        wire["content"] = message.text or None
        wire["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments or "{}"},
            }
            for call in message.tool_calls
        ]
    return wire


def _parts(message: PromptMessage) -> list[dict[str, Any]]:
    """Text and images. Documents never come here: only some servers take them."""
    text = [{"type": "text", "text": message.text}] if message.text else []
    images = [
        {"type": "image_url", "image_url": {"url": part.url, "detail": part.detail}}
        for part in message.parts
        if isinstance(part, Image)
    ]
    return [*text, *images]


def chat_parameters(prompt: Prompt, limit_name: str) -> dict[str, Any]:
    """The parameters that are set; tools that are not functions are left out."""
    parameters: dict[str, Any] = {
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "reasoning_effort": prompt.reasoning_effort,
        limit_name: prompt.max_output_tokens,
    }
    if isinstance(prompt.response_format, dict):
        parameters["response_format"] = prompt.response_format
    tools = [tool for tool in prompt.tools if tool.get("type") == "function"]
    if tools:
        parameters["tools"] = tools
        parameters["tool_choice"] = _choice(prompt.tool_choice)
        parameters["parallel_tool_calls"] = prompt.parallel_tool_calls
    return {name: value for name, value in parameters.items() if value is not None}


def _choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """A tool that the server does not know of can't be chosen."""
    is_hosted = isinstance(choice, dict) and choice.get("type") != "function"
    return None if is_hosted else choice


def limit_name(server: Server) -> str:
    """OpenAI's reasoning models refuse the old name, many other servers the new."""
    host = urlsplit(server.base_url).hostname or "api.openai.com"
    is_openai = host.endswith((".openai.com", ".openai.azure.com"))
    return "max_completion_tokens" if is_openai else "max_tokens"
