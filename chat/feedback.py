"""Thumbs on answers, and the details of an answer."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import trigger_client_event

from chat.doors import signed_in
from chat.endings import ending
from chat.templatetags.assistants import shown_name
from chat.templatetags.figures import seconds
from chat.views import HttpRequest
from runs import access, feedback
from runs.models import Run
from runs.models.feedback import NOTE_LENGTH

Facts = list[tuple[str, str]]


@signed_in
@require_http_methods(["GET", "POST"])
def note(request: HttpRequest, run_id: str) -> HttpResponse:
    """The dialog in which a note is written; with it comes the thumb."""
    run = access.run(request.user, run_id)
    if request.method == "POST":
        return trigger_client_event(given(request, run), "dialog:close")
    own = feedback.of(request.user, [run.pk]).get(run.pk)
    context = {"run": run, "feedback": own, "most": NOTE_LENGTH}
    return render(request, "chat/feedback_note.html", context)


@signed_in
@require_http_methods(["POST"])
def give(request: HttpRequest, run_id: str) -> HttpResponse:
    """A thumb up or down; the thumb that is given already is taken back."""
    return given(request, access.run(request.user, run_id))


def given(request: HttpRequest, run: Run) -> HttpResponse:
    thumb = request.POST.get("thumb", "")
    if thumb in {"up", "down"}:
        said = request.POST.get("note")
        is_good = thumb == "up"
        feedback.give(run=run, user=request.user, is_good=is_good, note=said)
    else:
        feedback.take_back(run=run, user=request.user)
    if not request.htmx:
        return redirect(run.thread)
    own = feedback.of(request.user, [run.pk]).get(run.pk)
    return render(request, "chat/feedback.html", {"run": run, "feedback": own})


@signed_in
@require_GET
def details(request: HttpRequest, run_id: str) -> HttpResponse:
    """What the record says about an answer, in a dialog."""
    run = access.run(request.user, run_id)
    may_see = access.may_see_history(request.user)
    context = {
        "run": run,
        "facts": facts(run),
        "ending": ending(run),
        "history": reverse("admin:runs_run_change", args=[run.pk]) if may_see else "",
    }
    return render(request, "chat/details.html", context)


def facts(run: Run) -> Facts:
    unknown = _("unknown")
    first = run.first_token_at
    waited = first - run.created_at if first else None
    return [
        (_("Assistant"), shown_name(run.assistant_name)),
        (_("Model"), run.model_used or run.model or unknown),
        (_("Model server"), run.server or unknown),
        (_("Duration"), seconds(run.duration) if run.duration else unknown),
        (_("Time to first token"), seconds(waited) if waited else unknown),
        (_("Tokens in"), tokens(run.input_tokens)),
        (_("of these, cached"), tokens(run.cached_input_tokens)),
        (_("Tokens out"), tokens(run.output_tokens)),
        (_("of these, reasoning"), tokens(run.reasoning_tokens)),
        # There is no price list yet; what is not known is never shown as nothing.
        (_("Cost"), unknown),
        (_("Attempts"), str(run.attempt)),
    ]


def tokens(count: int | None) -> str:
    return _("unknown") if count is None else number_format(count, force_grouping=True)
