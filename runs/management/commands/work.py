"""`manage.py work`: a worker process of its own, on PostgreSQL."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from runs.worker import Worker


class Command(BaseCommand):
    help = "Executes queued runs until SIGTERM or Ctrl+C. Any number may run at once."

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError with SQLite, which has room for one process only."""
        if connection.vendor != "postgresql":
            raise CommandError(
                "A worker of its own needs DATABASE_URL=postgres://... "
                "With SQLite the worker lives in manage.py serve."
            )
        asyncio.run(self.work())

    async def work(self) -> None:
        worker = Worker(grace=settings.RUN_GRACE_SECONDS)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop, worker)
        self.say(f"Worker {worker.name} takes up to {settings.RUN_CONCURRENCY} runs.")
        await worker.run()
        self.say("Stopped: every run is finished, handed over or ended.")

    def stop(self, worker: Worker) -> None:
        self.say(
            f"Taking nothing new; what runs has {settings.RUN_GRACE_SECONDS} s "
            "to finish. A second signal ends that time."
        )
        worker.stop()

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
