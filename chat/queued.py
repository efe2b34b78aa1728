"""The messages that wait for their turn: the cards above the composer."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from chat.doors import refusal, signed_in
from chat.forms import MessageForm
from runs import access, actions, upcoming
from runs.models import QueuedMessage, Run, Thread, User
from runs.queue import TooManyWaiting


def line(thread: Thread | None, user: User) -> dict[str, Any]:
    """What the cards show, in one query."""
    if thread is None:
        return {"messages": [], "version": ""}
    rows = list(thread.queued_messages.select_related("author"))
    for row in rows:
        row.is_own = row.author_id == user.pk  # type: ignore[attr-defined]
    return {"messages": rows, "version": upcoming.version_of(rows)}


@signed_in
@require_safe
def cards(request: Any, thread_id: str) -> HttpResponse:
    """The cards of a thread as they are now."""
    thread = access.thread(request.user, thread_id)
    return shown(request, thread, "chat/queued.html")


@signed_in
@require_POST
def change(request: Any, message_id: str) -> HttpResponse:
    """Write another text."""
    row = access.queued_message(request.user, message_id)
    form = MessageForm(request.POST)
    if not form.is_valid():
        return refusal(request, _("This message could not be read."), status=422)
    try:
        upcoming.change(message=row, text=form.cleaned_data["text"])
    except actions.InvalidInput as error:
        return refusal(request, str(error), status=422)
    return shown(request, row.thread)


@signed_in
@require_POST
def take_back(request: Any, message_id: str) -> HttpResponse:
    row = access.queued_message(request.user, message_id)
    try:
        upcoming.take_back(message=row)
    except actions.InvalidInput as error:
        return refusal(request, str(error), status=409)
    return shown(request, row.thread)


def send(request: Any, row: QueuedMessage) -> Run | HttpResponse:
    """Send it now; the run, or why not."""
    try:
        return upcoming.send_now(message=row)
    except (actions.InvalidInput, actions.ThreadIsBusy) as error:
        return refusal(request, str(error), status=409)
    except TooManyWaiting as error:
        return refusal(request, str(error), status=429)


def shown(
    request: Any, thread: Thread, template: str = "chat/queued_changed.html"
) -> HttpResponse:
    if not request.htmx:
        return redirect(thread)
    context = {"thread": thread, "line": line(thread, request.user)}
    return render(request, template, context)
