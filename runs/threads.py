"""A thread of its own for database work, since the ORM must not block an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import close_old_connections, connections


class DatabaseThread:
    """Calls functions one after the other, on a connection that only they use."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """What the function returns or raises. A dead connection is replaced first."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _call, function, *args)

    async def close(self) -> None:
        await self.call(connections.close_all)
        self._thread.shutdown()


def _call(function: Callable[..., Any], *args: Any) -> Any:
    close_old_connections()
    return function(*args)
