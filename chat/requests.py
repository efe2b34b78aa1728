"""The request as the views of this package get it."""

from __future__ import annotations

from django.http import HttpRequest as PlainRequest
from django_htmx.middleware import HtmxDetails

from runs.models import User


class HttpRequest(PlainRequest):
    """What the middlewares make of a request of somebody who is signed in."""

    htmx: HtmxDetails
    user: User
