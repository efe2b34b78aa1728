"""How a queued run reaches a worker: in the server's own process, by a bell.

The run row is the truth. A worker that misses the bell finds the row by looking.
"""

from __future__ import annotations

from django.db import transaction

from runs import doorbell
from runs.models import Run


def enqueue(run: Run) -> None:
    """Tell a worker of this queued run, once the current transaction is committed."""
    run_id, seq = run.pk, run.last_seq
    transaction.on_commit(lambda: doorbell.queue.ring(run_id, seq))
