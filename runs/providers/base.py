"""What every provider takes and gives: values, errors and the protocol itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

ServerKind: TypeAlias = Literal["responses", "chat_completions", "demo"]
FinishReason: TypeAlias = Literal["stop", "length", "content_filter", "tool_calls"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where a model is reached and how long it may take. Times in seconds.

    `first_token_timeout` runs from the request to the first content, `silence_timeout`
    from one piece of content to the next; keep-alive comments and empty deltas are not
    content. `max_line_bytes` bounds one line on the wire, `max_answer_bytes` the
    content of one answer (text, reasoning, refusal and arguments, as UTF-8).
    """

    name: str
    kind: ServerKind
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    default_model: str = ""
    connect_timeout: float = 5
    first_token_timeout: float = 60
    silence_timeout: float = 45
    max_line_bytes: int = 1_000_000
    max_answer_bytes: int = 10_000_000

    @property
    def hosts_tools(self) -> bool:
        """Whether it runs file_search and code_interpreter itself."""
        return self.kind == "responses"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model asked for; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in a user's message: its address, or all of it as a data: URL."""

    url: str
    detail: str = "auto"


@dataclass(frozen=True, slots=True)
class Document:
    """A file in a user's message, all of it as a data: URL."""

    filename: str
    data_url: str


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message of the conversation; a tool's result names its call.

    ``parts`` is what a user sent besides the text.
    """

    role: Literal["user", "assistant", "tool"]
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    parts: tuple[Image | Document, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """All that is asked of a model. Tools and formats have the Chat Completions shape.

    A parameter that is None is not sent; an empty model means the server's default.
    Tools that a server hosts are {"type": "file_search", "vector_store_ids", …} and
    {"type": "code_interpreter", "file_ids"}; other servers are not told of them.
    """

    model: str
    instructions: str
    messages: tuple[PromptMessage, ...]
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | dict[str, Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: int | None = None
    response_format: str | dict[str, Any] | None = None
    reasoning_effort: str | None = None
    parallel_tool_calls: bool | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """The server has accepted the request: its response headers are in."""

    request_id: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of what the model lets see of its reasoning, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """The next piece of a refusal, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the index-th tool call (0, 1, …); id and name only in its first.

    The joined arguments of a call are never empty: without any they are `{}`.
    """

    index: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class HostedCall:
    """A piece of a call of a tool that the model server runs itself.

    ``id`` is the server's for the call, and ``kind`` file_search or code_interpreter;
    ``text`` is the next piece of the code. ``result`` comes last, in the shape of the
    Assistants protocol: {"results", "ranking_options"} or {"outputs"}.
    """

    id: str
    kind: str
    text: str = ""
    result: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """An annotation of the text so far, in the shape of the Assistants protocol."""

    annotation: dict[str, Any]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them; None where it did not say."""

    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    reasoning_tokens: int | None


@dataclass(frozen=True, slots=True)
class Finish:
    """The answer is whole, or the server says why it is not. Always the last value."""

    reason: FinishReason
    response_id: str
    model: str


Content: TypeAlias = (
    TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | HostedCall | Citation
)
Value: TypeAlias = Sent | Content | Usage | Finish


class ProviderError(Exception):
    """The model server failed; the message is a sentence for the user, without secrets.

    `code` is one of the run error codes. `retryable` says that the same request may
    succeed later, `retry_after` (seconds) when the server wants it.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after


class Provider(Protocol):
    """Asks one model server. Never retries: that is for the engine to do in sight."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Value, None]:
        """The answer as it comes: Sent, content, at most one Usage, Finish.

        Use inside `contextlib.aclosing`: closing it closes the connection, which stops
        the model. Raises ProviderError; the content before it stands.
        """
        ...

    async def models(self) -> list[str]:
        """The names of the models that the server offers. Raises ProviderError."""
        ...

    async def aclose(self) -> None:
        """Closes the pooled connections; the provider is of no use afterwards."""
        ...
