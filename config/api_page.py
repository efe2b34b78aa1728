"""The page that explains the API to people who are signed in, and its document.

Both are made from the API's own code, which is loaded at the first look only.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from chat.doors import signed_in
from chat.keys import base_url


@signed_in
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Every route with its parameters and an example, as HTML."""
    from runs.api import page as made  # noqa: PLC0415 - loads the whole API

    return render(request, "chat/api.html", made.context(base_url(request)))


@signed_in
@require_safe
def document(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document, which /v1/openapi.json gives to programs."""
    from runs.api import page as made  # noqa: PLC0415 - loads the whole API

    return JsonResponse(made.document(), json_dumps_params={"indent": 2})
