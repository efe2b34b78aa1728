"""All the models: assistants, threads, messages, runs, steps and the log."""

from __future__ import annotations

from runs.models.api import ApiKey, Submission
from runs.models.assistants import Assistant, Colour
from runs.models.feedback import Feedback
from runs.models.files import File, FileChunk, FileExtract, FileUse
from runs.models.imports import Import, ImportStatus
from runs.models.log import DELTAS, TERMINAL_EVENTS, EventType, RunEvent, RunTimeline
from runs.models.people import SendKey, Theme, User
from runs.models.prompts import Prompt
from runs.models.queued import QueuedMessage
from runs.models.runs import (
    ACTIVE,
    HELD,
    TERMINAL,
    Run,
    RunSetup,
    RunStatus,
    RunStep,
    Source,
    StepStatus,
    StepType,
)
from runs.models.sharing import Shared, ShareLink
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
    "HELD",
    "TERMINAL",
    "TERMINAL_EVENTS",
    "ApiKey",
    "Assistant",
    "Colour",
    "EventType",
    "Feedback",
    "File",
    "FileChunk",
    "FileExtract",
    "FileUse",
    "Import",
    "ImportStatus",
    "Message",
    "MessageRole",
    "MessageStatus",
    "Prompt",
    "QueuedMessage",
    "Run",
    "RunEvent",
    "RunSetup",
    "RunStatus",
    "RunStep",
    "RunTimeline",
    "SendKey",
    "ShareLink",
    "Shared",
    "Source",
    "StepStatus",
    "StepType",
    "Submission",
    "Theme",
    "Thread",
    "ThreadSeen",
    "TitledBy",
    "User",
    "WorkerBeat",
    "part_text",
    "text_part",
]
