"""Answers that come as a run goes on: streams of events, and answers that wait for the
end. A client that leaves does not end the run.

Nothing here may use the ORM: each open stream would hold a connection. And nothing may
raise: the answer has begun, so an error can only be told in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from django.db import DatabaseError, connection
from django.http import StreamingHttpResponse

from runs import live
from runs.api.revocations import LOOK, Revocations
from runs.api.stream_objects import OURS, Replay, Told, dumped
from runs.live import Logged
from runs.models import EventType, Run

log = logging.getLogger(__name__)

HEARTBEAT = 15.0  # seconds of silence; below the idle limit of every proxy
PAUSE = 1.0  # seconds between tries to reach the database again
# A comment. A blank line after it would be an empty event to the official clients, where
# there are ids.
PING = b": ping\n"
DONE = b"event: done\ndata: [DONE]\n\n"
OVERDUE = 60.0  # seconds after its expiry that a run's end is waited for

Pages = AsyncGenerator[Sequence[Logged], None]


class BrokenOff(Exception):
    """The stream ends before the run's end; the message is for the client."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.code = message, code


def stream(
    run: Run,
    key_id: str,
    *,
    after: int = 0,
    first: Sequence[Told] = (),
    with_results: bool = False,
) -> StreamingHttpResponse:
    """The run's events beyond ``after`` as the protocol has them, after ``first``.

    Ends when the run is over, or waits for outputs of functions.
    """
    replay = Replay(run, with_results=with_results)

    def told(event: Logged) -> bytes:
        if event.seq <= after or event.type in OURS:
            replay.skip(event)
            return b""
        return b"".join(one.frame() for one in replay.take(event))

    def is_last(event: Logged) -> bool:
        waits = event.type == EventType.RUN_REQUIRES_ACTION and event.seq > after
        return event.is_terminal or waits

    begin = b"".join(one.frame() for one in first)
    return _response(_stream(replay, key_id, told, is_last, begin))


def log_stream(run: Run, key_id: str, *, after: int) -> StreamingHttpResponse:
    """The whole log beyond ``after``, our own events too, each with its seq as id.

    Goes on when the run waits for outputs of functions.
    """
    replay = Replay(run, with_results=True, with_outputs=True)

    def told(event: Logged) -> bytes:
        if event.seq <= after:
            replay.skip(event)
            return b""
        tell = replay.take(event)
        # Only the last carries the id: whoever comes back with it has seen all.
        begun = b"".join(one.frame() for one in tell[:-1])
        return begun + b"".join(one.frame(event.seq) for one in tell[-1:])

    def is_last(event: Logged) -> bool:
        return event.is_terminal

    return _response(_stream(replay, key_id, told, is_last))


def when_over(
    run: Run, key_id: str, show: Callable[[Replay], dict[str, Any]]
) -> StreamingHttpResponse:
    """JSON, once the run is over or waits for outputs of functions.

    Until then the answer consists of blanks, which JSON allows and which keep the
    connection alive.
    """
    replay = Replay(run, with_results=True)
    limit = run.expires_at.timestamp() + OVERDUE if run.expires_at else 0.0

    def told(event: Logged) -> bytes:
        replay.skip(event)
        return b""

    def is_last(event: Logged) -> bool:
        # Where it waited before this request, it has gone on from.
        waits = event.type == EventType.RUN_REQUIRES_ACTION
        return event.is_terminal or (waits and event.seq >= run.last_seq)

    async def answer() -> AsyncGenerator[bytes, None]:
        following = _follow(replay, key_id, told, is_last, ping=b" ", limit=limit)
        try:
            async with contextlib.aclosing(following) as chunks:
                async for chunk in chunks:
                    yield chunk
        except BrokenOff as broken:
            yield dumped(_error(broken)).encode()
        else:
            yield dumped(show(replay)).encode()

    return _response(answer(), content_type="application/json; charset=utf-8")


async def _stream(
    replay: Replay,
    key_id: str,
    told: Callable[[Logged], bytes],
    is_last: Callable[[Logged], bool],
    begin: bytes = b"",
) -> AsyncGenerator[bytes, None]:
    if begin:
        yield begin
    try:
        following = _follow(replay, key_id, told, is_last, ping=PING)
        async with contextlib.aclosing(following) as chunks:
            async for chunk in chunks:
                yield chunk
    except BrokenOff as broken:
        yield Told("error", _error(broken)).frame()
    else:
        yield DONE


async def _follow(
    replay: Replay,
    key_id: str,
    told: Callable[[Logged], bytes],
    is_last: Callable[[Logged], bool],
    *,
    ping: bytes,
    limit: float = 0.0,
) -> AsyncGenerator[bytes, None]:
    """What ``told`` makes of the events up to the last, or up to ``limit``, a time.

    ``told`` takes them into ``replay``. Raises BrokenOff.
    """
    run = replay.run
    revocations, quiet_since = Revocations.of_this_loop(), time.monotonic()
    with revocations.watching(key_id, run.pk):
        try:
            async with contextlib.aclosing(_pages(run.pk)) as pages:
                async for page in pages:
                    if revocations.has(key_id):
                        raise BrokenOff("This API key was revoked.", "invalid_api_key")
                    if revocations.hides(key_id, run.pk):
                        raise BrokenOff("This thread is no longer shared with you.")
                    chunk, is_over = _told_of(page, told, is_last)
                    if chunk or time.monotonic() - quiet_since > HEARTBEAT:
                        quiet_since = time.monotonic()
                        yield chunk or ping
                    if is_over or (limit and time.time() > limit):
                        return
        except BrokenOff:
            raise
        except Exception as error:
            log.exception("The stream of run %s broke off", run.pk)
            message = "The server had an error while streaming."
            raise BrokenOff(message) from error
    # It was deleted with its thread.
    yield b"".join(map(told, replay.cancellation()))


def _told_of(
    page: Sequence[Logged],
    told: Callable[[Logged], bytes],
    is_last: Callable[[Logged], bool],
) -> tuple[bytes, bool]:
    chunks = []
    for event in page:
        chunks.append(told(event))
        if is_last(event):
            return b"".join(chunks), True
    return b"".join(chunks), False


async def _pages(run_id: str) -> Pages:
    """The log from its begin; an empty page in every silence. While the database is
    away, the client sees a pause."""
    cursor = 0
    while True:
        try:
            async with contextlib.aclosing(live.pages(run_id, cursor, LOOK)) as pages:
                async for page in pages:
                    if page:
                        cursor = page[-1].seq
                    yield page
            return
        except DatabaseError:
            log.warning("The log of run %s can't be read; trying again", run_id)
        await asyncio.sleep(PAUSE)
        yield ()


def _error(broken: BrokenOff) -> dict[str, Any]:
    """Nested, so that the official clients raise it; a flat one they overlook."""
    kind = "invalid_request_error" if broken.code else "server_error"
    return {
        "error": {
            "message": broken.message,
            "type": kind,
            "param": None,
            "code": broken.code,
        }
    }


def _response(
    chunks: AsyncGenerator[bytes, None],
    content_type: str = "text/event-stream; charset=utf-8",
) -> StreamingHttpResponse:
    """The view's own connection would be held until the stream ends."""
    connection.close()
    response = StreamingHttpResponse(chunks, content_type=content_type)
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response
