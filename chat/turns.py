"""What can be done with a turn: edit, answer again, go on, choose a version, delete.

Each answers htmx with the thread's latest turns, which the page joins to what it shows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import reswap, retarget, trigger_client_event

from chat.doors import signed_in
from chat.forms import MessageForm
from chat.render import Turn, conversation
from chat.views import HttpRequest, refused
from runs import access, actions, branches
from runs.conversations import ThreadIsFull
from runs.models import Assistant, Message, Run, Thread
from runs.queue import TooManyWaiting

CONFLICTS = (
    actions.ThreadIsBusy,
    actions.NotRetryable,
    branches.NotEditable,
    branches.NothingToContinue,
    ThreadIsFull,
)


def turned(request: HttpRequest, thread: Thread) -> HttpResponse:
    """The thread as it is shown now."""
    if not request.htmx:
        return redirect(thread)
    context = {
        "thread": thread,
        "conversation": conversation(thread, user=request.user),
    }
    return render(request, "chat/turns.html", context)


def with_refusals(view: Callable[..., Thread]) -> Callable[..., HttpResponse]:
    """A view that does something to a thread; what can't be done is said."""

    @wraps(view)
    def answered(request: HttpRequest, **ids: str) -> HttpResponse:
        try:
            return turned(request, view(request, **ids))
        except CONFLICTS as error:
            return refused(request, None, str(error), 409)
        except actions.InvalidInput as error:
            return refused(request, None, str(error), 422)
        except TooManyWaiting as error:
            return refused(request, None, str(error), 429)

    return answered


@signed_in
@require_GET
def edit_form(request: HttpRequest, message_id: str) -> HttpResponse:
    message = access.message_to_change(request.user, message_id)
    context = {"message": message, "key": Turn().key}
    return render(request, "chat/edit.html", context)


@signed_in
@require_POST
@with_refusals
def edit(request: HttpRequest, message_id: str) -> Thread:
    """Ask otherwise: a new version of the message, with its answer."""
    message = access.message_to_change(request.user, message_id)
    form = MessageForm(request.POST)
    if not form.is_valid():
        raise actions.InvalidInput(_("This message could not be read."))
    text, key = form.cleaned_data["text"], form.cleaned_data["key"]
    run = branches.edit_message(
        message=message, text=text, user=request.user, idempotency_key=key
    )
    return run.thread


@signed_in
@require_POST
@with_refusals
def retry(request: HttpRequest, run_id: str) -> Thread:
    """Answer the same message again, perhaps by another assistant."""
    old = access.run_to_act(request.user, run_id)
    other = request.POST.get("assistant", "")
    run = actions.retry(
        run=old,
        user=request.user,
        assistant=access.assistant(request.user, other) if other else None,
        idempotency_key=key_of(request, f"retry-{old.pk}-{other}"),
    )
    return run.thread


@signed_in
@require_POST
@with_refusals
def go_on(request: HttpRequest, run_id: str) -> Thread:
    """Continue an answer that reached its limit."""
    old = access.run_to_act(request.user, run_id)
    key = key_of(request, f"continue-{old.pk}")
    new = branches.continue_answer(run=old, user=request.user, idempotency_key=key)
    return new.thread


def key_of(request: HttpRequest, otherwise: str) -> str:
    """What tells a second click from a second wish."""
    given = request.POST.get("key", "")[:40]
    return f"{otherwise}-{given}"[:100] if given else otherwise[:100]


@signed_in
@require_POST
@with_refusals
def show_message(request: HttpRequest, message_id: str) -> Thread:
    message = access.message_to_change(request.user, message_id)
    branches.show_message(message=message)
    return message.thread


@signed_in
@require_POST
@with_refusals
def show_answer(request: HttpRequest, run_id: str) -> Thread:
    run = access.run_to_act(request.user, run_id)
    branches.show_answer(run=run)
    return run.thread


@signed_in
@require_GET
def find(request: HttpRequest, thread_id: str, anchor: str) -> HttpResponse:
    """Where a permalink leads: nothing to say if it is on the shown path.

    A link is followed, not chosen: it never switches the branch that all tabs show.
    """
    thread = access.thread(request.user, thread_id)
    if "\0" in anchor:
        raise access.NotFound
    named = thread.messages.filter(Q(pk=anchor) | Q(run=anchor)).order_by("number")
    message, run = named.first(), thread.runs.filter(pk=anchor).first()
    if is_shown(message, run):
        return HttpResponse(status=204)
    return render(request, "chat/elsewhere.html", {"message": message, "run": run})


def is_shown(message: Message | None, run: Run | None) -> bool:
    if message:
        return message.on_path
    return bool(run and run.on_path and run.answers and run.answers.on_path)


@signed_in
@require_GET
def message_text(request: HttpRequest, message_id: str) -> HttpResponse:
    """A message as it was written, to be copied."""
    message = access.message(request.user, message_id)
    return HttpResponse(message.text, content_type="text/plain; charset=utf-8")


@signed_in
@require_http_methods(["GET", "POST"])
def delete_message(request: HttpRequest, message_id: str) -> HttpResponse:
    """Ask first, in a dialog; then delete."""
    message = access.message_to_change(request.user, message_id)
    return deletion(
        request,
        message.thread,
        {"message": message, "gone": message.pk},
        lambda: branches.delete_turn(message=message),
    )


@signed_in
@require_http_methods(["GET", "POST"])
def delete_answer(request: HttpRequest, run_id: str) -> HttpResponse:
    run = access.run_to_act(request.user, run_id)
    return deletion(
        request,
        run.thread,
        {"run": run, "gone": run.pk},
        lambda: branches.delete_answer(run=run),
    )


def deletion(
    request: HttpRequest,
    thread: Thread,
    context: dict[str, Any],
    delete: Callable[[], None],
) -> HttpResponse:
    if request.method == "GET":
        return render(request, "chat/delete.html", context)
    try:
        delete()
    except actions.ThreadIsBusy as error:
        again = {**context, "error": str(error)}
        response = render(request, "chat/delete.html", again, status=409)
        return reswap(retarget(response, "#dialog"), "innerHTML")
    return trigger_client_event(turned(request, thread), "dialog:close")


@signed_in
@require_GET
def message_menu(request: HttpRequest, message_id: str) -> HttpResponse:
    message = access.message(request.user, message_id)
    return render(request, "chat/message_menu.html", {"message": message})


@signed_in
@require_GET
def run_menu(request: HttpRequest, run_id: str) -> HttpResponse:
    """What there is to do with an answer, with the assistants that could give another."""
    run = access.run(request.user, run_id)
    offered = Assistant.objects.visible_to(request.user).order_by("name", "pk")
    context = {
        "run": run,
        "others": offered.exclude(pk=run.assistant_id)[:20],
        "key": Turn().key,
        "has_text": run.messages.exists(),
        "may_see_history": access.may_see_history(request.user),
    }
    return render(request, "chat/run_menu.html", context)
