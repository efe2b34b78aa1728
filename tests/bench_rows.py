"""Rows for the benchmark, made through the models in a process with the product's
environment: a long thread, and logs brought to rest.
"""

from __future__ import annotations

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def long_thread(number: int) -> str:
    """The id of a thread of the first user with so many messages of ordinary length."""
    from runs.models import Message, Thread, User, text_part  # noqa: PLC0415

    user = User.objects.get()
    thread = Thread.objects.create(owner=user, title="A long one")
    parent = None
    messages = []
    for place in range(1, number + 1):
        role = "user" if place % 2 else "assistant"
        text = f"Message {place}. " + "Whales sleep with half of their brain. " * 10
        message = Message(
            thread=thread,
            number=place,
            parent=parent,
            role=role,
            content=[text_part(text)],
        )
        messages.append(message)
        parent = message
    Message.objects.bulk_create(messages)
    return str(thread.pk)


def rest() -> str:
    """Bring every run that has ended to rest now; says how many."""
    from runs import timelines  # noqa: PLC0415
    from runs.models import TERMINAL, Run  # noqa: PLC0415

    ended = Run.objects.filter(status__in=TERMINAL, is_at_rest=False)
    run_ids = list(ended.values_list("pk", flat=True))
    for run_id in run_ids:
        timelines.compact(run_id)
    return str(len(run_ids))


def main() -> None:
    django.setup()
    job, *arguments = sys.argv[1:]
    said = long_thread(int(arguments[0])) if job == "thread" else rest()
    sys.stdout.write(said + "\n")


if __name__ == "__main__":
    main()
