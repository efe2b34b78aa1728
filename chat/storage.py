"""What people see while the database cannot be reached."""

from __future__ import annotations

import logging

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext_lazy as _

from chat.doors import refusal

log = logging.getLogger(__name__)

AWAY = _(
    "The storage cannot be reached at the moment. Your text is kept; try again soon."
)


class StorageAway(MiddlewareMixin):
    """Answers 503 where a view could not reach the database; drafts stay."""

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        if not isinstance(exception, OperationalError | InterfaceError):
            return None
        log.error("The database cannot be reached: %s", exception)
        if request.headers.get("HX-Request"):
            response = refusal(request, str(AWAY), status=503)
        else:
            response = render(request, "503.html", status=503)
        response["Retry-After"] = "2"
        return response
