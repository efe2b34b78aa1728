"""A thread of its own for database work, since the ORM must not block an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from django.db import close_old_connections, connections


class DatabaseThread:
    """Calls functions one after the other, on a connection that only they use."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def call(
        self, function: Callable[..., Any], *args: Any, afresh: bool = True
    ) -> Any:
        """What the function returns or raises.

        The connection of the call before is given back first, and a sound one taken,
        unless ``afresh`` is false: that saves time, and a dead one raises.
        """
        loop = asyncio.get_running_loop()
        called = partial(_afresh, function) if afresh else function
        return await loop.run_in_executor(self._thread, called, *args)

    async def close(self) -> None:
        await self.call(connections.close_all, afresh=False)
        self._thread.shutdown()


def _afresh(function: Callable[..., Any], *args: Any) -> Any:
    close_old_connections()
    return function(*args)
