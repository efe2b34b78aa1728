"""A person with a browser tab, at the server of the API tests."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Self

from tests.visitor import Visitor

PASSWORD = "correct horse battery"


class Tab(Visitor):
    """Signs in, and watches a thread as its page does."""

    async def __aenter__(self) -> Self:
        return self

    async def sign_in(self, name: str) -> None:
        page = await self._submit("/login", {"username": name, "password": PASSWORD})
        assert "sign in" not in page.lower() or "composer" in page.lower(), page

    @contextlib.asynccontextmanager
    async def watching(self, thread: str) -> AsyncIterator[AsyncIterator[str]]:
        """The ids of the thread's runs, first the newest of now ("" for none)."""
        headers = {"Origin": self.base}
        async with self._http.ws_connect("/ws", headers=headers) as socket:
            await socket.send_json({"op": "watch", "thread": thread})
            yield self._runs(socket)

    async def _runs(self, socket: Any) -> AsyncIterator[str]:
        async for message in socket:
            frame = json.loads(message.data)
            if frame["op"] == "run":
                yield frame["run"]

    async def thread_of(self, run: str) -> str:
        """The thread that a run is in: where its own address leads to."""
        async with self._http.get(f"/runs/{run}") as answer:
            found = re.search(r"/t/(thread_\w+)", str(answer.url))
            assert found, answer.url
            return found[1]
