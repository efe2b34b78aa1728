"""What a person may do in a thread, for templates."""

from __future__ import annotations

from django import template

from runs import access, shares
from runs.models import ShareLink, Thread, User

register = template.Library()


@register.filter
def level_for(thread: Thread | None, user: User) -> str:
    """ "own", "write", "read" or nothing; a thread that is not yet made is one's own."""
    return access.level(user, thread) if thread else "own"


@register.filter
def link_token(link: ShareLink) -> str:
    return shares.token_of(link)


@register.filter
def called(user: User) -> str:
    """The name that team mates know each other by."""
    return user.get_full_name() or user.get_username()
