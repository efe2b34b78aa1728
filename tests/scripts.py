"""A provider that plays a script, a worker around it, and the law of the log."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from runs import actions, events, live, worker
from runs.course import MESSAGE_FIELDS, RUN_FIELDS, STEP_FIELDS
from runs.models import Message, Run, User
from runs.providers import (
    Finish,
    Prompt,
    ProviderError,
    Sent,
    TextDelta,
    Usage,
    Value,
)

WELL = Finish("stop", "resp_1", "model-1-2026")
USED = Usage(10, 5, 4, 2)


class Gate:
    """A place in a script: says that it was reached and waits to be opened."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()


class Scripted:
    """Plays one list of values, errors and gates for each turn asked of it."""

    def __init__(self) -> None:
        self.turns: list[list[Value | Gate | Exception]] = []
        self.prompts: list[Prompt] = []
        self.closed = 0

    def will(self, *turn: Value | Gate | Exception) -> None:
        self.turns.append(list(turn))

    def will_say(self, *texts: str) -> None:
        self.will(Sent("req_1"), *map(TextDelta, texts), USED, WELL)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Value, None]:
        self.prompts.append(prompt)
        try:
            for item in self.turns.pop(0):
                if isinstance(item, Gate):
                    item.reached.set()
                    await item.opened.wait()
                elif isinstance(item, Exception):
                    raise item
                else:
                    yield item
        finally:
            self.closed += 1

    async def models(self) -> list[str]:
        return ["model-1"]

    async def aclose(self) -> None:
        pass


@contextlib.asynccontextmanager
async def working(
    monkeypatch: pytest.MonkeyPatch,
    provider: Scripted,
    *,
    grace: float = 0,
    alone: bool = False,
) -> AsyncIterator[worker.Worker]:
    """A real worker whose only model server is the script."""
    monkeypatch.setattr("runs.worker.connect", lambda server: provider)
    at_work = worker.Worker(grace=grace)
    # With SQLite a worker is alone; elsewhere the leases of the dead must run out.
    at_work.is_alone = alone
    task = asyncio.create_task(at_work.run())
    try:
        yield at_work
    finally:
        at_work.stop()
        await task


async def post(user: User, text: str = "Hello", **rest: Any) -> Run:
    return await sync_to_async(actions.post_message)(user=user, text=text, **rest)


async def ended(run: Run) -> Run:
    """The run after its terminal event, its rows held to be the fold of its log."""
    async with asyncio.timeout(10), contextlib.aclosing(live.follow(run.pk)) as log:
        async for _ in log:
            pass
    await run.arefresh_from_db()
    await sync_to_async(assert_rows_are_fold_of_log)(run)
    return run


async def answer_of(run: Run) -> Message:
    """The newest message that the run wrote."""
    return await run.messages.order_by("number").alatest("number")


async def until(run: Run, kind: str) -> live.Logged:
    """The first event of this type in the run's log."""
    async with asyncio.timeout(10), contextlib.aclosing(live.follow(run.pk)) as log:
        async for event in log:
            if event.type == kind:
                return event
    raise AssertionError(f"{kind} never came")


async def types(run: Run) -> list[str]:
    log = await sync_to_async(events.after)(run.pk, 0)
    return [event.type.removeprefix("thread.") for event in log]


def bare(run: Run) -> Run:
    """The run as it was created, before its log began."""
    kept = {
        field.attname: getattr(run, field.attname)
        for field in Run._meta.concrete_fields
        if field.attname not in RUN_FIELDS or field.attname in ("server", "model")
    }
    return Run(**kept, expires_at=dt.datetime.max)


def assert_rows_are_fold_of_log(run: Run) -> None:
    """Folding the log from empty gives the stored run, steps and messages."""
    run = Run.objects.get(pk=run.pk)
    course = events.replay(bare(run), events.after(run.pk, 0))
    fields = RUN_FIELDS if run.is_terminal else set(RUN_FIELDS) - {"expires_at"}
    assert columns(course.run, fields) == columns(run, fields)
    for step in run.steps.all():
        assert columns(course.steps.pop(step.pk), STEP_FIELDS) == columns(
            step, STEP_FIELDS
        )
    for message in run.messages.all():
        folded = course.messages.pop(message.pk)
        assert columns(folded, MESSAGE_FIELDS) == columns(message, MESSAGE_FIELDS)
    assert not course.steps
    assert not course.messages


def columns(row: Any, names: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


__all__ = [
    "USED",
    "WELL",
    "Gate",
    "ProviderError",
    "Scripted",
    "answer_of",
    "assert_rows_are_fold_of_log",
    "ended",
    "post",
    "types",
    "until",
    "working",
]
