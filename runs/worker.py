"""A worker: takes queued runs, executes many at once, and sweeps up what was lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.db import DatabaseError, OperationalError, connection
from django.db.models.functions import Now

from runs import doorbell, endings, events
from runs.engine import Execution, Stop
from runs.models import Run, RunStatus
from runs.providers import Provider, ProviderError, Server, connect
from runs.writer import Writer

log = logging.getLogger(__name__)

LOOK_ANYWAY = 2.0  # seconds between looks at the queue when no bell rings
BEATS = 6  # heartbeats, and sweeps, in the time of a lease


class Worker:
    """Takes queued runs until stopped; ``run`` returns when all is put away.

    What still runs then has ``grace`` seconds to finish. With SQLite no other process
    executes runs, so whatever is in progress at the start was a dead process's.
    """

    def __init__(self, *, grace: float = 0) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.is_alone = connection.vendor == "sqlite"
        self._grace = grace
        self._writer = Writer()
        self._running: dict[str, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._providers: dict[str, Provider] = {}
        self._wake = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Take nothing new, let what runs finish, and let ``run`` return.

        A second call ends the grace: what runs is handed over or ends as interrupted.
        """
        if self._stopping:
            self._stop_all()
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Work until stopped."""
        silences = [
            doorbell.queue.listen(self._queue_rang),
            doorbell.events.listen(self._event_rang),
        ]
        writing = asyncio.create_task(self._writer.run())
        beating = asyncio.create_task(self._beat())
        try:
            if self.is_alone:
                await self._writer.call(sweep_all_in_progress)
            await self._take_until_stopped()
        finally:
            await self._put_away(beating, writing)
            for silence in silences:
                silence()

    async def _take_until_stopped(self) -> None:
        while not self._stopping:
            try:
                await self._take_queued()
            except DatabaseError:
                log.exception("Looking for queued runs failed; trying again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_ANYWAY):
                    await self._wake.wait()
            self._wake.clear()

    async def _take_queued(self) -> None:
        free = settings.RUN_CONCURRENCY - len(self._running)
        if free <= 0:
            return
        for run in await self._writer.call(claim_oldest, free, self.name):
            self._begin(run)

    def _begin(self, run: Run) -> None:
        execution = Execution(run, writer=self._writer, connect=self._connect)
        self._running[run.pk] = execution
        task = execution.start()
        self._keep(task)
        task.add_done_callback(partial(self._ended, run.pk))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _connect(self, run: Run) -> tuple[Server, Provider]:
        server = server_of(run)
        if server.name not in self._providers:
            self._providers[server.name] = connect(server)
        return server, self._providers[server.name]

    def _ended(self, run_id: str, task: asyncio.Task[None]) -> None:
        self._running.pop(run_id, None)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("Run %s ended badly", run_id, exc_info=error)

    def _queue_rang(self, run_id: str, seq: int) -> None:
        self._wake.set()

    def _event_rang(self, run_id: str, seq: int) -> None:
        """Somebody else wrote to a run of ours: perhaps a person wants it stopped."""
        execution = self._running.get(run_id)
        if execution and seq > execution.log.last_seq:
            self._keep(asyncio.create_task(self._stop_unwanted([run_id])))

    async def _beat(self) -> None:
        """Keep leases alive, notice missed bells, and sweep up after others."""
        while True:
            try:
                await self._stop_unwanted(list(self._running))
                await self._writer.call(sweep)
            except DatabaseError:
                log.exception("Heartbeat failed; trying again")
            await asyncio.sleep(settings.RUN_LEASE_SECONDS / BEATS)

    def _stop_all(self) -> None:
        for execution in list(self._running.values()):
            execution.stop(Stop.SHUTDOWN)

    async def _stop_unwanted(self, run_ids: list[str]) -> None:
        for run_id in await self._writer.call(beat, run_ids, self.name):
            if execution := self._running.get(run_id):
                execution.stop(Stop.CANCELLED)

    async def _put_away(self, *helpers: asyncio.Task[None]) -> None:
        if self._tasks and self._grace:
            log.info("Finishing %d runs, %g s at most", len(self._running), self._grace)
            await asyncio.wait(self._tasks, timeout=self._grace)
        self._stop_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        for provider in self._providers.values():
            await provider.aclose()
        await self._writer.close()


def server_of(run: Run) -> Server:
    """Where the run's model is: the server it names, else the default one."""
    name = run.server or settings.DEFAULT_MODEL_SERVER
    if name not in settings.MODEL_SERVERS:
        message = f"The model server '{name}' of this assistant is not configured."
        raise ProviderError("not_found", message)
    return Server(name=name, **settings.MODEL_SERVERS[name])


def claim_oldest(most: int, worker: str) -> list[Run]:
    """Claim up to so many queued runs, first come first."""
    keys = Run.objects.queued().values_list("pk", flat=True)[:most]
    claimed = [events.claim(key, worker=worker) for key in keys]
    return [run for run in claimed if run]


def beat(run_ids: list[str], worker: str) -> list[str]:
    """Prolong the leases of these runs; returns those that a person has stopped."""
    if not run_ids:
        return []
    events.renew(run_ids, worker=worker)
    unwanted = Run.objects.filter(pk__in=run_ids, status=RunStatus.CANCELLING)
    return list(unwanted.values_list("pk", flat=True))


def sweep() -> None:
    """End what nobody else will: idle runs out of time, runs of silent workers."""
    held = (RunStatus.IN_PROGRESS, RunStatus.CANCELLING)
    active = Run.objects.active()
    _each(active.filter(expires_at__lt=Now()).exclude(status__in=held), endings.expired)
    lost = active.filter(status__in=held, lease_until__lt=Now())
    _each(lost, endings.lost)


def sweep_all_in_progress() -> None:
    """At the start of the only worker: what is in progress was a dead process's."""
    held = (RunStatus.IN_PROGRESS, RunStatus.CANCELLING)
    _each(Run.objects.filter(status__in=held), endings.interrupted)


def _each(runs: object, ending: Callable[[str], None]) -> None:
    for run_id in runs.values_list("pk", flat=True):  # type: ignore[attr-defined]
        try:
            ending(run_id)
        except events.IllegalTransition:
            log.info("Run %s ended by itself meanwhile", run_id)
        except OperationalError:
            raise
        except Exception:
            # One broken run must not keep the others from being swept.
            log.exception("Ending run %s failed", run_id)
