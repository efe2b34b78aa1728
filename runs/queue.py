"""The line of queued runs: who is next, who may join, and how a worker is told.

The run row is the truth. What tells a worker is only a wake-up: with SQLite a bell in
this process, with PostgreSQL a job of Procrastinate, deferred in the transaction that
queues the run. A worker that is not told finds the run by looking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runs import doorbell, events
from runs.models import HELD, Run, User

TAKING = 7_245_171  # PostgreSQL's advisory lock while a run is taken; any number


class TooManyWaiting(Exception):
    """The line is full, for this person or for all; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued run. It is its user's ``turn``-th, counting those being executed."""

    run_id: str
    turn: int

    @property
    def may_start(self) -> bool:
        return self.turn <= settings.RUNS_PER_USER


def enqueue(run: Run) -> None:
    """Tell a worker of this queued run, once the current transaction is committed."""
    if connection.vendor == "postgresql":
        # Loaded here, since SQLite has no Procrastinate.
        from runs import dispatch  # noqa: PLC0415

        dispatch.defer(run.pk)
    doorbell.queue.ring({run.pk: run.last_seq})


def line() -> list[Waiting]:
    """All queued runs in the order in which workers take them.

    Everybody's first run comes before anybody's second, counting those that are being
    executed, and so on; within that, first come first served.
    """
    held = Run.objects.filter(status__in=HELD).values_list("user", flat=True)
    turns = Counter(held)
    waiting = []
    for run_id, user in Run.objects.queued().values_list("pk", "user"):
        turns[user] += 1
        waiting.append(Waiting(run_id, turns[user]))
    return sorted(waiting, key=lambda one: one.turn)


def places(run_ids: Collection[str]) -> dict[str, int]:
    """The place in the line, from 1, of each of these runs that is queued."""
    wanted = set(run_ids)
    return {
        one.run_id: place for place, one in enumerate(line(), 1) if one.run_id in wanted
    }


def take_next(worker: str) -> Run | None:
    """Claim the next run for this worker; None when none may start now."""
    with transaction.atomic():
        _one_at_a_time()
        for one in line():
            if not one.may_start:
                return None
            if run := events.claim(one.run_id, worker=worker):
                return run
    return None


def refuse_if_full(user: User) -> None:
    """Raises TooManyWaiting. Posts of one moment may exceed the bounds by a few."""
    queued = Run.objects.queued().order_by()
    own = queued.filter(user=user).count()
    if own >= settings.QUEUED_PER_USER:
        words = ngettext(
            "%(count)s of your messages is waiting for an answer already. "
            "Send this one when it is answered.",
            "%(count)s of your messages are waiting for an answer already. "
            "Send this one when some of them are answered.",
            own,
        )
        raise TooManyWaiting(words % {"count": own})
    if queued.count() >= settings.QUEUED_IN_ALL:
        raise TooManyWaiting(
            _("The server has more to answer than it can. Send this in a few minutes.")
        )


def _one_at_a_time() -> None:
    """Two workers must not count the same user's runs at the same moment."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TAKING])
