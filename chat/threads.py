"""What people do with whole threads: the list, title, pin, archive, delete and Undo."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRedirect

from chat import sidebar
from chat.doors import signed_in
from chat.views import HttpRequest, chat_page
from runs import access, filing
from runs.models import Thread


@signed_in
@require_safe
@vary_on_headers("HX-Request")
def index(request: HttpRequest) -> HttpResponse:
    """The sidebar's list, or its next piece; a page around it for whoever has no script."""
    cursor = request.GET.get("after", "")
    rows = _number(request.GET.get("rows", ""))
    threads = sidebar.threads(request.user, cursor=cursor, rows=rows)
    if not request.htmx:
        return chat_page(request, None, threads=threads)
    context = {"threads": threads, "open": request.GET.get("open", "")}
    return render(request, "chat/threads.html", context)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 6 else 0


@signed_in
@require_safe
@vary_on_headers("HX-Request")
def archived(request: HttpRequest) -> HttpResponse:
    """Threads that were put away."""
    cursor = request.GET.get("after", "")
    context = {"archived": sidebar.archived(request.user, cursor=cursor)}
    if request.htmx:
        return render(request, "chat/archived_rows.html", context)
    context["threads"] = sidebar.threads(request.user)
    return render(request, "chat/archived.html", context)


def filed(request: HttpRequest, thread_id: str) -> Thread:
    """A thread of the user's own that lists show; a temporary one is not to be filed."""
    thread = access.own_thread(request.user, thread_id)
    if thread.is_temporary:
        raise Http404
    return thread


@signed_in
@require_safe
def menu(request: HttpRequest, thread_id: str) -> HttpResponse:
    """What a row of the list offers."""
    thread = filed(request, thread_id)
    return render(request, "chat/thread_entries.html", {"thread": thread})


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: HttpRequest, thread_id: str) -> HttpResponse:
    """A dialog, or a page, with the title in a field; and what is sent from there."""
    thread = filed(request, thread_id)
    error = ""
    if request.method == "POST":
        try:
            filing.rename(thread, request.POST.get("title", ""))
        except filing.NoTitle:
            error = _("Write a title first.")
        else:
            return _changed(request, thread, event="dialog:close")
    context = {"thread": thread, "error": error}
    template = "chat/rename_form.html" if request.htmx else "chat/rename.html"
    # A refused title is for the dialog to show; htmx swaps it as it is.
    return render(request, template, context)


@signed_in
@require_POST
def pin(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Pin the thread, or unpin it."""
    thread = filed(request, thread_id)
    filing.pin(thread, is_on=_is_on(request))
    return _changed(request, thread)


@signed_in
@require_POST
def archive(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Archive the thread, or put it back."""
    thread = filed(request, thread_id)
    is_on = _is_on(request)
    filing.archive(thread, is_on=is_on)
    text = _("Archived") if is_on else _("Back in the list")
    undo = f"{reverse('archive', args=[thread.pk])}?on={int(not is_on)}"
    return _changed(request, thread, text=text, undo_url=undo)


@signed_in
@require_POST
def delete(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Delete the thread, with a while for Undo."""
    thread = filed(request, thread_id)
    filing.delete(thread, user=request.user)
    if not request.htmx or _is_open(request, thread):
        return _gone(request, f"{reverse('index')}?deleted={thread.pk}")
    undo = reverse("restore", args=[thread.pk])
    return _changed(request, thread, text=_("Thread deleted"), undo_url=undo)


@signed_in
@require_POST
def restore(request: HttpRequest, thread_id: str) -> HttpResponse:
    """Undo of ``delete``."""
    thread = access.deleted_thread(request.user, thread_id)
    filing.restore(thread)
    was_open = f"deleted={thread.pk}" in (request.htmx.current_url or "")
    if not request.htmx or was_open:
        return _gone(request, thread.get_absolute_url())
    return _changed(request, thread, text=_("Thread restored"))


@signed_in
@require_POST
def seen(request: HttpRequest, thread_id: str) -> HttpResponse:
    """A visible tab has shown the end of this run."""
    thread = access.thread(request.user, thread_id)
    run = access.run_of(request.user, thread.pk, request.POST.get("run", ""))
    if run.ended_at:
        filing.see(thread, user=request.user, at=run.ended_at)
    return HttpResponse(status=204)


def _is_on(request: HttpRequest) -> bool:
    return (request.GET.get("on") or request.POST.get("on")) == "1"


def _is_open(request: HttpRequest, thread: Thread) -> bool:
    """Whether the page that asks shows this thread."""
    shown = request.htmx.current_url_abs_path or ""
    return shown.partition("?")[0] == thread.get_absolute_url()


def _gone(request: HttpRequest, address: str) -> HttpResponse:
    """To another page, whichever way the request came."""
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


def _changed(
    request: HttpRequest, thread: Thread, *, event: str = "", **toast: Any
) -> HttpResponse:
    """What on the page has changed with the thread; the list follows by itself."""
    if not request.htmx:
        return redirect(thread)
    context = {"thread": thread, "is_open": _is_open(request, thread), **toast}
    response = render(request, "chat/thread_changed.html", context)
    response["HX-Reswap"] = "none"  # The parts name their own places.
    response["HX-Trigger"] = ", ".join(filter(None, ["threads:changed", event]))
    return response
