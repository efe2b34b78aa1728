"""The chat's pages: thin, each answers with a whole page or, to htmx, its fragment."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http import HttpRequest as PlainRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST, require_safe
from django_htmx.http import push_url
from django_htmx.middleware import HtmxDetails

from chat import attachments, queued, setup, sidebar
from chat.choosing import begun_with
from chat.doors import closing_dialog, refusal, signed_in
from chat.forms import FirstAccountForm, MessageForm
from chat.render import answer, asked, conversation
from runs import access, actions, filing, temporary, upcoming
from runs.models import QueuedMessage, Run, Thread, User
from runs.queue import TooManyWaiting


class HttpRequest(PlainRequest):
    """What the middlewares make of a request of somebody who is signed in."""

    htmx: HtmxDetails
    user: User


@signed_in
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """A new thread, not yet made, with the assistant that the address names, if any."""
    if request.htmx and request.GET.get("part") == "head":
        chosen = begun_with(request.user, request.GET.get("assistant", ""))
        picked = render(request, "chat/picked.html", {"assistant": chosen})
        return closing_dialog(picked)
    is_temporary = request.GET.get("temporary") == "1"
    hours = settings.TEMPORARY_HOURS
    return chat_page(
        request,
        None,
        is_temporary=is_temporary,
        temporary_hours=hours,
        toast=way_back(request.user, request.GET.get("deleted", "")),
    )


def way_back(user: User, thread_id: str) -> dict[str, str]:
    """The notice about the thread that was deleted a moment ago, if one was."""
    try:
        deleted = access.deleted_thread(user, thread_id) if thread_id else None
    except access.NotFound:
        return {}
    if deleted is None:
        return {}
    undo = reverse("restore", args=[deleted.pk])
    return {"text": _("Thread deleted"), "undo_url": undo}


@signed_in
@require_safe
def thread(request: HttpRequest, thread_id: str) -> HttpResponse:
    """A thread, or to htmx its latest turns or an earlier part of it."""
    shown = access.thread(request.user, thread_id)
    if request.htmx and request.GET.get("part") == "turns":
        context = {
            "thread": shown,
            "conversation": conversation(shown, user=request.user),
        }
        return render(request, "chat/turns.html", context)
    before = request.GET.get("before", "")
    if request.htmx and before.isdecimal() and len(before) < 10:
        context = {
            "thread": shown,
            "conversation": conversation(shown, user=request.user, before=int(before)),
        }
        return render(request, "chat/turns.html", context)
    return chat_page(request, shown)


@signed_in
@require_POST
def send(request: HttpRequest, thread_id: str | None = None) -> HttpResponse:
    """Post a message; the answer is the new turns, their text follows by websocket.

    While an answer is being written in the thread, the message waits for its end.
    """
    into = access.thread_to_write(request.user, thread_id) if thread_id else None
    form = MessageForm(request.POST)
    if not form.is_valid():
        return refused(request, into, _("This message could not be read."), 422)
    try:
        made = posted(request.user, into, form.cleaned_data)
    except actions.AttachmentGone as error:
        return refused(request, into, str(error), 404)
    except actions.InvalidInput as error:
        return refused(request, into, str(error), 422)
    except TooManyWaiting as error:
        return refused(request, into, str(error), 429)
    filing.see(made.thread, user=request.user, at=made.created_at)
    if not request.htmx:
        return redirect(made.thread)
    if isinstance(made, QueuedMessage):
        context = {"line": queued.line(made.thread, request.user)}
        return render(request, "chat/queued_sent.html", context)
    return sent(request, made, is_new=into is None)


def posted(
    user: User, into: Thread | None, composed: dict[str, Any]
) -> Run | QueuedMessage:
    said: dict[str, Any] = {
        "user": user,
        "text": composed["text"],
        "attachments": attachments.chosen(user, composed["file"]),
        "idempotency_key": composed["key"],
    }
    if into is None:
        return actions.post_message(
            assistant=begun_with(user, composed["assistant"]),
            is_temporary=composed["temporary"],
            **said,
        )
    return upcoming.post_or_queue(thread=into, **said)


@signed_in
@require_POST
def send_queued(request: HttpRequest, message_id: str) -> HttpResponse:
    """Send a message that waits, now that nothing is being written."""
    row = access.queued_message(request.user, message_id)
    made = queued.send(request, row)
    if isinstance(made, HttpResponse):
        return made
    return sent(request, made, is_new=False) if request.htmx else redirect(made.thread)


def sent(request: HttpRequest, run: Run, *, is_new: bool) -> HttpResponse:
    """The two new turns, and beside them what else on the page has changed."""
    context = {
        "thread": run.thread,
        "turns": [asked(run), answer(run, user=request.user)],
        "line": queued.line(run.thread, request.user),
    }
    response = render(request, "chat/sent.html", context)
    return push_url(response, run.thread.get_absolute_url()) if is_new else response


@signed_in
@require_POST
def close(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Leave a temporary thread: its content is erased now."""
    left = access.own_thread(request.user, thread_id)
    if not left.is_temporary:
        raise Http404
    temporary.erase(left)
    messages.success(request, _("The temporary chat is erased."))
    return redirect("index")


@signed_in
@require_GET
def run(request: HttpRequest, run_id: str) -> HttpResponse:
    """One answer as it stands now, for a page that has streamed it."""
    shown = access.run(request.user, run_id)
    if not request.htmx:
        return redirect(shown.thread)
    context = {
        "turn": answer(shown, user=request.user, colours=False),
        "thread": shown.thread,
    }
    return render(request, "chat/turn_run.html", context)


@signed_in
@require_GET
def run_text(request: HttpRequest, run_id: str) -> HttpResponse:
    """An answer as it was written, to be copied."""
    shown = access.run(request.user, run_id)
    wrote = shown.messages.filter(on_path=True).order_by("number")
    text = "\n\n".join(message.text for message in wrote)
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@signed_in
@require_POST
def cancel(request: HttpRequest, run_id: str) -> HttpResponse:
    """Stop an answer. Its end comes by websocket, unless it has ended with this."""
    shown = access.run_to_act(request.user, run_id)
    try:
        shown = actions.cancel(run=shown, user=request.user)
    except actions.NotCancellable:
        shown.refresh_from_db()
    if not request.htmx:
        return redirect(shown.thread)
    if shown.is_active:
        return HttpResponse(status=204)
    return render(
        request,
        "chat/turn_run.html",
        {"turn": answer(shown, user=request.user, colours=False)},
    )


def refused(
    request: HttpRequest, into: Thread | None, message: str, status: int
) -> HttpResponse:
    """An anticipated error; the draft stays in the composer."""
    if request.htmx:
        return refusal(request, message, status=status)
    page: dict[str, Any] = {"error": message, "draft": request.POST.get("text", "")}
    return chat_page(request, into, status=status, **page)


def chat_page(
    request: HttpRequest,
    thread: Thread | None,
    *,
    status: int = 200,
    threads: sidebar.Threads | None = None,
    **extra: object,
) -> HttpResponse:
    named = request.POST.get("assistant") or request.GET.get("assistant", "")
    context = {
        "thread": thread,
        "assistant": None if thread else begun_with(request.user, named),
        "conversation": conversation(thread, user=request.user) if thread else None,
        "attaching": attachments.limits(),
        "threads": threads or sidebar.threads(request.user),
        "open": thread.pk if thread else "",
        "line": queued.line(thread, request.user),
        **extra,
    }
    return render(request, "chat/page.html", context, status=status)


@never_cache
@sensitive_post_parameters("password1", "password2")
def set_up(request: PlainRequest, token: str) -> HttpResponse:
    """The first account, for whoever has the link that the server printed."""
    if not setup.is_token(token):
        raise Http404
    form = FirstAccountForm(request.POST or None)
    try:
        if not setup.is_open():
            raise setup.AlreadySetUp
        if request.method == "POST" and form.is_valid():
            setup.create_first_account(request=request, form=form)
            return redirect("index")
    except setup.AlreadySetUp:
        messages.info(request, _("The first account exists already. Sign in."))
        return redirect("login")
    return render(request, "accounts/setup.html", {"form": form})


@signed_in
@require_safe
def password_changed(request: HttpRequest) -> HttpResponse:
    messages.success(request, _("Your password has been changed."))
    return redirect("index")
