"""A worker killed after every event of a run: tried again, or ended with its text."""

from __future__ import annotations

import asyncio
import signal

import psycopg

from tests.faults import oracle
from tests.faults.client import Client
from tests.faults.crowd import now
from tests.faults.report import Report
from tests.faults.stage import Stage
from tests.faults.tale import Tale
from tests.model_server_script import Script

# Pauses in which nothing is recorded: each token is a commit of its own.
ANSWER = Script(tokens=6, pace=5, delay_headers=0.3, stamp=True)
EVENTS = 18  # created, queued, in_progress, sent, 4 that open, 6 deltas, 4 that close
SHORT = (3, 4, 8, 9, 11, 14)
ENDED_WITHIN = 45.0  # seconds
CHANNEL = "threadmill_events"


async def every_index(stage: Stage, report: Report) -> None:
    """One run for each event; the end of one is awaited while the next are killed."""
    following: list[asyncio.Task[None]] = []
    tales: list[Tale] = []
    for index in SHORT if stage.is_short else range(3, EVENTS + 1):
        await stage.all_up()
        tale = stage.tale(ANSWER)
        tales.append(tale)
        client = await stage.client()
        killed_at = await _kill_after(stage, client, tale, index)
        report.injected += 1
        end = _end(client, tale, index, killed_at, report)
        following.append(asyncio.create_task(end))
    await asyncio.gather(*following)
    report.runs += len(tales)
    report.violations += await oracle.faults_of(stage, tales)
    report.ends.update(await oracle.ends_of(stage, tales))
    if other := set(report.ends) - {"completed", "failed:interrupted"}:
        report.violations.append(f"ends {other}")
    await stage.all_up()
    report.violations += oracle.tracebacks(stage.processes, oracle.NOTHING)


async def _kill_after(stage: Stage, client: Client, tale: Tale, index: int) -> float:
    """Asks, and kills the run's worker as soon as that event is recorded."""
    ears = await psycopg.AsyncConnection.connect(stage.cluster.url, autocommit=True)
    async with ears:
        await ears.execute(f"LISTEN {CHANNEL}".encode())
        await client.ask(tale)
        seq = 0
        while seq < index:
            seq = await _head(stage, tale)
            if seq < index:
                async for _ in ears.notifies(timeout=0.5, stop_after=1):
                    pass
    statement = "SELECT worker FROM runs_run WHERE id = %s"
    name = (await stage.query(statement, tale.run))[0]["worker"]
    stage.worker_of(name).send(signal.SIGKILL)
    return now()


async def _head(stage: Stage, tale: Tale) -> int:
    statement = "SELECT last_seq FROM runs_run WHERE id = %s"
    return int((await stage.query(statement, tale.run))[0]["last_seq"])


async def _end(
    client: Client, tale: Tale, index: int, killed_at: float, report: Report
) -> None:
    """Waits for the end, or for a new attempt, which must come in time."""
    async with asyncio.timeout(4 * ENDED_WITHIN):
        await client.follow(tale)
    queued = [
        at
        for at, kind in list(zip(tale.times, tale.kinds, strict=True))[index:]
        if kind == "thread.run.queued"
    ]
    took = min([*queued, tale.ended_at]) - killed_at
    report.recoveries.append(took)
    if took > ENDED_WITHIN:
        report.violations.append(f"{tale}: {took:.1f} s after its worker was killed")
