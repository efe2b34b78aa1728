"""`make faults`: break everything, and see that nothing is lost.

`python -m tests.faults --short` is what the gate runs; `--only worker-kill cuts` chooses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

from tests.faults.fault import Fault, Scene, inject
from tests.faults.parts import FAULTS, SCENARIOS, Scenario
from tests.faults.report import Report, table
from tests.faults.stage import Stage, stage

LEASE, SHORT_LEASE = 30, 6  # seconds
TIMES = 3  # each fault of the matrix, in the full form
NO_MORE_AFTER = 90.0  # seconds from the start; in the short form no part begins later
MEMORY_MARGIN = 60 * 1024  # KB by which a process may be above its kind at the start
MEBI = 1024  # KB

BEGUN = time.monotonic()
Act = Callable[[Report], Awaitable[None]]


class Play:
    """One performance: what was chosen, in the order of the seed."""

    def __init__(self, given: argparse.Namespace, on: Stage) -> None:
        self.given, self.on = given, on
        self.reports: dict[str, Report] = {}

    async def run(self) -> list[Report]:
        """The quiet beginning, the faults, the scenarios, and a look at memory."""
        await self._part("calm", partial(inject, self.on, CALM))
        base = self._memory()
        for name, act in self._schedule():
            if self.given.short and time.monotonic() - BEGUN > NO_MORE_AFTER:
                self.reports[name] = Report(name, not_run="no time was left")
            else:
                await self._part(name, act)
        self._look_at_memory(base)
        return list(self.reports.values())

    def _schedule(self) -> list[tuple[str, Act]]:
        """What was chosen, at random, so that a slow machine leaves out other parts
        each time."""
        times = self.given.times or (1 if self.given.short else TIMES)
        faults = [f for f in FAULTS if self._is_chosen(f)]
        schedule: list[tuple[str, Act]] = []
        for fault in faults * times:
            schedule.append((fault.name, partial(inject, self.on, fault)))
        for scenario in [s for s in SCENARIOS if self._is_chosen(s)]:
            schedule.append((scenario.name, partial(scenario.act, self.on)))
        self.on.chance.shuffle(schedule)
        return schedule

    def _is_chosen(self, part: Fault | Scenario) -> bool:
        if self.given.only:
            return part.name in self.given.only
        return part.in_short or not self.given.short

    async def _part(self, name: str, act: Act) -> None:
        """Plays one part; whatever goes wrong in it is written into its report."""
        report = self.reports.setdefault(name, Report(name))
        begun, known = time.monotonic(), len(report.violations)
        try:
            await act(report)
        except Exception as error:  # noqa: BLE001 - the others are played all the same
            report.violations.append(f"{name} broke off: {error!r}")
        took = time.monotonic() - begun
        report.seconds += took
        say(f"{name}: {took:.1f} s")
        for violation in report.violations[known:]:
            say(f"VIOLATED {name}: {violation}")

    def _memory(self) -> dict[str, int]:
        return {process.name: process.memory() for process in self.on.processes}

    def _look_at_memory(self, base: dict[str, int]) -> None:
        report = self.reports.setdefault("memory", Report("memory"))
        for name, now in self._memory().items():
            report.notes.append(
                f"{name}: {base[name] // MEBI} MB at the start, {now // MEBI} MB now"
            )
            if now > base[name] + MEMORY_MARGIN:
                report.violations.append(report.notes[-1])


async def nothing(scene: Scene) -> None:
    await scene.at_random()


CALM = Fault(name="calm", act=nothing, spares=True)


def arguments() -> argparse.Namespace:
    names = [fault.name for fault in FAULTS] + [part.name for part in SCENARIOS]
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Breaks a whole installation on purpose and looks what it does.",
        epilog="names: " + ", ".join(names),
    )
    parser.add_argument("--short", action="store_true", help="at most two minutes")
    parser.add_argument("--seed", type=int, help="of what happens when")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, default=[])
    parser.add_argument("--json", action="store_true", help="the table as JSON, too")
    parser.add_argument("--times", type=int, help="how often each fault is injected")
    return parser.parse_args()


async def play(given: argparse.Namespace, seed: int) -> list[Report]:
    """All that was chosen, on one installation."""
    lease = SHORT_LEASE if given.short else LEASE
    me = asyncio.current_task()
    assert me
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, me.cancel)
    async with stage(seed, lease=lease, is_short=given.short) as on:
        say(
            f"Started in {time.monotonic() - BEGUN:.1f} s; lease {lease} s, seed {seed}"
        )
        return await Play(given, on).run()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    given = arguments()
    seed = given.seed if given.seed is not None else secrets.randbelow(10**6)
    reports = asyncio.run(play(given, seed))
    say(table(reports))
    if given.json:
        say(json.dumps([report.figures() for report in reports], indent=2))
    return int(any(report.violations for report in reports))


if __name__ == "__main__":
    sys.exit(main())
