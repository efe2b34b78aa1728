"""Choosing who answers, and what that one is told in one thread; dialogs of the chat."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from chat.assistant_form import EFFORTS
from chat.choosing import to_pick
from chat.doors import closing_dialog, signed_in
from chat.views import HttpRequest
from runs import access, actions, offers
from runs import configuration as rules
from runs import parameters as of_thread
from runs.models import Assistant, Thread

LONGEST_SEARCH = 100


class ParametersForm(forms.Form):
    """What replaces the assistant's in one thread; what is empty replaces nothing."""

    model = forms.CharField(
        required=False,
        max_length=rules.LONGEST_MODEL,
        label=lazy("Model"),
        widget=forms.TextInput({"list": "models", "autocomplete": "off"}),
    )
    temperature = forms.FloatField(
        required=False,
        min_value=0,
        max_value=rules.HOTTEST,
        label=lazy("Temperature"),
        widget=forms.NumberInput({"step": "0.05", "inputmode": "decimal"}),
    )
    top_p = forms.FloatField(
        required=False,
        min_value=0,
        max_value=rules.WIDEST,
        label=lazy("Top p"),
        widget=forms.NumberInput({"step": "0.05", "inputmode": "decimal"}),
    )
    reasoning_effort = forms.ChoiceField(
        required=False, choices=EFFORTS, label=lazy("Reasoning effort")
    )
    instructions = forms.CharField(
        required=False,
        max_length=rules.LONGEST_INSTRUCTIONS,
        label=lazy("More instructions, for this thread alone"),
        widget=forms.Textarea({"rows": 4}),
    )

    def stand_beside(self, assistant: Assistant) -> None:
        """Show in the empty fields what the assistant has."""
        for name in ("model", "temperature", "top_p"):
            value = getattr(assistant, name)
            shown = "" if value in (None, "") else str(value)
            self.fields[name].widget.attrs["placeholder"] = shown


@signed_in
@require_safe
def pick(request: HttpRequest) -> HttpResponse:
    """The dialog for choosing an assistant, or its list for what was typed."""
    words = request.GET.get("q", "")[:LONGEST_SEARCH]
    thread_id = request.GET.get("thread", "")
    thread = access.thread_to_write(request.user, thread_id) if thread_id else None
    if not request.htmx:
        return redirect("assistants")
    context = {
        "thread": thread,
        "rows": to_pick(request.user, words),
        "chosen": request.GET.get("chosen", ""),
        "words": words,
    }
    name = "picker_list" if "q" in request.GET else "picker"
    return render(request, f"chat/{name}.html", context)


@signed_in
@require_POST
def choose(request: HttpRequest, thread_id: str) -> HttpResponse:
    """This assistant answers next in the thread."""
    thread = access.thread_to_write(request.user, thread_id)
    wanted = access.assistant(request.user, request.POST.get("assistant", ""))
    return _head(request, of_thread.choose(thread, assistant=wanted))


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def parameters(request: HttpRequest, thread_id: str) -> HttpResponse:
    """The dialog for what is special in one thread."""
    thread = access.thread_to_write(request.user, thread_id)
    now = actions.answering(thread, request.user)
    if request.method != "POST":
        form = ParametersForm(initial=thread.parameters)
        return _dialog(request, thread, form, now)
    wanted = access.assistant(request.user, request.POST.get("assistant") or now.pk)
    form = ParametersForm(request.POST)
    if not form.is_valid():
        return _dialog(request, thread, form, wanted)
    return _head(
        request, of_thread.set_for(thread, assistant=wanted, **form.cleaned_data)
    )


def _dialog(
    request: HttpRequest, thread: Thread, form: ParametersForm, chosen: Assistant
) -> HttpResponse:
    """The dialog's content; without htmx, a page that holds it."""
    form.stand_beside(chosen)
    rows = to_pick(request.user, "")
    if chosen not in rows:
        rows.insert(0, chosen)
    context = {"thread": thread, "form": form, "rows": rows, "chosen": chosen}
    name = "parameters" if request.htmx else "parameters_page"
    status = 422 if form.is_bound else 200
    response = render(request, f"chat/{name}.html", context, status=status)
    if form.is_bound:
        response["HX-Retarget"], response["HX-Reswap"] = "#dialog", "innerHTML"
    return response


def _head(request: HttpRequest, thread: Thread) -> HttpResponse:
    """The thread's head as it is now; the dialog closes."""
    if not request.htmx:
        return redirect(thread)
    context: dict[str, Any] = {"thread": thread}
    return closing_dialog(render(request, "chat/head.html", context))


@signed_in
@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """What the fields for a model suggest. Asking the servers may take seconds."""
    found = offers.offer.now()
    context = {"models": list(found.models), "away": found.away}
    return render(request, "chat/models.html", context)
