"""A TCP proxy that breaks on request: resets, silence, refusal. For tests."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from dataclasses import dataclass
from typing import Self

LINGER_NOT = struct.pack("ii", 1, 0)  # closing then sends RST in place of FIN
PIECE = 65_536
PEEK = 16


@dataclass(eq=False, slots=True)
class Link:
    """A connection that is forwarded, as seen from both ends."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    first: bytes = b""  # what came first from the near end
    is_frozen: bool = False
    loses_replies: bool = False

    def reset(self) -> None:
        reset(self.near)
        reset(self.far)


class FaultProxy:
    """Forwards connections to a port of this machine, until told otherwise.

    `cut` resets what is open, `cut_some` a part of it, `refuse` also resets whatever
    comes, `black_hole` lets nothing pass and closes nothing; `resume` ends both.
    `freeze` makes half-open what is open now, for good, and `lose_replies` lets it send
    once more and cuts it in place of the reply. `cuts` counts the connections that were
    reset while open.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._open: dict[Link, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._passes = asyncio.Event()
        self._refuses = False
        self._server: asyncio.Server | None = None
        self.cuts = 0

    @property
    def port(self) -> int:
        assert self._server
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def base(self) -> str:
        """The address to browse."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> int:
        """Reset every open connection on both sides; returns how many there were."""
        links, self._open = self._open, {}
        for link in links:
            link.reset()
        self.cuts += len(links)
        return len(links)

    def cut_some(self, chance: random.Random, share: float, begins: bytes) -> int:
        """Reset such a share of the connections that began so; returns how many."""
        known = [link for link in self._open if link.first.startswith(begins)]
        chosen = [link for link in known if chance.random() < share]
        for link in chosen:
            del self._open[link]
            link.reset()
        self.cuts += len(chosen)
        return len(chosen)

    def refuse(self) -> None:
        """Reset what is open and every connection to come."""
        self._refuses = True
        self.cut()

    def black_hole(self) -> None:
        """Let nothing pass. Like a broken path, it holds back and loses nothing."""
        self._passes.clear()

    def freeze(self) -> int:
        """Let nothing pass on what is open now; returns how many connections."""
        for link in self._open:
            link.is_frozen = True
        return len(self._open)

    def lose_replies(self) -> int:
        """Cut what is open now, each when the next reply comes; returns how many."""
        for link in self._open:
            link.loses_replies = True
        return len(self._open)

    def resume(self) -> None:
        """Forward again, also what was held back."""
        self._refuses = False
        self._passes.set()

    async def __aenter__(self) -> Self:
        self._passes.set()
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # asyncio closes a reset socket only in a later turn of the loop.
        await asyncio.sleep(0)

    async def _take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._refuses:
            reset(writer)
            return
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._forward(reader, writer)
        reset(writer)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._target)
        link = Link(writer, there[1])
        if self._refuses:
            reset(there[1])
            return
        self._open[link] = None
        ways = [
            asyncio.create_task(self._ask(link, reader)),
            asyncio.create_task(self._reply(link, there[0])),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.pop(link, None)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for one in (link.near, link.far):
                one.close()

    async def _ask(self, link: Link, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(PIECE):
            link.first = link.first or piece[:PEEK]
            await self._may_pass(link)
            link.far.write(piece)
            await link.far.drain()

    async def _reply(self, link: Link, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(PIECE):
            await self._may_pass(link)
            if link.loses_replies:
                self.cuts += 1
                link.reset()
                return
            link.near.write(piece)
            await link.near.drain()

    async def _may_pass(self, link: Link) -> None:
        await self._passes.wait()
        if link.is_frozen:
            await asyncio.Event().wait()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close at once with RST; nothing happens to what is closed already."""
    if writer.is_closing():
        return
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT
    )
    writer.transport.abort()
