"""`manage.py serve`: the web server and, unless told otherwise, the worker inside it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor

EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


class Command(BaseCommand):
    help = "Serves the site until SIGTERM or Ctrl+C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=port_number, default=8000)
        parser.add_argument(
            "--no-worker",
            action="store_true",
            help="Only serve pages; queued runs then wait for another process.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError, which is one line and status 1, when it cannot start."""
        has_account = self.look_at_database()
        # Twisted, the model clients and all of the site: dear, so only once they serve.
        from chat.setup import token  # noqa: PLC0415
        from config.asgi import application  # noqa: PLC0415
        from config.server import CannotListen, Server  # noqa: PLC0415

        load_worker = None if options["no_worker"] else new_worker
        server = Server(
            application,
            load_worker,
            grace=grace(),
            body_limit=body_limit,
            say=self.say,
        )
        try:
            port = server.listen(options["host"], options["port"])
        except CannotListen as error:
            raise CommandError(str(error)) from error
        base = address(options["host"], port)
        self.say(f"Threadmill is running at {base}/ (Ctrl+C stops it)")
        if not has_account:
            self.say(f"Make the first account at {base}/setup/{token()}")
        if load_worker:
            self.say(promise())
        connections.close_all()
        sys.exit(server.run())

    def look_at_database(self) -> bool:
        """Whether there is an account. Raises CommandError unless it is migrated."""
        try:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                raise CommandError("The database is not up to date: manage.py migrate")
            return get_user_model().objects.exists()
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {error}.") from error

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def new_worker() -> Any:
    from runs.worker import Worker  # noqa: PLC0415 - loads the model clients

    return Worker(grace=grace())


def body_limit(path: bytes) -> int:
    """The most bytes of a request's body: only where files go may it be much."""
    if path.startswith((b"/v1/files", b"/settings/import")):
        return int(settings.FILE_MAX_BYTES) + 65_536  # and what is around the file
    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)


def grace() -> int:
    """How many seconds a stopping worker lets its runs finish. None with SQLite: no
    other process would take queued runs meanwhile, so the next start should come soon.
    """
    return settings.RUN_GRACE_SECONDS if connection.vendor == "postgresql" else 0


def promise() -> str:
    """What happens to the answers being written when it stops."""
    if not grace():
        return "Answers that are being written when it stops end as interrupted."
    return f"Answers that are being written when it stops get {grace()} s to finish."


def port_number(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 65_536:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is no port; one is a number from 0 to 65535")


def address(host: str, port: int) -> str:
    """Where people find the site: PUBLIC_URL, or else this machine's own name."""
    if settings.PUBLIC_URL:
        return str(settings.PUBLIC_URL)
    name = "localhost" if host in EVERY_ADDRESS else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
