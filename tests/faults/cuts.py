"""Random cuts of sockets under many answers: no gap, no double, and back at once."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.faults import oracle
from tests.faults.crowd import Crowd
from tests.faults.report import Report, at
from tests.faults.stage import Stage
from tests.faults.tale import Tale
from tests.model_server_script import Script

WANTED = 10_000  # cuts, in the full form; the short form is one round
TABS = 60
LIFE, TICK = 2.0, 0.02  # seconds: of a connection on average; between looks
ANSWER = Script(tokens=100, pace=5, stamp=True)  # 20 seconds of writing
BACK_WITHIN = 2.0  # seconds, p95


async def cuts(stage: Stage, report: Report) -> None:
    """Rounds of one answer for each tab; every connection is cut again and again."""
    tales: list[Tale] = []
    wrong: list[str] = []
    while report.injected < (1 if stage.is_short else WANTED):
        crowd = Crowd(stage, (ANSWER,))
        await crowd.start(TABS, questions=1)
        ending = asyncio.create_task(crowd.finish(180))
        while not ending.done():
            share = TICK / LIFE
            cut = stage.door.cut_some(stage.chance, share, b"GET /ws ")
            report.injected += cut
            await asyncio.wait([ending], timeout=TICK)
        wrong += await ending
        tales += crowd.tales
    report.violations += wrong
    await _judge(stage, report, tales)


async def _judge(stage: Stage, report: Report, tales: list[Tale]) -> None:
    wrong = await oracle.faults_of(stage, tales)
    backs = [cut.seconds for tale in tales for cut in tale.cuts if cut.back_at]
    report.recoveries += backs
    report.runs += len(tales)
    report.ends.update(await oracle.ends_of(stage, tales))
    wrong += [f"ends {dict(report.ends)}"] if set(report.ends) != {"completed"} else []
    tries = Counter(why for tale in tales for why in tale.tries)
    sockets = sum(len(tale.cuts) for tale in tales)
    gaps = sum(len(tale.gaps) for tale in tales)
    doubles = sum(tale.doubles for tale in tales)
    report.notes.append(
        f"{sockets} websockets cut and {len(backs)} back, {gaps} gaps; "
        f"{doubles} events came twice and were dropped by seq"
    )
    report.notes.append(f"tries to connect that failed: {dict(tries)}")
    slowest = at(0.95, backs) or 0
    if slowest > BACK_WITHIN:
        wrong.append(f"back after {slowest:.2f} s p95")
    report.violations += wrong
