"""Pages of sharing: the dialog of a thread, what the team shares, and links."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.http import HttpRequest as PlainRequest
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from chat import markdown, paging
from chat.doors import signed_in
from chat.keys import site_url
from chat.views import HttpRequest
from runs import access, shares
from runs.models import MessageRole, Shared, ShareLink, Thread

PIECE = 60  # threads on one page of the team's
COPIED_AT_ONCE = 100  # messages of a copy on one page
LISTED = 50  # links of one thread
DAYS = ((1, _("a day")), (7, _("7 days")), (30, _("30 days")), (365, _("a year")))


class ShareForm(forms.Form):
    level = forms.ChoiceField(choices=Shared.choices, required=False)


class LinkForm(forms.Form):
    days = forms.TypedChoiceField(choices=DAYS, coerce=int, initial=7)


@signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def share(request: HttpRequest, thread_id: str) -> HttpResponse:
    """The dialog; a POST sets what the team may do."""
    thread = access.own_thread(request.user, thread_id)
    if request.method != "POST":
        return _dialog(request, thread)
    form = ShareForm(request.POST)
    if not form.is_valid():
        return _dialog(request, thread, status=422)
    try:
        thread = shares.share_with_team(
            thread, form.cleaned_data["level"], user=request.user
        )
    except shares.NotShareable as error:
        return _dialog(request, thread, status=422, error=str(error))
    if not request.htmx:
        return redirect("share", thread.pk)
    return render(request, "sharing/state.html", {"thread": thread, "is_saved": True})


@signed_in
@require_POST
def make_link(request: HttpRequest, thread_id: str) -> HttpResponse:
    """A new link to a copy of the thread as it is now."""
    thread = access.own_thread(request.user, thread_id)
    form, error = LinkForm(request.POST), ""
    if form.is_valid():
        lasts = dt.timedelta(days=form.cleaned_data["days"])
        try:
            shares.make_link(thread, lasts=lasts, user=request.user)
        except shares.NotShareable as reason:
            error = str(reason)
    if not request.htmx and not error:
        return redirect("share", thread.pk)
    return _links(request, thread, error=error)


@signed_in
@require_POST
def revoke_link(request: HttpRequest, link_id: str) -> HttpResponse:
    """End a link for good."""
    link = access.share_link(request.user, link_id)
    shares.revoke_link(link, user=request.user)
    if not request.htmx:
        return redirect("share", link.thread_id)
    return _links(request, link.thread)


@signed_in
@require_safe
def team(request: HttpRequest) -> HttpResponse:
    """What is shared with the team, newest first, or to htmx the next piece of it."""
    rows = Thread.objects.visible_to(request.user).shared_with_team()
    rows = rows.filter(paging.beyond(request.GET.get("after", "")))
    rows = rows.newest_first().select_related("owner")
    found = list(rows.defer("metadata", "tool_resources")[: PIECE + 1])
    more = paging.cursor_of(found[PIECE - 1]) if len(found) > PIECE else ""
    context = {"rows": found[:PIECE], "more": more}
    is_piece = request.htmx and "after" in request.GET
    template = "sharing/team_rows.html" if is_piece else "sharing/team.html"
    return render(request, template, context)


@dataclass(frozen=True, kw_only=True)
class Said:
    """A message of a copy as its page shows it."""

    is_asked: bool
    name: str
    at: dt.datetime | None
    parts: list[dict[str, Any]]


@require_safe
def link(request: PlainRequest, token: str) -> HttpResponse:
    """The copy that a link leads to, for anybody."""
    found = shares.link_of(token)
    if found is None:
        raise Http404
    if found.state != "active":
        response = render(request, "sharing/gone.html", {"link": found}, status=410)
        return for_nobody_else(response)
    pages = Paginator(found.messages, COPIED_AT_ONCE)
    page = pages.get_page(request.GET.get("page"))
    if page.number == 1 and request.method == "GET":
        shares.note_view(found)
    context = {"link": found, "page": page, "said": [_said(one) for one in page]}
    return for_nobody_else(render(request, "sharing/copy.html", context))


def for_nobody_else(response: HttpResponse) -> HttpResponse:
    """No search engine, no shared cache and no other site learns of this page."""
    response["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, no-cache"
    return response


def _said(message: dict[str, Any]) -> Said:
    is_asked = message["role"] == MessageRole.USER
    parts = [
        {**part, "html": markdown.render(part["text"])}
        if "text" in part and not is_asked
        else part
        for part in message["parts"]
    ]
    return Said(
        is_asked=is_asked,
        name=message["name"],
        at=parse_datetime(message["at"]),
        parts=parts,
    )


def _dialog(
    request: HttpRequest, thread: Thread, *, status: int = 200, error: str = ""
) -> HttpResponse:
    context = {**_context(request, thread), "team_error": error}
    template = "sharing/dialog.html" if request.htmx else "sharing/page.html"
    return render(request, template, context, status=status)


def _links(request: HttpRequest, thread: Thread, *, error: str = "") -> HttpResponse:
    context = {**_context(request, thread), "error": error}
    template = "sharing/links.html" if request.htmx else "sharing/page.html"
    return render(request, template, context, status=422 if error else 200)


def _context(request: HttpRequest, thread: Thread) -> dict[str, object]:
    return {
        "thread": thread,
        "links": links_of(thread),
        "days": DAYS,
        "has_links": settings.SHARE_LINKS,
        "site": site_url(request),
    }


def links_of(thread: Thread) -> list[ShareLink]:
    """Newest first, without the copies; those that still work before the others."""
    rows = thread.links.defer("messages").order_by("-created_at")[:LISTED]
    return sorted(rows, key=lambda one: one.state != "active")
