"""Runs, what they were told to do, and their steps. Written only by runs.events."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from runs.models import sharing
from runs.models.fields import IdField, KeyField


class RunStatus(models.TextChoices):
    """The protocol's nine statuses; ACTIVE ones hold the thread, TERMINAL ones end."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    REQUIRES_ACTION = "requires_action"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    EXPIRED = "expired"


ACTIVE = ("queued", "in_progress", "requires_action", "cancelling")
TERMINAL = ("cancelled", "failed", "completed", "incomplete", "expired")
HELD = ("in_progress", "cancelling")  # by a worker


class Source(models.TextChoices):
    """The door a run came in by."""

    BROWSER = "browser"
    API = "api"
    ADMIN = "admin"


class RunSetup(models.Model):
    """What a run was told to do, kept as it was at that time.

    The id is half of the SHA-256 of the content, so runs told the same share one row and
    a run stays small however long its instructions are.
    """

    id = KeyField(primary_key=True, max_length=64, editable=False)
    instructions = models.TextField(blank=True)
    tools = models.JSONField(default=list)
    tool_resources = models.JSONField(default=dict)
    response_format = models.JSONField(null=True)
    # What the model is told of tools that the server executes; see runs.tools.
    server_tools = models.JSONField(default=list, db_default=[])

    def __str__(self) -> str:
        return self.instructions[:80]

    @classmethod
    def of(cls, **content: Any) -> RunSetup:
        """The row with this content, made when there is none yet."""
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return cls.objects.get_or_create(pk=digest[:32], defaults=content)[0]


class RunQuerySet(models.QuerySet["Run"]):
    def active(self) -> RunQuerySet:
        return self.filter(status__in=ACTIVE)

    def queued(self) -> RunQuerySet:
        """Those waiting for a worker, first come first."""
        return self.filter(status=RunStatus.QUEUED).order_by("created_at", "id")

    def visible_to(self, user: Any) -> RunQuerySet:
        return self.filter(sharing.visible_to(user, "thread__"))

    def writable_by(self, user: Any) -> RunQuerySet:
        """Those that the user may stop, retry and answer."""
        return self.filter(sharing.writable_by(user, "thread__"))


class Run(models.Model):
    """One recorded execution of an assistant on a thread."""

    id = IdField("run")
    # Without an index of their own: thread, user, assistant; others begin with them.
    thread = models.ForeignKey(
        "runs.Thread", models.CASCADE, related_name="runs", db_index=False
    )
    answers = models.ForeignKey(
        "runs.Message", models.SET_NULL, null=True, related_name="answering_runs"
    )
    retry_of = models.ForeignKey("self", models.SET_NULL, null=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, db_index=False
    )
    assistant = models.ForeignKey(
        "runs.Assistant", models.SET_NULL, null=True, db_index=False
    )
    # Names as they were, so that history survives deletions.
    user_name = models.CharField(max_length=150, blank=True)
    assistant_name = models.CharField("assistant", max_length=256, blank=True)
    source = models.CharField(max_length=10, choices=Source, default=Source.BROWSER)
    idempotency_key = models.CharField(max_length=100, blank=True)
    # Which of the runs that answer a message stands by it, where none of them left a
    # message on the shown path: the newest of those marked.
    on_path = models.BooleanField(default=True, db_default=True)
    # It goes on with the answer that it answers, see runs.prompt.
    is_continuation = models.BooleanField(default=False, db_default=False)
    input_preview = models.CharField(max_length=200, blank=True)

    status = models.CharField(
        max_length=16, choices=RunStatus, default=RunStatus.QUEUED
    )
    error_code = models.CharField(max_length=40, blank=True)
    last_error = models.JSONField(null=True)
    incomplete_reason = models.CharField(max_length=30, blank=True)
    required_action = models.JSONField(null=True)

    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    first_token_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    incomplete_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    expired_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=150, blank=True)

    setup = models.ForeignKey(RunSetup, models.PROTECT)
    # As asked for; once sent, what the server's defaults made of them.
    model = models.CharField(max_length=200, blank=True)
    server = models.CharField("model server", max_length=100, blank=True)
    temperature = models.FloatField(null=True)
    top_p = models.FloatField(null=True)
    max_prompt_tokens = models.PositiveIntegerField(null=True)
    max_completion_tokens = models.PositiveIntegerField(null=True)
    truncation_strategy = models.JSONField(null=True)
    tool_choice = models.JSONField(null=True)
    parallel_tool_calls = models.BooleanField(default=True)
    reasoning_effort = models.CharField(max_length=20, blank=True)
    metadata = models.JSONField(default=dict)

    model_used = models.CharField(max_length=200, blank=True)
    response_id = models.CharField("provider's id", max_length=200, blank=True)
    request_id = models.CharField("provider's request", max_length=200, blank=True)
    finish_reason = models.CharField(max_length=30, blank=True)
    input_tokens = models.PositiveIntegerField(null=True)
    cached_input_tokens = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)
    reasoning_tokens = models.PositiveIntegerField(null=True)
    # Which messages the model saw: the first, and how many older ones were cut.
    context_from = models.CharField(max_length=64, blank=True)
    context_truncated = models.PositiveIntegerField(default=0)

    attempt = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    last_seq = models.PositiveIntegerField(default=0)
    # Whether its log is folded into a RunTimeline. The default is the database's
    # too, so that code which does not know the column yet can still make runs.
    is_at_rest = models.BooleanField(default=False, db_default=False)

    # Until it expires, at the moment when a worker took it. No column.
    seconds_left: float | None = None
    # The newest message of its thread, where that is read along. No columns.
    newest_number: int | None = None
    newest_run: str | None = None
    newest_id: str | None = None

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["thread"],
                condition=Q(status__in=ACTIVE),
                name="one_active_run_per_thread",
            ),
            models.UniqueConstraint(
                fields=["user", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="run_submitted_once",
            ),
            models.CheckConstraint(
                condition=Q(status__in=RunStatus.values), name="run_status"
            ),
            models.CheckConstraint(
                condition=Q(cached_input_tokens__lte=F("input_tokens")),
                name="run_cached_within_input",
            ),
            models.CheckConstraint(
                condition=Q(reasoning_tokens__lte=F("output_tokens")),
                name="run_reasoning_within_output",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="run_by_creation"),
            models.Index(fields=["user", "-created_at", "-id"], name="run_by_user"),
            models.Index(
                fields=["assistant", "-created_at", "-id"], name="run_by_assistant"
            ),
            models.Index(fields=["thread", "id"], name="run_by_thread"),
            models.Index(
                fields=["status", "-created_at", "-id"],
                condition=~Q(status="completed"),
                name="run_not_completed",
            ),
            models.Index(
                fields=["error_code", "-created_at", "-id"],
                condition=Q(status__in=["failed", "incomplete", "expired"]),
                name="run_by_error",
            ),
            models.Index(
                fields=["created_at"], condition=Q(status__in=ACTIVE), name="run_active"
            ),
            models.Index(
                fields=["created_at"],
                condition=Q(is_at_rest=False),
                name="run_not_at_rest",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def ended_at(self) -> dt.datetime | None:
        return (
            self.completed_at
            or self.incomplete_at
            or self.failed_at
            or self.cancelled_at
            or self.expired_at
        )

    @property
    def duration(self) -> dt.timedelta | None:
        """From creation to the end; None while it runs."""
        return self.ended_at - self.created_at if self.ended_at else None


class StepType(models.TextChoices):
    MESSAGE_CREATION = "message_creation"
    TOOL_CALLS = "tool_calls"


class StepStatus(models.TextChoices):
    IN_PROGRESS = "in_progress"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"
    EXPIRED = "expired"


class RunStep(models.Model):
    """What one model turn made: a message or a set of tool calls.

    ``tool_calls`` is a list of {"id", "type": "function", "function": {"name",
    "arguments", "output"}}; ``turn`` counts the run's model turns from 1.
    """

    id = IdField("step")
    # The index of step_index begins with it.
    run = models.ForeignKey(Run, models.CASCADE, related_name="steps", db_index=False)
    index = models.PositiveSmallIntegerField()
    turn = models.PositiveSmallIntegerField()
    type = models.CharField(max_length=20, choices=StepType)
    status = models.CharField(
        max_length=12, choices=StepStatus, default=StepStatus.IN_PROGRESS
    )
    message = models.ForeignKey("runs.Message", models.SET_NULL, null=True)
    tool_calls = models.JSONField(default=list)
    reasoning = models.TextField(blank=True)
    last_error = models.JSONField(null=True)
    finish_reason = models.CharField(max_length=30, blank=True)
    input_tokens = models.PositiveIntegerField(null=True)
    cached_input_tokens = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)
    reasoning_tokens = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    expired_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["index"]
        constraints = [
            models.UniqueConstraint(fields=["run", "index"], name="step_index"),
            models.CheckConstraint(
                condition=Q(status__in=StepStatus.values), name="step_status"
            ),
            models.CheckConstraint(
                condition=Q(cached_input_tokens__lte=F("input_tokens")),
                name="step_cached_within_input",
            ),
            models.CheckConstraint(
                condition=Q(reasoning_tokens__lte=F("output_tokens")),
                name="step_reasoning_within_output",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)
