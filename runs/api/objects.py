"""Our rows as the protocol's objects: plain dicts, times in whole seconds since 1970.

Nothing here asks the database, so that rows made in memory, as streams fold them from
the log, can be shown too. Fields that the protocol wants are always there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.conf import settings

from runs.models import Assistant, File, Message, Run, RunStep, StepType, Thread

Shown = dict[str, Any]

GONE_ASSISTANT = "asst_deleted"  # where the protocol wants an id and there is none
BUDGETS = ("max_completion_tokens", "max_prompt_tokens")
STEP_ERRORS = ("server_error", "rate_limit_exceeded")
NO_PARAMETERS = {"type": "object", "properties": {}}


def assistant(row: Assistant) -> Shown:
    return {
        "id": row.pk,
        "object": "assistant",
        "created_at": seconds(row.created_at),
        "name": row.name or None,
        "description": row.description or None,
        "model": row.model or default_model(row.server),
        "instructions": row.instructions or None,
        "tools": tools(row.tools),
        "tool_resources": row.tool_resources,
        "metadata": row.metadata,
        "temperature": 1.0 if row.temperature is None else row.temperature,
        "top_p": 1.0 if row.top_p is None else row.top_p,
        "response_format": row.response_format or "auto",
        "reasoning_effort": row.reasoning_effort or None,
    }


def thread(row: Thread) -> Shown:
    return {
        "id": row.pk,
        "object": "thread",
        "created_at": seconds(row.created_at),
        "metadata": row.metadata,
        "tool_resources": row.tool_resources,
    }


def message(row: Message) -> Shown:
    reason = row.incomplete_reason
    return {
        "id": row.pk,
        "object": "thread.message",
        "created_at": seconds(row.created_at),
        "thread_id": row.thread_id,
        "status": row.status,
        "incomplete_details": {"reason": reason} if reason else None,
        "completed_at": maybe_seconds(row.completed_at),
        "incomplete_at": maybe_seconds(row.incomplete_at),
        "role": row.role,
        "content": row.content,
        "assistant_id": row.assistant_id,
        "run_id": row.run_id,
        "attachments": row.attachments,
        "metadata": row.metadata,
    }


def run(row: Run) -> Shown:
    """The run; its ``setup`` must be loaded."""
    return {
        "id": row.pk,
        "object": "thread.run",
        "created_at": seconds(row.created_at),
        "thread_id": row.thread_id,
        "assistant_id": row.assistant_id or GONE_ASSISTANT,
        "status": row.status,
        "required_action": row.required_action,
        "last_error": row.last_error,
        "expires_at": maybe_seconds(row.expires_at),
        "started_at": maybe_seconds(row.started_at),
        "cancelled_at": maybe_seconds(row.cancelled_at),
        "failed_at": maybe_seconds(row.failed_at),
        "completed_at": maybe_seconds(row.completed_at or row.incomplete_at),
        "incomplete_details": _incomplete_details(row),
        "usage": _run_usage(row),
        "metadata": row.metadata,
        **_as_told(row),
    }


def _as_told(row: Run) -> Shown:
    return {
        "model": row.model or default_model(row.server),
        "instructions": row.setup.instructions,
        "tools": tools(row.setup.tools),
        "tool_resources": row.setup.tool_resources,
        "temperature": 1.0 if row.temperature is None else row.temperature,
        "top_p": 1.0 if row.top_p is None else row.top_p,
        "max_prompt_tokens": row.max_prompt_tokens,
        "max_completion_tokens": row.max_completion_tokens,
        "truncation_strategy": row.truncation_strategy
        or {"type": "auto", "last_messages": None},
        "tool_choice": row.tool_choice or "auto",
        "parallel_tool_calls": row.parallel_tool_calls,
        "response_format": row.setup.response_format or "auto",
        "reasoning_effort": row.reasoning_effort or None,
    }


def _incomplete_details(row: Run) -> Shown | None:
    """A content filter also ends a run early, but the protocol has no word for it here."""
    if not row.incomplete_reason:
        return None
    known = row.incomplete_reason in BUDGETS
    return {"reason": row.incomplete_reason if known else None}


def _run_usage(row: Run) -> Shown | None:
    return _usage(row) if row.is_terminal else None


def step(row: RunStep) -> Shown:
    """The step; its ``run`` must be loaded."""
    is_open = row.status == "in_progress"
    counted = not is_open and row.input_tokens is not None
    return {
        "id": row.pk,
        "object": "thread.run.step",
        "created_at": seconds(row.created_at),
        "assistant_id": row.run.assistant_id or GONE_ASSISTANT,
        "thread_id": row.run.thread_id,
        "run_id": row.run_id,
        "type": row.type,
        "status": row.status,
        "step_details": _step_details(row),
        "last_error": _step_error(row),
        "expires_at": maybe_seconds(row.run.expires_at) if is_open else None,
        "expired_at": maybe_seconds(row.expired_at),
        "cancelled_at": maybe_seconds(row.cancelled_at),
        "failed_at": maybe_seconds(row.failed_at),
        "completed_at": maybe_seconds(row.completed_at),
        "metadata": {},
        "usage": _usage(row) if counted else None,
    }


def _step_details(row: RunStep) -> Shown:
    if row.type == StepType.TOOL_CALLS:
        return {"type": "tool_calls", "tool_calls": row.tool_calls}
    creation = {"message_id": row.message_id or ""}
    return {"type": "message_creation", "message_creation": creation}


def _step_error(row: RunStep) -> Shown | None:
    """Steps know fewer codes than runs (api.md 1.4)."""
    if not row.last_error:
        return None
    code = row.last_error["code"]
    return {**row.last_error, "code": code if code in STEP_ERRORS else STEP_ERRORS[0]}


def _usage(row: Run | RunStep) -> Shown:
    asked, answered = row.input_tokens or 0, row.output_tokens or 0
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_token_details": {"cached_tokens": row.cached_input_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": row.reasoning_tokens or 0},
    }


def file(row: File) -> Shown:
    return {
        "id": row.pk,
        "object": "file",
        "bytes": row.bytes,
        "created_at": seconds(row.created_at),
        "expires_at": maybe_seconds(row.expires_at),
        "filename": row.filename,
        "purpose": row.purpose,
        "status": "processed",
        "status_details": None,
    }


def deleted(key: str, kind: str) -> Shown:
    """What a DELETE answers; ``kind`` as in "thread.message.deleted"."""
    return {"id": key, "object": kind, "deleted": True}


def tools(stored: Iterable[Shown]) -> list[Shown]:
    """Tools as the original echoed them: functions with all their fields."""
    return [_whole_function(tool) for tool in stored]


def _whole_function(tool: Shown) -> Shown:
    if tool.get("type") != "function":
        return tool
    function = {"parameters": NO_PARAMETERS, "strict": False}
    given = {k: v for k, v in tool["function"].items() if v is not None}
    return {**tool, "function": {**function, **given}}


def default_model(server: str) -> str:
    """What a model server is asked for by default; empty where that is its own choice."""
    name = server or settings.DEFAULT_MODEL_SERVER
    return str(settings.MODEL_SERVERS.get(name, {}).get("default_model", ""))


def seconds(moment: dt.datetime) -> int:
    return int(moment.timestamp())


def maybe_seconds(moment: dt.datetime | None) -> int | None:
    return None if moment is None else seconds(moment)
