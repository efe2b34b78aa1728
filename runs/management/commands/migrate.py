"""`manage.py migrate`, made safe to run while the site is in use."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connection

from runs.search import sqlite

# A change of a table waits for who reads it, and everybody else waits behind it. So it
# gives way after this long, and tries again.
LOCK_TIMEOUT = "2s"
PAUSE = 1.0  # seconds in which others get through
TRIES = 100
MIGRATING = 7_245_172  # PostgreSQL's advisory lock; any number


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        """As Django's. Raises CommandError when a table is in use for minutes."""
        if connection.vendor != "postgresql":
            super().handle(*args, **options)
            sqlite.install()
            return
        self.wait_for_others_who_migrate()
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        self.migrate_between_users(*args, **options)

    def wait_for_others_who_migrate(self) -> None:
        """Two machines may start at the same moment.

        Asks again and again, since who waits inside the database would hold up the
        index that the other one builds.
        """
        with connection.cursor() as cursor:
            while True:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATING])
                if cursor.fetchone()[0]:
                    return
                time.sleep(PAUSE)

    def migrate_between_users(self, *args: Any, **options: Any) -> None:
        """Each migration is all or nothing, so that what is done stays done."""
        for _ in range(TRIES):
            try:
                super().handle(*args, **options)
                return
            except OperationalError as error:
                if "lock timeout" not in str(error):
                    raise
                self.stderr.write("A table is in use; trying again.")
                time.sleep(PAUSE)
        raise CommandError("A table is in use for too long. Look for long queries.")
