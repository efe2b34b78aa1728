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

log = logging.getLogger(__name__)


class Verdict(StrEnum):
    """Only a failure is reason enough to act at once."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


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
            f"No answer within {limit:g} s.", "See whether this machine is overloaded."
        )
    except Exception as error:
        log.exception("The check %r broke", name)
        found = failed(f"The check broke: {in_a_line(error)}", "See the server's log.")
    return replace(found, name=name)


def with_orm(check: Callable[[], Finding]) -> Check:
    """The check in a thread of its own, which gives its connection back at the end."""

    def and_close() -> Finding:
        try:
            return check()
        except DatabaseError as error:
            return failed(
                f"The database refuses to answer: {in_a_line(error)}",
                "Mend first what is said of the database and its migrations.",
            )
        finally:
            connection.close()

    async def in_thread() -> Finding:
        return await asyncio.to_thread(and_close)

    return in_thread


def has_failed(findings: Iterable[Finding]) -> bool:
    return any(finding.verdict is Verdict.FAILED for finding in findings)


def counted(findings: Iterable[Finding]) -> str:
    """How many of each verdict: "12 ok, 2 warnings, 1 failed"."""
    count = Counter(finding.verdict for finding in findings)
    shown = ", ".join(f"{count[one]} {one}" for one in Verdict if count[one])
    return (
        shown if count[Verdict.WARNING] == 1 else shown.replace("warning", "warnings")
    )


def in_a_line(error: BaseException) -> str:
    """What an exception says, on one line that ends like a sentence."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if words.endswith(".") else f"{words}."
