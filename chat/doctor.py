"""The doctor's page: what the server sees of itself, and what this browser sees of it.

For those who may see everybody's runs; to all others there is no such page.
"""

from __future__ import annotations

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.db import close_old_connections
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from runs import access, doctor
from runs.doctor import drip as dripping

IDLE_SECONDS = 70  # beyond the idle limit of most proxies, 60 s


@require_safe
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """The page itself, at once; what is found comes later."""
    _admit(request)
    context = {
        "names": doctor.names(),
        "public_url": settings.PUBLIC_URL,
        "idle_seconds": IDLE_SECONDS,
        "verdicts": [*doctor.Verdict, "testing"],
    }
    return render(request, "chat/doctor.html", context)


@require_GET
@never_cache
def checks(request: HttpRequest) -> HttpResponse:
    """What the server finds, as a fragment."""
    _admit(request)
    findings = async_to_sync(doctor.examine)()
    return render(request, "chat/doctor_findings.html", {"findings": findings})


@require_GET
@never_cache
async def drip(request: HttpRequest) -> StreamingHttpResponse:
    """A slow stream, to find out what lies between server and browser.

    Its headers tell the server's clock, in milliseconds, and which cookies arrived.
    """
    is_admitted = dripping.is_ticket(request.headers.get(dripping.TICKET_HEADER, ""))
    if not is_admitted and not access.may_see_history(await request.auser()):
        raise Http404
    # Or else the stream would keep the connection that the line above has opened.
    await sync_to_async(close_old_connections)()
    headers = {
        "X-Accel-Buffering": "no",
        "X-Server-Time": f"{timezone.now().timestamp() * 1000:.0f}",
        "X-Cookies-Seen": " ".join(sorted(request.COOKIES)),
    }
    return StreamingHttpResponse(
        dripping.pieces(), content_type="text/event-stream", headers=headers
    )


def _admit(request: HttpRequest) -> None:
    if not access.may_see_history(request.user):
        raise Http404
