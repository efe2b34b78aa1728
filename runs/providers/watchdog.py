"""How long an answer may be without content before it is given up."""

from __future__ import annotations

import asyncio
from types import TracebackType
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


class Patience:
    """Lets what is awaited within it last until the watchdog's deadline, again and again.

    As ``asyncio.timeout_at``, but its timer outlives the single wait: a deadline that
    has moved on is only noticed when the timer runs out. A timer for each chunk of a
    stream would cost more than the chunk. Close it at the end.
    """

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._is_over = False

    def __enter__(self) -> None:
        deadline = self._watchdog.deadline
        if self._timer is None or self._timer.when() > deadline:
            self.close()
            self._timer = self._loop.call_at(deadline, self._look)
        self._waiting = task = asyncio.current_task()
        self._cancelling = task.cancelling() if task else 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raises TimeoutError when the deadline has passed, and only then."""
        task, self._waiting = self._waiting, None
        if self._is_over and task:
            self._is_over = False
            # Somebody else may have cancelled the task as well; that goes on.
            if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        if self._loop.time() < self._watchdog.deadline:
            self._timer = self._loop.call_at(self._watchdog.deadline, self._look)
        else:
            self._is_over = True
            self._waiting.cancel()
