"""Content-free notices to whoever waits in this process: "run R has events up to N".

A notice may be lost, doubled or merged; whoever listens also looks by itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

Listener = Callable[[str, int], None]


class Doorbell:
    """Rung from any thread; listeners are called on the event loop they came from."""

    def __init__(self) -> None:
        self._listeners: dict[Listener, asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener(run_id, seq)`` on this loop at each ring; returns the undo."""
        with self._lock:
            self._listeners[listener] = asyncio.get_running_loop()
        return lambda: self._forget(listener)

    def ring(self, run_id: str, seq: int) -> None:
        with self._lock:
            listeners = list(self._listeners.items())
        for listener, loop in listeners:
            try:
                loop.call_soon_threadsafe(listener, run_id, seq)
            except RuntimeError:  # Its loop is closed: nobody is left to hear.
                self._forget(listener)

    def _forget(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.pop(listener, None)


events = Doorbell()
queue = Doorbell()
