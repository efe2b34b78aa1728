"""Procrastinate as the way a queued run reaches a worker; on PostgreSQL only.

A job is nothing but a wake-up: "take the next run". It lasts as long as the run that it
led to, so that a worker with enough to do leaves the other jobs to other workers. Which
run is next, and whether it is still to be had, only the run rows say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.contrib.django import app as deferring
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status

from runs import doorbell

log = logging.getLogger(__name__)

QUEUE = "runs"
ANSWER = "runs.answer"
TIDY = "runs.tidy"
EVERY_FIVE_MINUTES = "*/5 * * * *"
PAUSE = 1.0  # seconds between tries to reach the database again

Take = Callable[[], Awaitable[None]]


def defer(run_id: str) -> None:
    """Add a job, in the current transaction. The id is there for people who look."""
    deferring.configure_task(ANSWER, queue=QUEUE).defer(run=run_id)


async def deliver(take: Take, *, most: int) -> None:
    """Call ``take`` for each job, up to so many at once, until cancelled.

    Procrastinate ends when the database is away for long; then it is begun again.
    """
    while True:
        try:
            await _deliver_until_broken(take, most)
        except (ConnectorException, psycopg.Error) as error:
            log.warning("The database is away, and so is the dispatch: %s", error)
        except Exception:
            log.exception("The dispatch of runs broke off; beginning again")
        await asyncio.sleep(PAUSE)


async def _deliver_until_broken(take: Take, most: int) -> None:
    connector = PsycopgConnector(
        kwargs=doorbell.direct_parameters(), min_size=1, max_size=3, timeout=5
    )
    async with _app(connector, take).open_async() as app:
        await app.run_worker_async(
            queues=[QUEUE],
            concurrency=most,
            # Ended at once: the runs themselves go on without their jobs.
            shutdown_graceful_timeout=0,
            install_signal_handlers=False,
            delete_jobs="always",
        )


def _app(connector: PsycopgConnector, take: Take) -> App:
    app = App(connector=connector)

    @app.task(name=ANSWER, queue=QUEUE)
    async def answer(run: str) -> None:
        await take()

    # Procrastinate watches its own listener only where a periodic task is registered.
    @app.periodic(cron=EVERY_FIVE_MINUTES)
    @app.task(name=TIDY, queue=QUEUE, queueing_lock=TIDY)
    async def tidy(timestamp: int) -> None:
        """Remove the jobs of workers that died; their runs are swept by ourselves."""
        for job in await app.job_manager.get_stalled_jobs():
            await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)

    return app
