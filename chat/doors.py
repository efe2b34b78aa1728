"""The door of every page: who is not signed in is asked to, without losing a draft."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

View = Callable[..., HttpResponseBase]


def signed_in(view: View) -> View:
    """Like login_required, but a fragment's request gets a note instead of a page."""

    @wraps(view)
    def checked(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if request.htmx:
            return refusal(request, status=401)
        return redirect_to_login(request.get_full_path())

    return checked


def refusal(request: HttpRequest, message: str = "", *, status: int) -> HttpResponse:
    """A note beside the composer, wherever the request came from; nothing else changes."""
    context = {"error": message, "status": status}
    response = render(request, "chat/composer_error.html", context, status=status)
    response["HX-Retarget"] = "#composer-error"
    response["HX-Reswap"] = "outerHTML"
    return response


def closing_dialog(response: HttpResponse) -> HttpResponse:
    """The same answer, with which the page's dialog closes; see static/js/dialogs.js."""
    response["HX-Trigger"] = "dialog:close"
    return response
