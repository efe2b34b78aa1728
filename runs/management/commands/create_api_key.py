"""`manage.py create_api_key USERNAME`: a key for somebody, printed alone."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from runs import keys
from runs.models import User

MAX_DAYS = 36_500


class Command(BaseCommand):
    help = "Makes an API key that acts as the user, and prints it. It is shown once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="Command line", type=_name)
        parser.add_argument(
            "--scope",
            action="append",
            choices=keys.SCOPES,
            help="May be given several times; read and write unless given.",
        )
        parser.add_argument(
            "--expires-days", type=_days, help="Never expires unless given."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError for somebody who is not there, or may not have it."""
        owner = User.objects.filter(username=options["username"]).first()
        if owner is None:
            raise CommandError(f"There is no user {options['username']!r}.")
        days = options["expires_days"]
        try:
            _, secret = keys.make(
                owner,
                options["name"],
                options["scope"] or (keys.READ, keys.WRITE),
                timezone.now() + dt.timedelta(days=days) if days else None,
            )
        except keys.NotAllowed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(secret)


def _name(text: str) -> str:
    if 0 < len(text.strip()) <= keys.NAME_MAX_LENGTH:
        return text.strip()
    raise ArgumentTypeError(f"a name has 1 to {keys.NAME_MAX_LENGTH} characters")


def _days(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) <= MAX_DAYS:
        return int(text)
    raise ArgumentTypeError(f"days are a whole number from 1 to {MAX_DAYS}")
