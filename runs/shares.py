"""Sharing: with the team, and by links that show a frozen copy to whoever has them.

The address of a link is its id and a signature with SECRET_KEY: its owner can be shown
it again at any time, and no copy of the database gives it away.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from runs import conversations, uses
from runs.models import File, Message, Shared, ShareLink, Thread, User, sharing

log = logging.getLogger(__name__)

MOST_MESSAGES = 2_000  # in a copy
MOST_CHARACTERS = 4_000_000
MOST_LINKS = 100  # of one thread
FORGOTTEN = dt.timedelta(days=30)  # after its end a link is no longer listed


class NotShareable(Exception):
    """This thread cannot be shared in this way; the message says why."""


def share_with_team(thread: Thread, level: str, *, user: User) -> Thread:
    """Set what the team may do with the thread. Raises NotShareable.

    Open pages and streams of the team follow within seconds.
    """
    with transaction.atomic():
        row = conversations.locked(thread)
        if row.is_temporary and level != Shared.PRIVATE:
            raise NotShareable(_("A temporary chat cannot be shared."))
        row.shared = Shared(level)
        row.save(update_fields=["shared"])
    log.info("Thread %s is now %s, by %s", row.pk, row.get_shared_display(), user.pk)
    return row


def make_link(thread: Thread, *, lasts: dt.timedelta, user: User) -> ShareLink:
    """A link to a copy of what the thread shows now. Raises NotShareable."""
    with transaction.atomic():
        row = conversations.locked(thread)
        _refuse_unshareable(row)
        link = ShareLink.objects.create(
            thread=row,
            title=row.title,
            messages=frozen(row),
            expires_at=timezone.now() + lasts,
        )
    log.info("Link %s to thread %s was made by %s", link.pk, row.pk, user.pk)
    return link


def revoke_link(link: ShareLink, *, user: User) -> None:
    """End it for good; the copy is removed."""
    alive = ShareLink.objects.filter(pk=link.pk, revoked_at=None)
    if alive.update(revoked_at=timezone.now(), messages=[]):
        log.info("Link %s was revoked by %s", link.pk, user.pk)


def token_of(link: ShareLink) -> str:
    """The secret part of the link's address."""
    return _signer().sign(link.pk)


def link_of(token: str) -> ShareLink | None:
    """The link with this address, whatever its state."""
    try:
        key = _signer().unsign(token)
    except BadSignature:
        return None
    alive = ShareLink.objects.filter(sharing.kept("thread__"), pk=key)
    return alive.first() if settings.SHARE_LINKS else None


def note_view(link: ShareLink) -> None:
    """Count one more look at it."""
    seen = ShareLink.objects.filter(pk=link.pk)
    seen.update(views=F("views") + 1, seen_at=timezone.now())


def forget_links() -> None:
    """Remove links whose end is long past."""
    ShareLink.objects.filter(expires_at__lt=timezone.now() - FORGOTTEN).delete()


def frozen(thread: Thread) -> list[dict[str, Any]]:
    """The shown messages as a link shows them: words and names, and no more.

    Raises NotShareable.
    """
    shown = Message.objects.shown(thread).select_related("author", "run", "assistant")
    rows = list(shown[: MOST_MESSAGES + 1])
    names = file_names(rows)
    copy = [_copied(row, names) for row in rows]
    size = sum(len(part.get("text", "")) for one in copy for part in one["parts"])
    if len(rows) > MOST_MESSAGES or size > MOST_CHARACTERS:
        raise NotShareable(
            _(
                "This thread is too long for a link. Export it and share the file instead."
            )
        )
    return copy


def public_name(user: User | None) -> str:
    """What strangers are told of who wrote something: never an e-mail address."""
    for name in (user.get_full_name(), user.get_username()) if user else ():
        if name and "@" not in name:
            return str(name)
    return ""


def _refuse_unshareable(thread: Thread) -> None:
    if not settings.SHARE_LINKS:
        raise NotShareable(_("Links are switched off on this server."))
    if thread.is_temporary:
        raise NotShareable(_("A temporary chat cannot be shared."))
    if thread.runs.active().exists():
        raise NotShareable(
            _("An answer is being written. Make the link when it is done.")
        )
    if thread.links.count() >= MOST_LINKS:
        raise NotShareable(_("This thread has too many links already."))


def _copied(message: Message, names: dict[str, str]) -> dict[str, Any]:
    assistant = message.run.assistant_name if message.run else ""
    if not assistant and message.assistant:
        assistant = message.assistant.name
    is_asked = message.role == "user"
    return {
        "role": message.role,
        "name": public_name(message.author) if is_asked else assistant,
        "at": message.created_at.isoformat(),
        "parts": [
            *([{"text": message.text}] if message.text else []),
            *({"left_out": names[key]} for key in files_of(message) if key in names),
        ],
    }


def file_names(messages: Iterable[Message]) -> dict[str, str]:
    """The names of the files of these messages, as far as they are still there."""
    wanted = {key for message in messages for key in files_of(message)}
    if not wanted:
        return {}
    return dict(File.objects.filter(pk__in=wanted).values_list("pk", "filename"))


def files_of(message: Message) -> list[str]:
    """The ids of the files that a message has, each once."""
    return list(uses.file_ids(message))


def _signer() -> Signer:
    return Signer(salt="runs.shares", sep=".")
