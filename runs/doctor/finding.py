"""What one check found, and how a check is run so that it always finds something."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from django.db import DatabaseError, connection
from django.utils.translation import get_language, ngettext, override
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

log = logging.getLogger(__name__)


class Verdict(StrEnum):
    """Only a failure is reason enough to act at once."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def words(self) -> str:
        return str(WORDS[self])


WORDS = {
    Verdict.OK: lazy("ok"),
    Verdict.WARNING: lazy("warning"),
    Verdict.FAILED: lazy("failed"),
    Verdict.SKIPPED: lazy("skipped"),
}


@dataclass(frozen=True)
class Finding:
    """One sentence of what was found, with the measured value, and one how to mend it."""

    verdict: Verdict
    found: str
    mend: str = ""
    name: str = ""


Check: TypeAlias = Callable[[], Awaitable[Finding]]


def ok(found: str) -> Finding:
    return Finding(Verdict.OK, found)


def warning(found: str, mend: str) -> Finding:
    return Finding(Verdict.WARNING, found, mend)


def failed(found: str, mend: str) -> Finding:
    return Finding(Verdict.FAILED, found, mend)


def skipped(found: str) -> Finding:
    return Finding(Verdict.SKIPPED, found)


async def run(name: str, check: Check, limit: float) -> Finding:
    """The finding of one check; one that is late or breaks has failed. In seconds."""
    try:
        async with asyncio.timeout(limit):
            found = await check()
    except TimeoutError:
        found = failed(
            _("No answer within %(limit)g s.") % {"limit": limit},
            _("See whether this machine is overloaded."),
        )
    except Exception as error:
        log.exception("The check %r broke", name)
        found = failed(
            _("The check broke: %(error)s") % {"error": in_a_line(error)},
            _("See the server's log."),
        )
    return replace(found, name=name)


def with_orm(check: Callable[[], Finding]) -> Check:
    """The check in a thread of its own, which does not inherit the language, and gives its
    connection back at the end."""

    def and_close(language: str | None) -> Finding:
        try:
            with override(language):
                return _found(check)
        finally:
            connection.close()

    async def in_thread() -> Finding:
        return await asyncio.to_thread(and_close, get_language())

    return in_thread


def _found(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except DatabaseError as error:
        return failed(
            _("The database refuses to answer: %(error)s")
            % {"error": in_a_line(error)},
            _("Mend first what is said of the database and its migrations."),
        )


def has_failed(findings: Iterable[Finding]) -> bool:
    return any(finding.verdict is Verdict.FAILED for finding in findings)


def counted(findings: Iterable[Finding]) -> str:
    """How many of each verdict: "12 ok, 2 warnings, 1 failed"."""
    found = Counter(finding.verdict for finding in findings)
    count = {one: found[one] for one in Verdict if found[one]}
    return ", ".join(f"{count[one]} {_plural(one, count[one])}" for one in count)


def _plural(verdict: Verdict, count: int) -> str:
    if verdict is Verdict.WARNING:
        return ngettext("warning", "warnings", count)
    return verdict.words


def in_a_line(error: BaseException) -> str:
    """What an exception says, on one line that ends like a sentence."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if words.endswith(".") else f"{words}."
