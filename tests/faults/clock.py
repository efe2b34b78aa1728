"""Clocks that jump: of one web and one worker process, while people chat."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.faults import oracle
from tests.faults.crowd import Crowd, now, recoveries
from tests.faults.fault import ENDS_WITHIN, TABS
from tests.faults.report import Report
from tests.faults.stage import Stage

LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/*MT.so.1")
JUMPS = ("+5m", "+1h", "-1h", "+25h", "+0")


async def clock(stage: Stage, report: Report) -> None:
    """Each jump under load; leases go by the database's clock, all else by none."""
    library = faketime()
    if not library:
        report.not_run = "libfaketime is not installed (Debian: faketime)"
        return
    jump = stage.nginx.folder / "clock"
    set_clock(jump, "+0")
    fake = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(jump),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    for process in (stage.webs[0], stage.workers[0]):
        process.env = process.env | fake
        await process.signal(signal.SIGTERM)
    for by in JUMPS:
        await _jump(stage, report, jump, by)
    report.violations += oracle.tracebacks(stage.processes, oracle.NOTHING)


async def _jump(stage: Stage, report: Report, jump: Path, by: str) -> None:
    crowd = Crowd(stage)
    await crowd.start(TABS)
    await crowd.events(40)
    struck_at = now()
    set_clock(jump, by)
    report.injected += 1
    await crowd.events(200, within=ENDS_WITHIN)
    wrong = await crowd.finish(ENDS_WITHIN)
    report.recoveries += recoveries(crowd.active_at(struck_at), struck_at)
    report.runs += len(crowd.tales)
    wrong += await oracle.faults_of(stage, crowd.tales)
    ends = await oracle.ends_of(stage, crowd.tales)
    report.ends.update(ends)
    if set(ends) != {"completed"}:
        wrong.append(f"ends {sorted(set(ends))}")
    report.violations += [f"clock {by}: {line}" for line in wrong]


def set_clock(file: Path, by: str) -> None:
    file.write_text(by, "ascii")


def faketime() -> str:
    """The library's path, or "" where it is not installed."""
    found = [path for one in LIBRARIES for path in Path("/").glob(one[1:])]
    return str(found[0]) if found else ""
