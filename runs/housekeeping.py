"""What workers do beside executing runs: sweep up after others, and put logs to rest."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models.functions import Now

from runs import (
    endings,
    events,
    files,
    filing,
    shares,
    temporary,
    timelines,
    upcoming,
)
from runs.models import HELD, Run, Submission, WorkerBeat

log = logging.getLogger(__name__)

COMPACTED_AT_ONCE = 100  # about half a second's work, so that sweeping never waits long
EMPTIED_AT_ONCE = 20  # threads that were deleted a while ago
FORGOTTEN = dt.timedelta(days=1)  # of dead workers and of idempotency keys


def keep_house(*, is_in_touch: bool = True) -> None:
    """All of it, once; every part is bounded and may be done by any worker.

    A worker that was out of touch with the database must pass that on: others may have
    been too, and get the time of a sweep to renew their leases.
    """
    end_expired()
    if is_in_touch:
        end_lost()
    upcoming.send_due()
    timelines.compact_some(most=COMPACTED_AT_ONCE)
    WorkerBeat.objects.filter(beat_at__lt=Now() - FORGOTTEN).delete()
    Submission.objects.filter(created_at__lt=Now() - FORGOTTEN).delete()
    files.forget_expired()
    shares.forget_links()
    temporary.erase_due()
    filing.empty_bin(most=EMPTIED_AT_ONCE)


def end_expired() -> None:
    """End idle runs whose time is up; those that a worker holds it ends itself."""
    overdue = Run.objects.active().filter(expires_at__lt=Now())
    _each(overdue.exclude(status__in=HELD), endings.expired)


def end_lost() -> None:
    """End the runs of workers that have been silent for longer than a lease."""
    _each(_silent(), end_if_silent)


def end_if_silent(run_id: str) -> None:
    """Take the run from its worker, if that is silent still.

    It is looked at again under its lock: another sweep may have queued it meanwhile, and
    a worker that is well have taken it.
    """
    with transaction.atomic():
        if _silent().select_for_update().filter(pk=run_id).first():
            endings.lost(run_id)


def _silent() -> Any:
    return Run.objects.filter(status__in=HELD, lease_until__lt=Now())


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
        except (events.Fenced, events.IllegalTransition):
            log.info("Run %s ended by itself or was deleted meanwhile", run_id)
        except OperationalError:
            raise
        except Exception:
            # One broken run must not keep the others from being swept.
            log.exception("Ending run %s failed", run_id)
