"""A fault of the matrix, and its course: people chat, it strikes, all ends, all is well."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults import oracle
from tests.faults.client import SILENCE
from tests.faults.crowd import Crowd, now, recoveries
from tests.faults.report import Report, at
from tests.faults.stage import Stage
from tests.faults.supervisor import Supervised
from tests.model_server_script import Script

TABS, OTHER_TABS = 6, 2
CALM = 1000.0  # ms: the p99 token age of those who should notice nothing
OVER_WITHIN = 300.0  # seconds for the fault itself; the longest lasts 70
POOL_GIVES_UP = 15.0  # seconds after a fault of the database, and some to log it
ENDS_WITHIN = 45.0  # seconds from the end of a fault until every run has its end
COMPLETED = ("completed",)
INTERRUPTED = ("completed", "failed:interrupted")


@dataclass
class Scene:
    """What a fault acts on. ``crowd`` comes in by the door, ``others`` do not."""

    stage: Stage
    crowd: Crowd
    others: Crowd
    report: Report
    struck_at: float = 0.0

    @property
    def chance(self) -> random.Random:
        return self.stage.chance

    async def a_busy_worker(self) -> Supervised:
        """One that executes a run of the crowd just now, or else any."""
        held = "SELECT worker FROM runs_run WHERE status = 'in_progress'"
        names = sorted(row["worker"] for row in await self.stage.query(held))
        if not names:
            return self.chance.choice(self.stage.workers)
        return self.stage.worker_of(self.chance.choice(names))

    async def at_random(self) -> None:
        """Waits for a random event, which is the moment for the fault."""
        await self.crowd.events(self.chance.randint(20, 60))
        self.struck_at = now()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """``act`` waits with ``at_random``, strikes, and returns when it is over.

    ``ends`` are the ends that runs may come to, ``raises`` what processes may log.
    ``spares`` others: their tokens must not be late. ``in_short``: part of the short
    form, too. ``settles`` is how many more events end the scene. ``plays`` are what the
    crowd's questions are answered with, where that is not a plain answer.
    """

    name: str
    act: Callable[[Scene], Awaitable[None]]
    ends: tuple[str, ...] = COMPLETED
    raises: re.Pattern[str] = oracle.NOTHING
    spares: bool = False
    in_short: bool = True
    settles: int = 20
    patience: float | None = None
    tabs: int = TABS
    plays: tuple[tuple[Script, ...], ...] = ()


async def inject(stage: Stage, fault: Fault, report: Report) -> None:
    """One injection with its oracle; adds what was seen to the report."""
    begun = now()
    options = {"patience": fault.patience} if fault.patience else {}
    crowd = Crowd(stage, *fault.plays, **options)
    others = Crowd(stage, direct=True)
    await stage.all_up()
    await crowd.start(fault.tabs)
    await others.start(OTHER_TABS)
    scene = Scene(stage, crowd, others, report)
    try:
        async with asyncio.timeout(OVER_WITHIN):
            await fault.act(scene)
        await crowd.events(fault.settles, within=ENDS_WITHIN + SILENCE)
    except TimeoutError:
        report.violations.append(f"{fault.name}: nothing came any more")
    wrong = await crowd.finish(ENDS_WITHIN + SILENCE) + await others.finish(
        ENDS_WITHIN + SILENCE
    )
    report.injected += 1
    report.recoveries += recoveries(crowd.active_at(scene.struck_at), scene.struck_at)
    report.others += others.ages
    await judge(stage, [crowd, others], report, fault, wrong, begun)


async def judge(
    stage: Stage,
    crowds: list[Crowd],
    report: Report,
    fault: Fault,
    wrong: list[str],
    begun: float,
) -> None:
    """The oracle, and what this fault may lead to."""
    await stage.all_up()
    tales = [tale for crowd in crowds for tale in crowd.tales]
    report.runs += len(tales)
    wrong += await oracle.faults_of(stage, tales)
    for kind in await oracle.ends_of(stage, tales):
        report.ends[kind] += 1
        if kind not in fault.ends:
            wrong.append(f"a run ended as {kind}")
    late = at(0.99, crowds[1].ages) if fault.spares else None
    if late and late > CALM:
        wrong.append(f"the tokens of others were {late:.0f} ms old")
    wrong += oracle.tracebacks(stage.processes, expected(stage, fault, begun))
    report.violations += [f"{fault.name}: {line}" for line in wrong]


def expected(stage: Stage, fault: Fault, begun: float) -> re.Pattern[str]:
    """What processes may have logged: who waited for a connection when the database was
    hurt says so some seconds later, when the next fault may have begun."""
    if fault.raises is oracle.DATABASE_IS_AWAY:
        stage.database_heals_at = now() + POOL_GIVES_UP
    if begun < stage.database_heals_at:
        return oracle.DATABASE_IS_AWAY
    return fault.raises
