"""`manage.py doctor`: what usually goes wrong, tested, and how to mend it."""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand

from runs import doctor
from runs.doctor import Finding, Verdict


class Command(BaseCommand):
    help = "Tests this installation and says how to mend what is wrong."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--url",
            type=origin,
            help="Where people reach the site; PUBLIC_URL unless given.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Exits with status 1 when anything has failed; warnings leave it 0."""
        findings = asyncio.run(self.examine(options["url"] or settings.PUBLIC_URL))
        for line in report(findings):
            self.stdout.write(line)
        if doctor.has_failed(findings):
            sys.exit(1)

    async def examine(self, url: str) -> list[Finding]:
        findings = await doctor.examine()
        if not url:
            return findings
        from runs.doctor import outside  # noqa: PLC0415 - loads an HTTP client

        return findings + await outside.examine(url)


def report(findings: list[Finding]) -> list[str]:
    """A line for each finding, one below it where there is something to mend."""
    verdicts = max(len(verdict) for verdict in Verdict)
    names = max(len(finding.name) for finding in findings)
    lines = []
    for one in findings:
        lines.append(f"{one.verdict:<{verdicts}}  {one.name:<{names}}  {one.found}")
        if one.mend:
            lines.append(f"{'':<{verdicts}}  {'':<{names}}  Mend: {one.mend}")
    return [*lines, "", doctor.counted(findings)]


def origin(text: str) -> str:
    parts = urlsplit(text.rstrip("/"))
    if parts.scheme in ("http", "https") and parts.netloc and not parts.path:
        return f"{parts.scheme}://{parts.netloc}"
    message = f"{text!r} is no address such as https://chat.example.com"
    raise ArgumentTypeError(message)
