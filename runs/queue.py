"""How a queued run reaches a worker: a bell that the workers hear.

The run row is the truth. A worker that misses the bell finds the row by looking.
"""

from __future__ import annotations

from runs import doorbell
from runs.models import Run


def enqueue(run: Run) -> None:
    """Tell a worker of this queued run, once the current transaction is committed."""
    doorbell.queue.ring({run.pk: run.last_seq})
