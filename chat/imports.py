"""The settings page on which people bring along their conversations from elsewhere."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from chat.doors import signed_in
from chat.views import HttpRequest
from runs import files
from runs.imports import uploads
from runs.models import Import

SHOWN = 10
LEFT_OUT = {
    "image": _("images"),
    "file": _("files"),
    "reasoning": _("reasoning"),
    "tool_call": _("calls of tools"),
    "tool_output": _("outputs of tools"),
    "other": _("other things"),
}


class UploadForm(forms.Form):
    export = forms.FileField(
        allow_empty_file=False, error_messages={"required": _("Choose a file first.")}
    )


@signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The form and the latest imports; a POST begins one."""
    if request.method != "POST":
        return _answer(request)
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        return _answer(request, error=str(form.errors["export"][0]), status=422)
    upload = form.cleaned_data["export"]
    try:
        uploads.begin(owner=request.user, filename=upload.name, content=upload.chunks())
    except (files.TooLarge, files.NoRoom) as error:
        return _answer(request, error=str(error), status=413)
    except uploads.ImportUnderWay as error:
        return _answer(request, error=str(error), status=409)
    return redirect("import")


def _answer(
    request: HttpRequest, *, error: str = "", status: int = 200
) -> HttpResponse:
    rows = Import.objects.filter(owner=request.user).order_by("-created_at")
    shown = list(rows[:SHOWN])
    context = {
        "imports": [{"row": row, "left_out": _left_out(row)} for row in shown],
        "is_busy": any(row.is_under_way for row in shown),
        "most_bytes": settings.FILE_MAX_BYTES,
        "error": error,
    }
    template = "sharing/imports.html" if request.htmx else "sharing/import.html"
    return render(request, template, context, status=status)


def _left_out(row: Import) -> list[tuple[str, int]]:
    return [(str(LEFT_OUT.get(kind, kind)), n) for kind, n in row.left_out.items()]
