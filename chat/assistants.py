"""The pages of assistants: a gallery to choose from, and a form to make and change one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from chat import pieces, tool_choices
from chat.assistant_form import AssistantForm
from chat.choosing import matching
from chat.doors import signed_in
from chat.views import HttpRequest
from runs import access, assistants, tools
from runs.models import Assistant, Colour

LONGEST_SEARCH = 100
WHOSE = {
    "": lazy("All"),
    "mine": lazy("Yours"),
    "team": lazy("The team's"),
    "shared": lazy("Shared by others"),
}


@signed_in
@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    """All that the user may talk to, or to htmx the cards that match a search."""
    words = request.GET.get("q", "")[:LONGEST_SEARCH]
    whose = request.GET.get("whose", "")
    found = pieces.by_name(
        _of(request, whose, matching(request.user, words)),
        after=request.GET.get("after", ""),
    )
    for row in found.rows:
        row.may_change = access.may_change_assistant(request.user, row)
    context = {
        "found": found,
        "words": words,
        "whose": whose,
        "choices": WHOSE,
        "is_piece": "after" in request.GET,
    }
    name = "assistant_cards" if request.htmx else "assistants"
    return render(request, f"chat/{name}.html", context)


def _of(request: HttpRequest, whose: str, rows: Any) -> Any:
    if whose == "mine":
        return rows.filter(owner=request.user)
    if whose == "team":
        return rows.filter(owner=None)
    if whose == "shared":
        return rows.exclude(owner=None).exclude(owner=request.user)
    return rows


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The empty form; a POST makes an assistant of one's own."""
    form = AssistantForm(None, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _form_page(request, form, None)
    made = assistants.create(owner=request.user, **form.columns())
    messages.success(request, _("“%(name)s” is ready.") % {"name": made})
    return redirect("assistants")


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, assistant_id: str) -> HttpResponse:
    """The form with an assistant in it that one may change."""
    found = access.assistant_to_change(request.user, assistant_id)
    form = AssistantForm(found, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _form_page(request, form, found)
    changed = assistants.change(found, **form.columns())
    messages.success(request, _("“%(name)s” is changed.") % {"name": changed})
    return redirect("assistants")


@signed_in
@require_POST
def duplicate(request: HttpRequest, assistant_id: str) -> HttpResponse:
    """A copy of one's own of any that one may see, opened in the form."""
    found = access.assistant(request.user, assistant_id)
    name = _("Copy of %(name)s") % {"name": found}
    made = assistants.duplicate(found, owner=request.user, name=name)
    messages.success(request, _("This copy is yours. Change what you like."))
    return redirect("assistant", made.pk)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, assistant_id: str) -> HttpResponse:
    """Asks first, in a dialog or on a page of its own; a POST does it."""
    found = access.assistant_to_change(request.user, assistant_id)
    if request.method != "POST":
        name = "assistant_delete" if request.htmx else "assistant_delete_page"
        return render(request, f"chat/{name}.html", {"assistant": found})
    assistants.delete(found)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": found})
    return redirect("assistants")


def _form_page(
    request: HttpRequest, form: AssistantForm, found: Assistant | None
) -> HttpResponse:
    context = {
        "form": form,
        "assistant": found,
        "colours": Colour.choices,
        "tools": tool_choices.offered(),
        "server_tools": tools.offered(),
    }
    status = 422 if form.is_bound else 200
    return render(request, "chat/assistant_form.html", context, status=status)
