"""The append-only log of a run. Written only by runs.events."""

from __future__ import annotations

from django.db import models

from runs.models.runs import Run


class EventType(models.TextChoices):
    """The protocol's event names, and ours, which also begin with ``thread.``."""

    RUN_CREATED = "thread.run.created"
    RUN_QUEUED = "thread.run.queued"
    RUN_IN_PROGRESS = "thread.run.in_progress"
    RUN_REQUIRES_ACTION = "thread.run.requires_action"
    RUN_COMPLETED = "thread.run.completed"
    RUN_INCOMPLETE = "thread.run.incomplete"
    RUN_FAILED = "thread.run.failed"
    RUN_CANCELLING = "thread.run.cancelling"
    RUN_CANCELLED = "thread.run.cancelled"
    RUN_EXPIRED = "thread.run.expired"
    STEP_CREATED = "thread.run.step.created"
    STEP_IN_PROGRESS = "thread.run.step.in_progress"
    STEP_DELTA = "thread.run.step.delta"
    STEP_COMPLETED = "thread.run.step.completed"
    STEP_FAILED = "thread.run.step.failed"
    STEP_CANCELLED = "thread.run.step.cancelled"
    STEP_EXPIRED = "thread.run.step.expired"
    MESSAGE_CREATED = "thread.message.created"
    MESSAGE_IN_PROGRESS = "thread.message.in_progress"
    MESSAGE_DELTA = "thread.message.delta"
    MESSAGE_COMPLETED = "thread.message.completed"
    MESSAGE_INCOMPLETE = "thread.message.incomplete"
    # Ours.
    RUN_SENT = "thread.run.sent"
    RUN_RETRYING = "thread.run.retrying"
    RUN_WARNING = "thread.run.warning"
    REASONING_DELTA = "thread.run.reasoning.delta"
    TURN_COMPLETED = "thread.run.turn.completed"
    TOOLS_STARTED = "thread.run.tools.started"
    TOOLS_ANSWERED = "thread.run.tools.answered"


DELTAS = frozenset(
    {EventType.MESSAGE_DELTA, EventType.STEP_DELTA, EventType.REASONING_DELTA}
)
TERMINAL_EVENTS = frozenset(
    {
        EventType.RUN_COMPLETED,
        EventType.RUN_INCOMPLETE,
        EventType.RUN_FAILED,
        EventType.RUN_CANCELLED,
        EventType.RUN_EXPIRED,
    }
)


class RunEvent(models.Model):
    """One numbered entry: seq is 1..n per run without a gap."""

    pk = models.CompositePrimaryKey("run_id", "seq")
    run = models.ForeignKey(Run, models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    attempt = models.PositiveSmallIntegerField()
    type = models.CharField(max_length=32, choices=EventType)
    data = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["seq"]

    def __str__(self) -> str:
        return f"{self.run_id} {self.seq} {self.type}"


class RunTimeline(models.Model):
    """The log of a run at rest but for its last event, compressed.

    The text of deltas is in the rows that they made, so that it is stored once; see
    ``runs.timelines``.
    """

    run = models.OneToOneField(
        Run, models.CASCADE, primary_key=True, related_name="timeline"
    )
    data = models.BinaryField()

    def __str__(self) -> str:
        return str(self.run_id)
