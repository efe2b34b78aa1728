"""Threads as files: Markdown, JSON and a page to print, sent while they are read."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.db.models import Q
from django.http import Http404, StreamingHttpResponse
from django.template.loader import render_to_string
from django.utils.text import slugify
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from chat import markdown
from chat.doors import signed_in
from chat.templatetags.assistants import shown_name
from chat.views import HttpRequest
from runs import access, shares
from runs.models import Message, MessageRole, Run, Thread, User

PIECE = 200  # messages or runs read at once
FORMAT, VERSION = "threadmill.thread", 1
RUN_FACTS = [
    "id",
    "answers_id",
    "retry_of_id",
    "user_name",
    "assistant_name",
    "source",
    "status",
    "error_code",
    "incomplete_reason",
    "created_at",
    "started_at",
    "first_token_at",
    "completed_at",
    "failed_at",
    "cancelled_at",
    "expired_at",
    "incomplete_at",
    "cancelled_by",
    "model",
    "server",
    "model_used",
    "finish_reason",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
]

Pieces = Iterable[str]


@signed_in
@require_safe
def export(request: HttpRequest, thread_id: str, kind: str) -> StreamingHttpResponse:
    """The thread in one of three shapes, for whoever may read it."""
    thread = access.thread(request.user, thread_id)
    if kind not in KINDS:
        raise Http404
    pieces, content_type = KINDS[kind]
    response = streamed(pieces(thread), content_type)
    if kind != "print":
        name = f"{slugify(str(thread))[:60] or 'thread'}.{kind}"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@signed_in
@require_safe
def export_all(request: HttpRequest) -> StreamingHttpResponse:
    """All of one's threads, each as a line of JSON."""
    response = streamed(_all_as_json(request.user), "application/jsonl")
    response["Content-Disposition"] = 'attachment; filename="threadmill.jsonl"'
    return response


def streamed(pieces: Pieces, content_type: str) -> StreamingHttpResponse:
    """The pieces as they are made, each in a call of its own to the database."""
    body = _one_by_one(iter(pieces), get_language())
    kind = f"{content_type}; charset=utf-8"
    response = StreamingHttpResponse(body, content_type=kind)
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _one_by_one(pieces: Iterator[str], language: str) -> AsyncIterator[bytes]:
    while (piece := await sync_to_async(_next)(pieces, language)) is not None:
        yield piece.encode()


def _next(pieces: Iterator[str], language: str) -> str | None:
    try:
        with override(language):
            return next(pieces, None)
    finally:
        # A slow client must not keep a connection while it reads.
        close_old_connections()


def as_markdown(thread: Thread) -> Pieces:
    """The shown branch, a heading for each message."""
    yield f"# {' '.join(str(thread).split())}\n"
    for rows in _batches(Message.objects.shown(thread)):
        names = shares.file_names(rows)
        yield "".join(_as_section(row, names) for row in rows)


def _as_section(message: Message, names: dict[str, str]) -> str:
    at = f"{message.created_at:%Y-%m-%d %H:%M} UTC"
    word = _("File:")
    files = "".join(
        f"*{word} {names.get(key, key)}*\n\n" for key in shares.files_of(message)
    )
    return f"\n## {speaker(message)}, {at}\n\n{message.text}\n\n{files}".rstrip() + "\n"


def as_json(thread: Thread) -> Pieces:
    """Everything: messages of all branches with their parents, and facts of all runs."""
    head = {"format": FORMAT, "version": VERSION, "thread": _thread_facts(thread)}
    yield _dumped(head)[:-1]
    yield from _list("messages", thread.messages.order_by("number"), _message_facts)
    runs = Run.objects.filter(thread=thread).order_by("created_at", "id")
    yield from _list("runs", runs, _run_facts)
    yield "}\n"


def _all_as_json(user: User) -> Pieces:
    rows = Thread.objects.listed_for(user).order_by("created_at", "id")
    for thread_id in list(rows.values_list("pk", flat=True)):
        if thread := Thread.objects.owned_by(user).filter(pk=thread_id).first():
            yield from as_json(thread)


def _list(name: str, rows: Any, facts: Callable[[Any], dict[str, Any]]) -> Pieces:
    yield f', "{name}": ['
    is_first = True
    for batch in _batches(rows):
        text = ", ".join(_dumped(facts(row)) for row in batch)
        yield text if is_first else f", {text}"
        is_first = False
    yield "]"


def as_page(thread: Thread) -> Pieces:
    """One page to be printed, without a script."""
    yield render_to_string("sharing/print_head.html", {"thread": thread})
    for rows in _batches(Message.objects.shown(thread)):
        names = shares.file_names(rows)
        said = [_as_said(row, names) for row in rows]
        yield render_to_string("sharing/print_turns.html", {"said": said})
    yield render_to_string("sharing/print_foot.html")


def _as_said(message: Message, names: dict[str, str]) -> dict[str, Any]:
    is_asked = message.role == MessageRole.USER
    text = {} if is_asked else {"html": markdown.render(message.text)}
    files = [{"left_out": names.get(key, key)} for key in shares.files_of(message)]
    return {
        "is_asked": is_asked,
        "name": speaker(message),
        "at": message.created_at,
        "parts": [{"text": message.text, **text}, *files],
    }


def speaker(message: Message) -> str:
    """Who says it, as the people of the thread know them."""
    if message.role == MessageRole.USER:
        author = message.author
        return (
            (author.get_full_name() or author.get_username()) if author else _("User")
        )
    by_run = message.run.assistant_name if message.run else ""
    by_message = message.assistant.name if message.assistant else ""
    return shown_name(by_run or by_message)


def _batches(rows: Any) -> Iterator[list[Any]]:
    """Rows that have a number, or a time and an id, in batches that follow a key."""
    is_message = rows.model is Message
    if is_message:
        rows = rows.select_related("author", "run", "assistant")
    last: Any = None
    while True:
        batch = list((rows if last is None else rows.filter(last))[:PIECE])
        if batch:
            yield batch
        if len(batch) < PIECE:
            return
        last = _behind(batch[-1], is_message)


def _behind(row: Any, is_message: bool) -> Any:
    if is_message:
        return Q(number__gt=row.number)
    return Q(created_at__gt=row.created_at) | Q(
        created_at=row.created_at, pk__gt=row.pk
    )


def _thread_facts(thread: Thread) -> dict[str, Any]:
    names = ("id", "title", "created_at", "last_activity_at", "shared", "metadata")
    return {name: getattr(thread, name) for name in names}


def _message_facts(message: Message) -> dict[str, Any]:
    names = [
        "number",
        "role",
        "status",
        "incomplete_reason",
        "content",
        "attachments",
        "metadata",
    ]
    return {
        "id": message.pk,
        "parent": message.parent_id,
        "is_shown": message.on_path,
        "author": speaker(message),
        "run": message.run_id,
        "created_at": message.created_at,
        **{name: getattr(message, name) for name in names},
    }


def _run_facts(run: Run) -> dict[str, Any]:
    return {name.removesuffix("_id"): getattr(run, name) for name in RUN_FACTS}


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=lambda at: at.isoformat())


KINDS: dict[str, tuple[Callable[[Thread], Pieces], str]] = {
    "md": (as_markdown, "text/markdown"),
    "json": (as_json, "application/json"),
    "print": (as_page, "text/html"),
}
