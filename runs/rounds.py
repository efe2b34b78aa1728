"""A round of tools: what a model turn asked for, by who has to answer, and the server's
own part of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from runs import tools
from runs.events import Event
from runs.models import EventType, Run, RunSetup, RunStep, StepStatus, StepType
from runs.providers import ToolCall
from runs.writer import RunLog

AT_ONCE = 8  # calls of one run that are executed side by side
LONGEST_GOODBYE = 1.0  # seconds that a tool gets to end when its run is stopped


@dataclass(slots=True)
class Round:
    """Calls without an output; ``own`` by their index in the step."""

    step: str
    own: dict[int, ToolCall] = field(default_factory=dict)
    approvals: list[str] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)

    @property
    def waits(self) -> bool:
        """Whether it takes somebody else than the server."""
        return bool(self.approvals or self.clients)

    def requires_action(self) -> Event:
        """What is left is for the client, or for a person to allow."""
        fact = {"step": self.step, "calls": self.clients, "approvals": self.approvals}
        return Event(EventType.RUN_REQUIRES_ACTION, fact)


def sorted_out(setup: RunSetup, step: str, calls: Sequence[ToolCall]) -> Round:
    """Who answers each of these calls.

    A run without tools of the server leaves all to the client. Otherwise a name that
    nobody has is the server's, which tells the model so.
    """
    found = Round(step)
    functions = (one.get("function") or {} for one in setup.tools)
    clients = {function.get("name") for function in functions}
    marked = {one["function"]["name"]: one for one in setup.server_tools}
    for index, call in enumerate(calls):
        if not marked or call.name in clients:
            found.clients.append(call.id)
        elif call.name in marked and _needs_approval(call.name, marked):
            found.approvals.append(call.id)
        else:
            found.own[index] = call
    return found


def _needs_approval(name: str, marked: dict[str, dict[str, object]]) -> bool:
    """By the mark that the run began with, or by one that the tool has got since."""
    known = tools.find(name)
    return bool(marked[name]["needs_approval"] or (known and known.needs_approval))


def approved(run: Run) -> Round | None:
    """What an attempt that goes on after approval has to execute first."""
    steps = run.steps.filter(type=StepType.TOOL_CALLS, status=StepStatus.IN_PROGRESS)
    step: RunStep | None = steps.first()
    if step is None:
        return None
    own = {
        index: ToolCall(call["id"], function["name"], function["arguments"])
        for index, call in enumerate(step.tool_calls)
        if (function := call["function"])["output"] is None
    }
    return Round(step.pk, own)


async def execute(found: Round, setup: RunSetup, log: RunLog) -> None:
    """Execute the server's calls side by side; outputs are recorded as they come."""
    told = {"step": found.step, "calls": [call.id for call in found.own.values()]}
    log.add(Event(EventType.TOOLS_STARTED, told))
    room = asyncio.Semaphore(AT_ONCE)
    names = {one["function"]["name"] for one in setup.server_tools}

    async def answered(index: int, call: ToolCall) -> tuple[int, str]:
        async with room:
            if call.name not in names:
                return index, f"Error: there is no tool '{call.name}'."
            return index, await tools.answer(call.name, call.arguments)

    tasks = [asyncio.create_task(answered(*one)) for one in found.own.items()]
    try:
        for done in asyncio.as_completed(tasks):
            index, output = await done
            fact = {"step": found.step, "index": index, "arguments": ""}
            log.add(Event(EventType.STEP_DELTA, {**fact, "output": output}))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=LONGEST_GOODBYE)
