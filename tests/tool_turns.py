"""What tests of tools share: turns that ask for them, and what a run made of them."""

from __future__ import annotations

from typing import Any

from runs.models import Assistant, EventType, Run, RunStep
from runs.providers import Finish, Sent, TextDelta, ToolCallDelta, Value
from tests.scripts import USED, until

CALLED = Finish("tool_calls", "resp_1", "m")


def asks(*calls: tuple[str, str], text: str = "") -> list[Value]:
    """A model turn that asks for these tools with these arguments."""
    deltas = [
        ToolCallDelta(index, f"call_{index}", name, arguments)
        for index, (name, arguments) in enumerate(calls)
    ]
    said = [TextDelta(text)] if text else []
    return [Sent(""), *said, *deltas, USED, CALLED]


async def assistant_with(*names: str, **fields: Any) -> Assistant:
    return await Assistant.objects.acreate(
        name="Tools", server_tools=list(names), **fields
    )


async def calls_of(run: Run) -> list[dict[str, Any]]:
    steps = RunStep.objects.filter(run=run, type="tool_calls").order_by("index")
    return [call["function"] async for step in steps for call in step.tool_calls]


async def outputs_of(run: Run) -> list[Any]:
    return [call["output"] for call in await calls_of(run)]


async def waiting(run: Run) -> Run:
    """The run once it waits for somebody."""
    await until(run, EventType.RUN_REQUIRES_ACTION)
    await run.arefresh_from_db()
    return run
