"""A worker: takes queued runs, executes many at once, and keeps house."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import socket
from collections.abc import Iterator
from functools import partial

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from runs import doorbell, events, housekeeping, queue
from runs.engine import Execution, Stop
from runs.imports.uploads import keep_importing
from runs.models import TERMINAL, Run, RunStatus
from runs.providers import Provider, ProviderError, Server, connect
from runs.threads import DatabaseThread
from runs.titles import Titles
from runs.writer import Writer

log = logging.getLogger(__name__)

LOOK_ANYWAY = 1.0  # seconds between looks at queue and Stop when nobody tells of them
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
        # Not the writer's thread: tokens must not wait for any of this.
        self._taker, self._keeper = DatabaseThread("taker"), DatabaseThread("keeper")
        self._titles = Titles()
        self._taking = asyncio.Lock()
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
        silence = doorbell.events.listen(self._event_rang)
        helpers = [
            asyncio.create_task(self._writer.run()),
            asyncio.create_task(self._beat()),
            asyncio.create_task(self._keep_house()),
            asyncio.create_task(keep_importing(self.name)),
        ]
        try:
            if self.is_alone:
                await self._keeper.call(housekeeping.sweep_all_in_progress)
            with self._told_of_queued_runs():
                await self._take_until_stopped()
        finally:
            await self._put_away(helpers)
            silence()

    @contextlib.contextmanager
    def _told_of_queued_runs(self) -> Iterator[None]:
        """Be told by a bell in this process or, with PostgreSQL, by Procrastinate."""
        if self.is_alone:
            end = doorbell.queue.listen(self._queue_rang)
        else:
            # Loaded here, since SQLite has no Procrastinate.
            from runs import dispatch  # noqa: PLC0415

            jobs = dispatch.deliver(self._take_for_job, most=settings.RUN_CONCURRENCY)
            end = asyncio.create_task(jobs).cancel  # type: ignore[assignment]
        try:
            yield
        finally:
            end()

    async def _take_until_stopped(self) -> None:
        while not self._stopping:
            try:
                await self._stop_unwanted(list(self._running))
                while await self._take_next():
                    pass
            except DatabaseError:
                log.exception("Looking for runs failed; trying again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_ANYWAY):
                    await self._wake.wait()
            self._wake.clear()

    async def _take_for_job(self) -> None:
        """Take the next run and return when it has ended."""
        try:
            if task := await self._take_next():
                await asyncio.wait([task])
        except DatabaseError:
            log.exception("Taking a run failed; it is looked for again")

    async def _take_next(self) -> asyncio.Task[None] | None:
        """Begin the first run of the line, if there is room and it may start."""
        async with self._taking:
            if self._stopping or len(self._running) >= settings.RUN_CONCURRENCY:
                return None
            run = await self._taker.call(queue.take_next, self.name)
            return self._begin(run) if run else None

    def _begin(self, run: Run) -> asyncio.Task[None]:
        execution = Execution(run, writer=self._writer, connect=self._connect)
        self._running[run.pk] = execution
        task = execution.start()
        self._keep(task)
        task.add_done_callback(partial(self._ended, run))
        return task

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _connect(self, run: Run) -> tuple[Server, Provider]:
        server = server_of(run)
        if server.name not in self._providers:
            self._providers[server.name] = connect(server)
        return server, self._providers[server.name]

    def _ended(self, run: Run, task: asyncio.Task[None]) -> None:
        """Its user may have waited for this one to end."""
        self._running.pop(run.pk, None)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("Run %s ended badly", run.pk, exc_info=error)
        elif not self._stopping:
            self._give_title(run)

    def _give_title(self, run: Run) -> None:
        with contextlib.suppress(ProviderError):  # Its server may not be configured.
            server, provider = self._connect(run)
            if server.kind != "demo":  # which answers everything with the same
                self._titles.begin(run, provider)

    def _queue_rang(self, run_id: str, seq: int) -> None:
        self._wake.set()

    def _event_rang(self, run_id: str, seq: int) -> None:
        """Somebody else wrote to a run of ours: perhaps a person wants it stopped."""
        execution = self._running.get(run_id)
        if execution and seq > execution.log.last_seq:
            self._wake.set()

    async def _beat(self) -> None:
        """Keep leases alive, and say that this worker is."""
        since = timezone.now()
        while True:
            try:
                running = list(self._running)
                await self._writer.call(
                    partial(events.renew, worker=self.name), running
                )
                await self._keeper.call(
                    housekeeping.sign, self.name, since, len(running)
                )
            except DatabaseError:
                log.exception("Heartbeat failed; trying again")
            await asyncio.sleep(settings.RUN_LEASE_SECONDS / BEATS)

    async def _keep_house(self) -> None:
        clock = asyncio.get_running_loop().time
        every, last = settings.RUN_LEASE_SECONDS / BEATS, -math.inf
        while True:
            is_in_touch = clock() - last < 2 * every
            keep = partial(housekeeping.keep_house, is_in_touch=is_in_touch)
            try:
                await self._keeper.call(keep)
                last = clock()
            except DatabaseError:
                log.exception("Keeping house failed; trying again")
            await asyncio.sleep(every)

    async def _stop_unwanted(self, run_ids: list[str]) -> None:
        for run_id in await self._taker.call(unwanted, run_ids):
            if execution := self._running.get(run_id):
                execution.stop(Stop.CANCELLED)

    def _stop_all(self) -> None:
        for execution in list(self._running.values()):
            execution.stop(Stop.SHUTDOWN)

    async def _put_away(self, helpers: list[asyncio.Task[None]]) -> None:
        await self._finish_in_grace()
        self._stop_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        await self._titles.close()
        for provider in self._providers.values():
            await provider.aclose()
        with contextlib.suppress(DatabaseError):
            await self._keeper.call(housekeeping.sign_off, self.name)
        for thread in (self._writer, self._taker, self._keeper):
            await thread.close()

    async def _finish_in_grace(self) -> None:
        """Let runs finish; a person may still press Stop meanwhile."""
        if not (self._tasks and self._grace):
            return
        log.info("Finishing %d runs, %g s at most", len(self._running), self._grace)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace):
                while self._tasks:
                    await asyncio.wait(self._tasks, timeout=LOOK_ANYWAY)
                    with contextlib.suppress(DatabaseError):
                        await self._stop_unwanted(list(self._running))


def server_of(run: Run) -> Server:
    """Where the run's model is: the server it names, else the default one."""
    name = run.server or settings.DEFAULT_MODEL_SERVER
    if name not in settings.MODEL_SERVERS:
        message = f"The model server '{name}' of this assistant is not configured."
        raise ProviderError("not_found", message)
    return Server(name=name, **settings.MODEL_SERVERS[name])


def unwanted(run_ids: list[str]) -> list[str]:
    """Those of these runs that a person has stopped or deleted."""
    if not run_ids:
        return []
    over = (RunStatus.CANCELLING, *TERMINAL)
    wanted = Run.objects.filter(pk__in=run_ids).exclude(status__in=over)
    return list(set(run_ids).difference(wanted.values_list("pk", flat=True)))
