"""What workers do beside executing runs: sweep up after others, and put logs to rest."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import OperationalError, close_old_connections
from django.db.models.functions import Now

from runs import endings, events
from runs.models import Run, WorkerBeat
from runs.queue import HELD

log = logging.getLogger(__name__)

FORGOTTEN = dt.timedelta(days=1)  # after which a dead worker is no longer shown


def keep_house() -> None:
    """All of it, once; every part is bounded and may be done by any worker."""
    close_old_connections()
    sweep()
    WorkerBeat.objects.filter(beat_at__lt=Now() - FORGOTTEN).delete()


def sweep() -> None:
    """End what nobody else will: idle runs out of time, runs of silent workers."""
    active = Run.objects.active()
    _each(active.filter(expires_at__lt=Now()).exclude(status__in=HELD), endings.expired)
    lost = active.filter(status__in=HELD, lease_until__lt=Now())
    _each(lost, endings.lost)


def sweep_all_in_progress() -> None:
    """At the start of the only worker: what is in progress was a dead process's."""
    _each(Run.objects.filter(status__in=HELD), endings.interrupted)


def sign(name: str, started_at: dt.datetime, running: int) -> None:
    """Write this worker's sign of life, by the database's clock."""
    beat = WorkerBeat(
        name=name,
        started_at=started_at,
        beat_at=Now(),
        running=running,
        capacity=settings.RUN_CONCURRENCY,
    )
    WorkerBeat.objects.bulk_create(
        [beat],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["started_at", "beat_at", "running", "capacity"],
    )


def sign_off(name: str) -> None:
    """This worker has stopped in order."""
    WorkerBeat.objects.filter(name=name).delete()


def _each(runs: Any, ending: Callable[[str], None]) -> None:
    for run_id in runs.values_list("pk", flat=True):
        try:
            ending(run_id)
        except events.IllegalTransition:
            log.info("Run %s ended by itself meanwhile", run_id)
        except OperationalError:
            raise
        except Exception:
            # One broken run must not keep the others from being swept.
            log.exception("Ending run %s failed", run_id)
