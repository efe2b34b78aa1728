"""All the models: assistants, threads, messages, runs, steps and the log."""

from __future__ import annotations

from runs.models.api import ApiKey, File, FileChunk, Submission
from runs.models.assistants import Assistant
from runs.models.log import DELTAS, TERMINAL_EVENTS, EventType, RunEvent, RunTimeline
from runs.models.people import User
from runs.models.runs import (
    ACTIVE,
    TERMINAL,
    Run,
    RunSetup,
    RunStatus,
    RunStep,
    Source,
    StepStatus,
    StepType,
)
from runs.models.threads import (
    Message,
    MessageRole,
    MessageStatus,
    Thread,
    ThreadSeen,
    TitledBy,
    part_text,
    text_part,
)
from runs.models.workers import WorkerBeat

__all__ = [
    "ACTIVE",
    "DELTAS",
    "TERMINAL",
    "TERMINAL_EVENTS",
    "ApiKey",
    "Assistant",
    "EventType",
    "File",
    "FileChunk",
    "Message",
    "MessageRole",
    "MessageStatus",
    "Run",
    "RunEvent",
    "RunSetup",
    "RunStatus",
    "RunStep",
    "RunTimeline",
    "Source",
    "StepStatus",
    "StepType",
    "Submission",
    "Thread",
    "ThreadSeen",
    "TitledBy",
    "User",
    "WorkerBeat",
    "part_text",
    "text_part",
]
