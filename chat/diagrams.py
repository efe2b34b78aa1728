"""The frame in which a diagram is drawn: a page that may run scripts and do nothing else."""

from __future__ import annotations

from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

# The library styles its drawings from within. In a frame without an origin of its own,
# with nothing to connect to, that can't harm the page around it.
DRAWS = {
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["data:"],
    "connect-src": ["'none'"],
    "form-action": ["'none'"],
    "frame-ancestors": ["'self'"],
    "sandbox": ["allow-scripts"],
}


@require_safe
@xframe_options_sameorigin
@csp_replace(DRAWS)
@cache_control(max_age=300, private=True)
def frame(request: HttpRequest) -> HttpResponse:
    """The same for everybody, and empty until the page around it sends a text."""
    return render(request, "chat/diagram.html")
