"""`manage.py import_assistants FILE...`: conversations from elsewhere, with their ids."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from runs import imports
from runs.models import User


class Command(BaseCommand):
    help = (
        "Imports assistants, threads and messages: JSON objects of the Assistants "
        "protocol, alone, in lists or in lines. What is there already is left alone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--owner", help="Who gets the threads, by username.")
        parser.add_argument(
            "--private",
            action="store_true",
            help="The assistants are the owner's; else they are the team's.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Exits with status 1 when anything was refused.

        Raises CommandError when the owner is missing or unknown; then nothing is done.
        """
        owner = self.owner(options["owner"])
        report = imports.Report()
        found = imports.read(options["files"], report)
        if owner is None and (found.threads or found.messages or options["private"]):
            raise CommandError("Say whose they are: --owner USERNAME.")
        imports.store(found, report, owner=owner, is_private=options["private"])
        for line in report.lines():
            self.stdout.write(line)
        if report.refused:
            sys.exit(1)

    def owner(self, name: str | None) -> User | None:
        if name is None:
            return None
        owner = User.objects.filter(username=name).first()
        if owner is None:
            raise CommandError(f"There is no user {name!r}.")
        return owner
