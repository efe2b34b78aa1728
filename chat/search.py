"""The page that searches titles and messages, and its results as one types."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from chat import sidebar
from chat.doors import signed_in
from chat.views import HttpRequest
from runs import search
from runs.models import Message, Thread

MOST_TITLES = 8


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A message that was found: where it is, and its words around the first hit."""

    message: Message
    url: str
    pieces: list[search.Piece]


@signed_in
@require_safe
@vary_on_headers("HX-Request")  # Else the way back would show the bare results.
def page(request: HttpRequest) -> HttpResponse:
    """The page, or to htmx its results or the next piece of them."""
    query, cursor = request.GET.get("q", ""), request.GET.get("after", "")
    words = search.words_of(query)
    found = search.find(request.user, query, cursor=cursor)
    titles: list[Thread] = []
    if words and not cursor:
        titles = list(search.threads(request.user, query, most=MOST_TITLES))
    context = {
        "q": query,
        "words": words,
        "titles": titles,
        "hits": [_hit(message, words) for message in found.messages],
        "more": found.more,
        "is_piece": bool(cursor),
    }
    if request.htmx:
        return render(request, "chat/search_results.html", context)
    context["threads"] = sidebar.threads(request.user)
    return render(request, "chat/search.html", context)


def _hit(message: Message, words: list[str]) -> Hit:
    return Hit(
        message=message,
        url=address_of(message, words),
        pieces=search.excerpt(message.text, words),
    )


def address_of(message: Message, words: list[str]) -> str:
    """Its permalink, with the words for the page to mark; see static/js/hits.js."""
    query = urlencode({"q": " ".join(words)})
    return f"{message.thread.get_absolute_url()}?{query}#{message.pk}"
