"""Stop: how long until the model server sees its connection closed."""

from __future__ import annotations

import asyncio
import contextlib

from tests.faults import oracle
from tests.faults.client import Client
from tests.faults.report import Report, at
from tests.faults.stage import Stage
from tests.faults.tale import Tale
from tests.model_server_script import Script

SHORT, FULL = 10, 100  # runs
AT_ONCE = 10
ENDLESS = Script(tokens=5000, pace=10, stamp=True)
WITHIN = 2.0  # seconds, p95
# Ours, and not those of Procrastinate, whose worker would end without its own.
KILL_EARS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE query ILIKE 'LISTEN %%threadmill%%'
"""
EARS_EVERY = 0.05  # seconds


async def stop(stage: Stage, report: Report) -> None:
    """With doorbells."""
    await _stop_many(stage, report)
    report.violations += oracle.tracebacks(stage.processes, oracle.NOTHING)


async def stop_without_doorbells(stage: Stage, report: Report) -> None:
    """The LISTEN connections are cut as soon as they are there."""
    async with asyncio.TaskGroup() as tasks:
        deafening = tasks.create_task(_deafen(stage))
        await _stop_many(stage, report)
        deafening.cancel()
    report.violations += oracle.tracebacks(stage.processes, oracle.DATABASE_IS_AWAY)


async def _deafen(stage: Stage) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await stage.query(KILL_EARS)
            await asyncio.sleep(EARS_EVERY)


async def _stop_many(stage: Stage, report: Report) -> None:
    tales: list[Tale] = []
    wanted = SHORT if stage.is_short else FULL
    clients = [await stage.client() for _ in range(AT_ONCE)]
    while len(tales) < wanted:
        some = [stage.tale(ENDLESS) for _ in clients]
        tales += some
        delays = [stage.chance.random() for _ in some]
        await asyncio.gather(
            *(
                _one(stage, report, client, tale, delay)
                for client, tale, delay in zip(clients, some, delays, strict=True)
            )
        )
    report.runs += len(tales)
    report.violations += await oracle.faults_of(stage, tales)
    report.ends.update(await oracle.ends_of(stage, tales))
    slowest = at(0.95, report.recoveries) or 0
    report.notes.append("times are from Stop to the model server's closed connection")
    if slowest > WITHIN:
        report.violations.append(f"Stop arrives after {slowest:.2f} s p95")
    if set(report.ends) != {"cancelled"}:
        report.violations.append(f"ends {dict(report.ends)}")


async def _one(
    stage: Stage, report: Report, client: Client, tale: Tale, delay: float
) -> None:
    """One answer, stopped some time after it began."""
    await client.ask(tale)
    following = asyncio.create_task(client.follow(tale))
    number = len(stage.upstream.calls[tale.key])
    while not number:
        await asyncio.sleep(0.02)
        number = len(stage.upstream.calls[tale.key])
    await asyncio.sleep(delay)
    await client.stop(tale)
    record = stage.upstream.calls[tale.key][-1]
    try:
        gone = await record.client_gone(within=30)
    except TimeoutError:
        report.violations.append(f"{tale}: its model server was never told")
        following.cancel()
        return
    report.injected += 1
    report.recoveries.append(gone - tale.stopped_at)
    async with asyncio.timeout(30):
        await following
