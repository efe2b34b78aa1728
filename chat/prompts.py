"""The prompt library: a page to keep prompts, and the list behind ``/``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Case, IntegerField, Value, When
from django.db.models.functions import Left
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe

from chat import pieces
from chat.doors import signed_in
from chat.views import HttpRequest
from runs import access, prompt_library
from runs.models import Prompt

MOST_LISTED = 500
PREVIEW = 120


class PromptForm(forms.Form):
    """A name to call it by, and the text."""

    name = forms.CharField(
        max_length=prompt_library.LONGEST_NAME,
        label=lazy("Name"),
        help_text=lazy("What is typed after the slash, such as release-note."),
        error_messages={"required": lazy("Give it a name.")},
        widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "off"}),
    )
    text = forms.CharField(
        max_length=prompt_library.LONGEST_TEXT,
        label=lazy("Text"),
        help_text=lazy(
            "Write {{words}} in braces for what is to be filled in each time."
        ),
        error_messages={"required": lazy("Write the text.")},
        widget=forms.Textarea({"rows": 8}),
    )
    is_shared = forms.BooleanField(required=False, label=lazy("Share with the team"))

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).removeprefix("/").lower()
        if not prompt_library.NAME.fullmatch(name):
            raise ValidationError(
                _("Only letters, digits, _ and - are allowed, as in release-note.")
            )
        return name

    def clean_text(self) -> str:
        # Browsers send line ends as CR LF.
        return str(self.cleaned_data["text"]).replace("\r\n", "\n")


@signed_in
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The user's prompts and those shared by others, or to htmx the next piece."""
    rows = Prompt.objects.visible_to(request.user).select_related("owner")
    found = pieces.by_name(rows, after=request.GET.get("after", ""))
    name = "prompt_rows" if request.htmx else "prompts"
    return render(request, f"chat/{name}.html", {"found": found})


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = PromptForm(request.POST if request.method == "POST" else None)

    def create(**given: Any) -> Prompt:
        return prompt_library.create(owner=request.user, **given)

    return _form(request, form, create, None)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, prompt_id: str) -> HttpResponse:
    found = access.prompt_to_change(request.user, prompt_id)
    initial = {name: getattr(found, name) for name in PromptForm.base_fields}
    data = request.POST if request.method == "POST" else None

    def change(**given: Any) -> Prompt:
        return prompt_library.change(found, **given)

    return _form(request, PromptForm(data, initial=initial), change, found)


def _form(
    request: HttpRequest,
    form: PromptForm,
    write: Callable[..., Prompt],
    found: Prompt | None,
) -> HttpResponse:
    if form.is_valid():
        try:
            kept = write(**form.cleaned_data)
        except prompt_library.NameTaken:
            form.add_error("name", _("You have another prompt of this name."))
        except prompt_library.LibraryIsFull:
            form.add_error("name", _("You keep as many prompts as one can."))
        else:
            messages.success(request, _("/%(name)s is kept.") % {"name": kept})
            return redirect("prompts")
    context = {"form": form, "prompt": found}
    status = 422 if form.is_bound else 200
    return render(request, "chat/prompt_form.html", context, status=status)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, prompt_id: str) -> HttpResponse:
    """Asks first, in a dialog or on a page of its own; a POST does it."""
    found = access.prompt_to_change(request.user, prompt_id)
    if request.method != "POST":
        name = "prompt_delete" if request.htmx else "prompt_delete_page"
        return render(request, f"chat/{name}.html", {"prompt": found})
    prompt_library.delete(found)
    messages.success(request, _("/%(name)s is deleted.") % {"name": found})
    return redirect("prompts")


@signed_in
@require_safe
def slash(request: HttpRequest) -> HttpResponse:
    """What ``/`` in the message box opens: the user's own first. One query."""
    mine = Case(
        When(owner=request.user, then=Value(0)),
        default=Value(1),
        output_field=IntegerField(),
    )
    rows = (
        Prompt.objects.visible_to(request.user)
        .order_by(mine, "name", "id")
        .annotate(preview=Left("text", PREVIEW))
        .values("pk", "name", "preview", "owner_id", "owner__username")
    )
    return render(request, "chat/prompt_list.html", {"rows": rows[:MOST_LISTED]})


@signed_in
@require_safe
def text(request: HttpRequest, prompt_id: str) -> HttpResponse:
    """The text, to be put into the message box."""
    found = access.prompt(request.user, prompt_id)
    return HttpResponse(found.text, content_type="text/plain; charset=utf-8")
