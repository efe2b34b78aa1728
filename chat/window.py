"""Bounds on one socket: how far it may lag, and how often it may speak."""

from __future__ import annotations

import asyncio
import time
from collections import deque

MOST_BYTES = 256 * 1024
MOST_EVENTS = 200
PATIENCE = 30.0  # seconds without an ack before a full window counts as slow
RATE, BURST = 20, 40  # frames per second, and at once


class Slow(Exception):
    """The client has stopped reading."""


class Window:
    """What was sent and not yet acknowledged, over all subscriptions of a socket."""

    def __init__(self) -> None:
        self._sent: dict[str, deque[tuple[int, int]]] = {}
        self._bytes = self._events = 0
        self._moved = asyncio.Event()

    def sent(self, run_id: str, seq: int, size: int) -> None:
        self._sent.setdefault(run_id, deque()).append((seq, size))
        self._bytes += size
        self._events += 1

    def ack(self, run_id: str, seq: int) -> bool:
        """Everything of this run up to seq has arrived; whether that frees anything."""
        outstanding, before = self._sent.get(run_id, deque()), self._events
        while outstanding and outstanding[0][0] <= seq:
            self._bytes -= outstanding.popleft()[1]
            self._events -= 1
        self._moved.set()
        return self._events < before

    def forget(self, run_id: str) -> None:
        """The subscription is over; what it had sent no longer counts."""
        for _, size in self._sent.pop(run_id, ()):
            self._bytes -= size
            self._events -= 1
        self._moved.set()

    async def room(self) -> None:
        """Wait until the window has room. Raises Slow."""
        while self._bytes >= MOST_BYTES or self._events >= MOST_EVENTS:
            self._moved.clear()
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._moved.wait()
            except TimeoutError:
                raise Slow from None


class Bucket:
    """A token bucket: RATE a second, BURST at once."""

    def __init__(self) -> None:
        self._level = float(BURST)
        self._at = time.monotonic()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = time.monotonic()
        self._level = min(BURST, self._level + (now - self._at) * RATE)
        self._at = now
        if self._level < 1:
            return False
        self._level -= 1
        return True
