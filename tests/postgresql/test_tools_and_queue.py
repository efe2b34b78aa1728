"""Tools of the server and queued messages over several processes and their deaths."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from tests.model_server_script import Call, Script
from tests.postgresql import test_processes
from tests.server_process import manage
from tests.visitor import Visitor

site = test_processes.site

ALLOW = """
from runs.models import Assistant
made = Assistant.objects.default()
made.server_tools = ["calculate", "endless"]
made.save(update_fields=["server_tools"])
"""
SUM = Call(id="call_s", name="calculate", arguments=['{"expression": "6 * 7"}'])
ENDLESS = Call(id="call_e", name="endless")


async def allow_tools(site: test_processes.Site) -> None:
    site.env["TOOL_MODULES"] = "tests.tool_examples"
    done = await manage("shell", "-v", "0", "-c", ALLOW, env=site.env)
    assert done.code == 0, done.err


async def events_of(visitor: Visitor, run: str) -> list[dict[str, Any]]:
    return [event async for event in visitor.follow(run)]


async def until(visitor: Visitor, run: str, kind: str) -> None:
    async for event in visitor.follow(run):
        if event["type"] == kind:
            return
    pytest.fail(f"{kind} never came")


def outputs(events: list[dict[str, Any]]) -> list[str]:
    return [e["data"]["output"] for e in events if "output" in e["data"]]


async def test_a_worker_executes_tools_and_dies_in_one(
    site: test_processes.Site,
) -> None:
    await allow_tools(site)
    visitor, worker = await site.open(), await site.worker()
    site.model.enqueue(Script(tokens=0, tool_calls=[SUM], finish="tool_calls"))
    run = await visitor.post("What is six times seven?")
    log = await events_of(visitor, run)
    assert outputs(log) == ["42"]
    assert log[-1]["type"] == "thread.run.completed"

    site.model.enqueue(Script(tokens=0, tool_calls=[ENDLESS], finish="tool_calls"))
    run = await visitor.post("Wait for ever")
    await until(visitor, run, "thread.run.tools.started")
    await site.worker()
    await worker.stop(signal.SIGKILL)
    async with asyncio.timeout(45):
        log = await events_of(visitor, run)
    assert outputs(log) == []
    assert log[-1]["data"]["error_code"] == "interrupted"
    assert log[-2]["type"] == "thread.run.step.failed"


async def test_what_waits_is_sent_by_the_worker_that_completes_the_run_before(
    site: test_processes.Site,
) -> None:
    visitor = await site.open()
    await site.worker()
    site.model.enqueue(Script(tokens=40, pace=40))
    run = await visitor.post("First")
    await visitor.queue(run, "Second")
    await visitor.queue(run, "Third")
    assert (await events_of(visitor, run))[-1]["type"] == "thread.run.completed"
    _, second = await visitor.runs_beside(run)
    await events_of(visitor, second)
    *_, third = await visitor.runs_beside(run)
    await events_of(visitor, third)
    assert await visitor.runs_beside(run) == [run, second, third]
    assert len(site.model.requests) == 3
