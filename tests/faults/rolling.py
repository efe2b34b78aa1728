"""A rolling restart of everything under load: nobody sees an error."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter

from tests.faults import oracle
from tests.faults.crowd import Crowd
from tests.faults.report import Report, at
from tests.faults.stage import Stage
from tests.model_server_script import Script

TABS, FEWER_TABS = 100, 40  # in the full and in the short form
MOST_ABNORMAL = 0.05  # of the sockets: those that were just being opened
ANSWER = Script(tokens=15, pace=3, stamp=True)  # five seconds of writing
BACK_WITHIN = 5.0  # seconds, p95
RESTART = 1012


async def rolling(stage: Stage, report: Report) -> None:
    """A web and a worker process at a time, both back before the next go."""
    crowd = Crowd(stage, (ANSWER,))
    tabs = FEWER_TABS if stage.is_short else TABS
    await crowd.start(tabs)
    await crowd.events(4 * tabs, within=60)
    for pair in zip(stage.webs, stage.workers, strict=True):
        await asyncio.gather(*(process.signal(signal.SIGTERM) for process in pair))
        report.injected += len(pair)
    wrong = await crowd.finish(60)
    cuts = [cut for tale in crowd.tales for cut in tale.cuts]
    report.recoveries += [cut.seconds for cut in cuts if cut.back_at]
    report.runs += len(crowd.tales)
    wrong += await oracle.faults_of(stage, crowd.tales)
    report.ends.update(await oracle.ends_of(stage, crowd.tales))
    wrong += [f"ends {dict(report.ends)}"] if set(report.ends) != {"completed"} else []
    codes = Counter(int(cut.code) for cut in cuts)
    refusals = Counter(r for tale in crowd.tales for r in tale.refusals)
    report.notes.append(f"sockets closed with {dict(codes)}")
    report.notes.append(f"questions that had to be sent again: {dict(refusals)}")
    if any("50" in str(refusal) for refusal in refusals):
        wrong.append(f"people saw errors: {dict(refusals)}")
    if len(cuts) - codes[RESTART] > MOST_ABNORMAL * len(cuts):
        wrong.append(f"sockets closed with {dict(codes)}")
    slowest = at(0.95, report.recoveries) or 0
    if slowest > BACK_WITHIN:
        wrong.append(f"sockets back after {slowest:.2f} s p95")
    wrong += [f"given up: {tale}" for tale in crowd.tales if not tale.run]
    ends = [f"{p.name} ended with {p.ends[-1].code}" for p in stage.processes]
    report.notes.append(", ".join(ends))
    report.violations += wrong
    report.violations += oracle.tracebacks(stage.processes, oracle.DATABASE_IS_AWAY)
