"""People who chat while something breaks, and people who should not notice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from tests.faults.client import Client
from tests.faults.stage import Stage
from tests.faults.tale import Tale
from tests.model_server_script import Script

ANSWER = Script(tokens=30, pace=15, stamp=True)  # two seconds of writing


class Crowd:
    """So many tabs, each asking again and again until ``finish``.

    A play is what one question is answered with; the tabs share them out.
    ``heard`` counts the events they all received; ``events`` waits for more of them.
    """

    def __init__(self, stage: Stage, *plays: Sequence[Script], **options: Any) -> None:
        self.tales: list[Tale] = []
        self.heard = 0
        self._stage, self._options = stage, options
        self._plays = plays or ((ANSWER,),)
        self._wanted: list[tuple[int, asyncio.Event]] = []
        self._is_over, self._questions = False, 0
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, tabs: int, questions: int = 10**6) -> None:
        """Returns at once; each tab asks so many questions at most."""
        self._questions = questions
        clients = [
            await self._stage.client(heard=self._hear, **self._options)
            for _ in range(tabs)
        ]
        self._tasks = [
            asyncio.create_task(self._chat(client, self._plays[n % len(self._plays)]))
            for n, client in enumerate(clients)
        ]
        self._stage.stack.push_async_callback(self._cancel)

    async def events(self, number: int, within: float = 20) -> None:
        """Waits until so many more were received. Raises TimeoutError."""
        enough = asyncio.Event()
        self._wanted.append((self.heard + number, enough))
        async with asyncio.timeout(within):
            await enough.wait()

    async def finish(self, within: float) -> list[str]:
        """No new questions; waits for the ends. Gives what did not come to one."""
        self._is_over = True
        if not self._tasks:
            return []
        _, late = await asyncio.wait(self._tasks, timeout=within)
        for task in late:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        wrong = [f"{tale}: no end in time" for tale in self.tales if not tale.kind]
        broken = [one for one in ended if isinstance(one, Exception)]
        return wrong + [f"client failed: {error!r}" for error in broken]

    @property
    def ages(self) -> list[float]:
        """Of all tokens, in ms."""
        return [age / 1e6 for tale in self.tales for age in tale.ages]

    def active_at(self, moment: float) -> list[Tale]:
        """Those that were asked before and ended after a moment."""
        return [
            tale
            for tale in self.tales
            if tale.began < moment and not 0 < tale.ended_at < moment
        ]

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _hear(self) -> None:
        self.heard += 1
        for wanted in [w for w in self._wanted if w[0] <= self.heard]:
            wanted[1].set()
            self._wanted.remove(wanted)

    async def _chat(self, client: Client, play: Sequence[Script]) -> None:
        for _ in range(self._questions):
            tale = self._stage.tale(*play)
            self.tales.append(tale)
            await client.live(tale)
            if self._is_over:
                return


SILENT = 0.5  # seconds: whoever waited longer for an event was touched by the fault


def recoveries(tales: Sequence[Tale], fault_at: float) -> list[float]:
    """For each that was touched, the time from the fault to the first new event."""
    found = []
    for tale in tales:
        length, until = tale.longest_silence(fault_at)
        if length > SILENT:
            found.append(until - fault_at)
    return found


def now() -> float:
    return time.monotonic()
