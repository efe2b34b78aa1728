"""What processes cost, from /proc: CPU time and memory, with their children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, and of the children it has or had.

    Raises OSError when the process has ended.
    """
    own, ended = _times(pid)
    for child in children(pid):
        with contextlib.suppress(OSError):
            own += _times(child)[0]
    return own + ended


def _times(pid: int) -> tuple[float, float]:
    """Seconds of the process itself, and of its children that have ended."""
    user, system, ended_user, ended_system = map(int, _stat(pid)[11:15])
    return (user + system) / TICKS, (ended_user + ended_system) / TICKS


def children(pid: int) -> list[int]:
    """The processes begun by this one that still live (not theirs in turn)."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in tasks.read_text().split()]
    return found


def parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def memory(pid: int) -> dict[str, float]:
    """Pss and Rss of one process in MB. Pss counts shared pages by their sharers."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
    return {kind: int(sizes[kind]) / 1024 for kind in ("Pss", "Rss")}


@dataclass(slots=True)
class Sampler:
    """CPU seconds of some processes over time."""

    pids: Mapping[str, int]
    samples: list[tuple[int, dict[str, float]]] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def sampling(self, every: float = 0.1) -> AsyncIterator[None]:
        task = asyncio.create_task(self._run(every))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, every: float) -> None:
        while True:
            self._sample()
            await asyncio.sleep(every)

    def _sample(self) -> None:
        costs = dict(self.samples[-1][1]) if self.samples else {}
        for name, pid in self.pids.items():
            with contextlib.suppress(OSError):  # It has ended: what it had spent stays.
                costs[name] = cpu_seconds(pid)
        self.samples.append((time.monotonic_ns(), costs))

    def between(self, begin: int, end: int) -> dict[str, float]:
        """CPU seconds of each in this time (monotonic ns), by the nearest samples."""
        first, last = _nearest(self.samples, begin), _nearest(self.samples, end)
        return {name: last[name] - first[name] for name in self.pids}


def _nearest(
    samples: Iterable[tuple[int, dict[str, float]]], moment: int
) -> dict[str, float]:
    return min(samples, key=lambda sample: abs(sample[0] - moment))[1]
