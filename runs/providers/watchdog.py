"""How long an answer may be without content before it is given up."""

from __future__ import annotations

import asyncio
from typing import Protocol

from runs.providers.base import ProviderError, Server

# A complete answer waits this long for its usage, then for the end of the response
# (which lets the connection be used again); neither is worth more.
USAGE_GRACE = 5.0
END_GRACE = 0.1


class Ending(Protocol):
    """As much of an answer as the watchdog looks at."""

    is_complete: bool
    is_over: bool


class Watchdog:
    """Keeps the deadline, in the time of the running loop, for the next content."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._time = asyncio.get_running_loop().time
        self._has_content = False
        self._ending = ""
        self.deadline = self._time() + server.first_token_timeout

    def note(self, answer: Ending, *, has_content: bool) -> None:
        """Looks at the answer after some lines of it were taken in."""
        if answer.is_over:
            self._end("over", END_GRACE)
        elif answer.is_complete:
            self._end("complete", min(USAGE_GRACE, self._server.silence_timeout))
        elif has_content:
            self._has_content = True
            self.deadline = self._time() + self._server.silence_timeout

    def error(self, *, is_open: bool) -> ProviderError:
        """The deadline has passed; before the headers, trying again may help."""
        if self._has_content:
            seconds = f"{self._server.silence_timeout:g}"
            return ProviderError(
                "silence_timeout",
                f"The model server fell silent: no output for {seconds} s.",
            )
        seconds = f"{self._server.first_token_timeout:g}"
        return ProviderError(
            "first_token_timeout",
            f"The model server gave no output within {seconds} s.",
            retryable=not is_open,
        )

    def _end(self, ending: str, grace: float) -> None:
        if self._ending != ending:
            self._ending = ending
            self.deadline = self._time() + grace
