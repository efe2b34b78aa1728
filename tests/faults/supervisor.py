"""A tiny supervisor: starts a process again whenever it ends, as systemd would."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.server_process import Running, running

PAUSE = 0.2  # seconds before a process that ended is started again
KILOBYTE = 1024


@dataclass(slots=True)
class End:
    """One end of a process: when, by the monotonic clock, and its exit status."""

    at: float
    code: int


@dataclass(eq=False)
class Supervised:
    """One place for a process, in which there is always one."""

    name: str
    command: tuple[str, ...]
    says: str
    env: dict[str, str]
    ends: list[End] = field(default_factory=list)
    failed_starts: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    first_lines: list[str] = field(default_factory=list)
    _now: Running | None = None
    _is_up: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once it has said that it is up."""
        self._task = asyncio.create_task(self._keep_up(), name=self.name)
        await self.up()

    async def up(self, within: float = 60) -> Running:
        """Waits until a process is there, and gives it. Raises TimeoutError, with its words."""
        try:
            async with asyncio.timeout(within):
                await self._is_up.wait()
        except TimeoutError:
            last = self.failed_starts[-1:] or ["it says nothing"]
            raise TimeoutError(f"{self.name} is not up: {last[0]}") from None
        assert self._now
        return self._now

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def pid(self) -> int:
        """Of the process that is there, or was last."""
        assert self._now
        return self._now.process.pid

    def send(self, number: signal.Signals) -> int:
        """Signals the process, if there is one; returns its id."""
        pid = self.pid
        if self._is_up.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pid

    async def signal(self, number: signal.Signals, within: float = 150) -> Running:
        """Signals the process, waits for its end, and for the next to be up."""
        old = await self.up()
        self.send(number)
        async with asyncio.timeout(within):
            await old.process.wait()
        self._is_up.clear()
        return await self.up()

    def memory(self) -> int:
        """Resident memory in KB; 0 while there is no process."""
        if not self._is_up.is_set():
            return 0
        pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // KILOBYTE

    async def _keep_up(self) -> None:
        while True:
            try:
                await self._one_life()
            except AssertionError as error:
                self.failed_starts.append(str(error))
            await asyncio.sleep(PAUSE)

    async def _one_life(self) -> None:
        started = running(*self.command, env=self.env, says=self.says)
        async with started as process:
            self.err += process.err
            process.err = self.err
            await self._live(process)

    async def _live(self, process: Running) -> None:
        self._now = process
        self.first_lines.append(process.lines[0])
        self._is_up.set()
        try:
            code = await process.process.wait()
            self.ends.append(End(time.monotonic(), code))
        finally:
            self._is_up.clear()
            with contextlib.suppress(ProcessLookupError):
                process.process.send_signal(signal.SIGCONT)
