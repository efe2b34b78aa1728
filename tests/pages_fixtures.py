"""What the tests of the pages share: browsers, ended runs, and the words of a page."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from django.test import Client
from django.utils import timezone

from runs import actions
from runs.models import Message, MessageStatus, Run, RunStatus, Thread, User, text_part

HTMX = {"HX-Request": "true"}


def client_of(user: User) -> Client:
    """A browser in which the user is signed in."""
    client = Client()
    client.force_login(user)
    return client


def exchange(user: User, thread: Thread | None, number: int) -> Thread:
    """One more question with its answer."""
    run = actions.post_message(user=user, text=f"Question {number}", thread=thread)
    return ended(run, "completed", f"Answer {number}").thread


def ended(run: Run, status: str, text: str = "", **facts: object) -> Run:
    """The run as a worker would leave it, with what it had written."""
    at = {f"{status}_at": timezone.now() + dt.timedelta(seconds=2)}
    Run.objects.filter(pk=run.pk).update(status=status, **at, **facts)
    if text:
        assert run.answers is not None
        completed = status == RunStatus.COMPLETED
        Message.objects.create(
            thread=run.thread,
            number=run.thread.messages.order_by("-number")[0].number + 1,
            parent=run.answers,
            role="assistant",
            content=[text_part(text)],
            status=MessageStatus.COMPLETED if completed else MessageStatus.INCOMPLETE,
            run=run,
        )
    run.refresh_from_db()
    return run


def text_of(response: Any) -> str:
    """The words of a page, without its tags."""
    html = response.content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
