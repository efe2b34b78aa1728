"""Model servers: one way to ask them, whatever they speak. No Django in here.

`connect(server)` gives the provider for a server; keep it for the life of the process
(it pools connections) and close it at shutdown.
"""

from __future__ import annotations

from runs.providers.base import (
    Citation,
    Document,
    Finish,
    HostedCall,
    Image,
    Prompt,
    PromptMessage,
    Provider,
    ProviderError,
    ReasoningDelta,
    RefusalDelta,
    Sent,
    Server,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    Value,
)
from runs.providers.chat_completions import ChatCompletions
from runs.providers.demo import Demo
from runs.providers.offered import Offered, offered
from runs.providers.responses import Responses

__all__ = [
    "ChatCompletions",
    "Citation",
    "Demo",
    "Document",
    "Finish",
    "HostedCall",
    "Image",
    "Offered",
    "Prompt",
    "PromptMessage",
    "Provider",
    "ProviderError",
    "ReasoningDelta",
    "RefusalDelta",
    "Responses",
    "Sent",
    "Server",
    "TextDelta",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
    "Value",
    "connect",
    "offered",
]


def connect(server: Server) -> Provider:
    """The provider that speaks to `server`; opens no connection yet.

    A provider belongs to the event loop it is first used in. Raises ValueError for an
    unknown kind of server.
    """
    if server.kind == "responses":
        return Responses(server)
    if server.kind == "chat_completions":
        return ChatCompletions(server)
    if server.kind == "demo":
        return Demo()
    raise ValueError(f"Unknown kind of model server: {server.kind!r}.")
