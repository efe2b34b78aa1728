"""The chat's pages: thin, each answers with a whole page or, to htmx, its fragment."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http import HttpRequest as PlainRequest
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST, require_safe
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.http import push_url

from chat import setup, sidebar
from chat.doors import refusal, signed_in
from chat.forms import FirstAccountForm, MessageForm
from chat.render import Conversation, Turn, answer, conversation
from chat.requests import HttpRequest
from runs import access, actions, filing
from runs.models import Message, Run, Thread
from runs.queue import TooManyWaiting


@signed_in
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """A new thread, not yet made; after a deletion, with the way back."""
    return chat_page(request, None, toast=way_back(request))


def way_back(request: HttpRequest) -> dict[str, str]:
    """The notice about the thread that was deleted a moment ago, if one was."""
    key = request.GET.get("deleted", "")
    try:
        thread = access.deleted_thread(request.user, key) if key else None
    except access.NotFound:
        return {}
    if thread is None:
        return {}
    undo = reverse("restore", args=[thread.pk])
    return {"text": _("Thread deleted"), "undo_url": undo}


@signed_in
@require_safe
def thread(request: HttpRequest, thread_id: str) -> HttpResponse:
    """A thread, or to htmx its latest turns or an earlier part of it."""
    shown = access.thread(request.user, thread_id)
    if request.htmx and request.GET.get("part") == "turns":
        context = {"thread": shown, "conversation": conversation(shown)}
        return render(request, "chat/turns.html", context)
    for side in ("before", "after"):
        number = request.GET.get(side, "")
        if number.isdecimal() and len(number) < 10:
            return part_of(request, shown, **{side: int(number)})
    part = conversation(shown, at=place_in(request, shown))
    return chat_page(request, shown, part=part)


def part_of(request: HttpRequest, thread: Thread, **place: int) -> HttpResponse:
    """Turns before or after a message; a page of them for whoever has no script."""
    part = conversation(thread, **place)
    if not request.htmx:
        return chat_page(request, thread, part=part)
    context = {"thread": thread, "conversation": part}
    return render(request, "chat/turns.html", context)


def place_in(request: HttpRequest, thread: Thread) -> int | None:
    """The number of the message that the address names, if the thread shows it."""
    at = request.GET.get("at", "")
    if not at:
        return None
    shown = Message.objects.shown(thread).filter(pk=at.replace("\0", ""))
    return shown.values_list("number", flat=True).first()


@signed_in
@require_POST
def send(request: HttpRequest, thread_id: str | None = None) -> HttpResponse:
    """Post a message; the answer is the new turns, its text follows by websocket."""
    into = access.thread_to_write(request.user, thread_id) if thread_id else None
    form = MessageForm(request.POST)
    if not form.is_valid():
        return refused(request, into, "This message could not be read.", 422)
    text, key = form.cleaned_data["text"], form.cleaned_data["key"]
    try:
        run = actions.post_message(
            user=request.user, text=text, thread=into, idempotency_key=key
        )
    except actions.ThreadIsBusy as error:
        return refused(request, into, str(error), 409)
    except actions.InvalidInput as error:
        return refused(request, into, str(error), 422)
    except TooManyWaiting as error:
        return refused(request, into, str(error), 429)
    filing.see(run.thread, user=request.user, at=run.created_at)
    if not request.htmx:
        return redirect(run.thread)
    return sent(request, run, is_new=into is None)


def sent(request: HttpRequest, run: Run, *, is_new: bool) -> HttpResponse:
    """The two new turns, and beside them what else on the page has changed."""
    context = {
        "thread": run.thread,
        "turns": [Turn(message=run.answers), answer(run)],
    }
    response = render(request, "chat/sent.html", context)
    return push_url(response, run.thread.get_absolute_url()) if is_new else response


@signed_in
@require_GET
def run(request: HttpRequest, run_id: str) -> HttpResponse:
    """One answer as it stands now, for a page that has streamed it."""
    shown = access.run(request.user, run_id)
    if not request.htmx:
        return redirect(shown.thread)
    context = {"turn": answer(shown, colours=False), "thread": shown.thread}
    return render(request, "chat/run.html", context)


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
    return render(request, "chat/turn_run.html", {"turn": answer(shown, colours=False)})


@signed_in
@require_POST
def retry(request: HttpRequest, run_id: str) -> HttpResponse:
    """Answer the same message again; pressing twice gives the same new run."""
    old = access.run_to_act(request.user, run_id)
    try:
        new = actions.retry(
            run=old, user=request.user, idempotency_key=f"retry-{old.pk}"
        )
    except (actions.ThreadIsBusy, actions.NotRetryable) as error:
        return refused(request, old.thread, str(error), 409)
    except TooManyWaiting as error:
        return refused(request, old.thread, str(error), 429)
    if not request.htmx:
        return redirect(new.thread)
    return render(request, "chat/turn_run.html", {"turn": answer(new)})


def refused(
    request: HttpRequest, into: Thread | None, message: str, status: int
) -> HttpResponse:
    """An anticipated error; the draft stays in the composer."""
    if request.htmx:
        return refusal(request, message, status=status)
    page = {"error": message, "draft": request.POST.get("text", "")}
    return chat_page(request, into, status=status, **page)


def chat_page(
    request: HttpRequest,
    thread: Thread | None,
    *,
    status: int = 200,
    part: Conversation | None = None,
    threads: sidebar.Threads | None = None,
    **extra: object,
) -> HttpResponse:
    context = {
        "thread": thread,
        "conversation": part or (conversation(thread) if thread else None),
        "threads": threads or sidebar.threads(request.user),
        "open": thread.pk if thread else "",
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
        messages.info(request, "The first account exists already. Sign in.")
        return redirect("login")
    return render(request, "accounts/setup.html", {"form": form})


@signed_in
@require_safe
def password_changed(request: HttpRequest) -> HttpResponse:
    messages.success(request, "Your password has been changed.")
    return redirect("index")
