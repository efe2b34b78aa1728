"""Tools for tests, as an operator's own module would add them (TOOL_MODULES)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from runs.tools import ToolError, tool

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}
calls: list[str] = []  # what was executed in this process, in order


@tool(description="Gives the text back.", parameters=TEXT)
async def echo(text: str = "") -> str:
    calls.append(f"echo {text}")
    return text


@tool(
    description="Gives the text back, once allowed.",
    parameters=TEXT,
    needs_approval=True,
)
async def guarded(text: str = "") -> str:
    calls.append(f"guarded {text}")
    return f"guarded {text}"


@tool(description="Never ends by itself.", seconds=60)
async def endless() -> None:
    calls.append("endless")
    await asyncio.Event().wait()


@tool(description="Takes too long.", seconds=0.05)
async def late() -> None:
    await asyncio.Event().wait()


@tool(description="Takes too long, without asyncio.", seconds=0.05)
def late_and_blocking() -> None:
    time.sleep(0.2)


@tool(description="Breaks.")
async def broken() -> None:
    raise RuntimeError("secret detail")


@tool(description="Is cut off by itself.")
async def giving_up() -> None:
    raise asyncio.CancelledError


@tool(description="Refuses.")
async def refusing() -> None:
    raise ToolError("not today.")


@tool(description="Gives much.", most_characters=100)
async def huge() -> Any:
    return ["x" * 1_000]


@tool(
    description="Wants all kinds.",
    parameters={
        "type": "object",
        "properties": {
            "count": {"type": "integer"},
            "unit": {"enum": ["m", "s"]},
            "share": {"type": "number"},
            "anything": {},
        },
        "required": ["count"],
    },
)
def picky(**given: Any) -> Any:
    return given
