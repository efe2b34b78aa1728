"""The command palette (Ctrl or Cmd with K): pages and threads by name, messages by words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from chat.doors import signed_in
from chat.search import address_of
from chat.views import HttpRequest
from runs import access, search
from runs.models import Thread, User

THREADS = 8
MESSAGES = 5
QUERY_MAX_LENGTH = 100


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the palette; ``words`` are other names it is found by.

    ``pieces`` are the words of a message around the first hit.
    """

    title: str
    url: str
    icon: str
    words: str = ""
    pieces: Sequence[search.Piece] = ()

    def matches(self, query: str) -> bool:
        names = f"{self.title} {self.words}".casefold()
        return all(word in names for word in query.casefold().split())


@signed_in
@require_safe
def palette(request: HttpRequest) -> HttpResponse:
    """The lines that fit ``q``, in three queries, or those to begin with, in one."""
    query = request.GET.get("q", "")[:QUERY_MAX_LENGTH].strip()
    found = search.threads(request.user, query, most=THREADS)
    groups = [
        (_("Threads"), [_entry(thread) for thread in found]),
        (_("Messages"), list(_messages(request.user, query))),
        (_("Go to"), [page for page in _pages(request.user) if page.matches(query)]),
    ]
    if not query:
        groups.reverse()
    context = {"groups": [group for group in groups if group[1]], "query": query}
    return render(request, "chat/palette_entries.html", context)


@signed_in
@require_safe
def shortcuts(request: HttpRequest) -> HttpResponse:
    """The sheet of all keyboard shortcuts."""
    return render(request, "chat/shortcuts.html")


def _entry(thread: Thread) -> Entry:
    return Entry(title=str(thread), url=thread.get_absolute_url(), icon="chat")


def _messages(user: User, query: str) -> Iterator[Entry]:
    """The newest messages with these words, and the way to all of them."""
    words = search.words_of(query)
    found = search.find(user, query, most=MESSAGES)
    for message in found.messages:
        yield Entry(
            title=str(message.thread),
            url=address_of(message, words),
            icon="search",
            pieces=search.excerpt(message.text, words),
        )
    if found.more:
        url = f"{reverse('search')}?{urlencode({'q': query})}"
        yield Entry(title=_("All messages that have this"), url=url, icon="search")


def _pages(user: User) -> Iterator[Entry]:
    yield Entry(title=_("New chat"), url=reverse("index"), icon="plus")
    yield Entry(title=_("Search"), url=reverse("search"), icon="search")
    yield Entry(title=_("Archived threads"), url=reverse("archived"), icon="archive")
    yield Entry(
        title=_("Preferences"),
        url=reverse("preferences"),
        icon="sliders",
        words=_("settings theme dark light language notifications"),
    )
    yield Entry(title=_("Shared with the team"), url=reverse("shared"), icon="users")
    yield Entry(
        title=_("Import and export"),
        url=reverse("import"),
        icon="upload",
        words="chatgpt claude",
    )
    yield Entry(title=_("API keys"), url=reverse("keys"), icon="key")
    yield Entry(title=_("Change password"), url=reverse("password_change"), icon="lock")
    if access.may_see_history(user):
        yield Entry(
            title=_("Runs"),
            url=reverse("admin:runs_run_changelist"),
            icon="pulse",
            words=_("history administration admin"),
        )
        yield Entry(title=_("Doctor"), url=reverse("doctor"), icon="pulse")
