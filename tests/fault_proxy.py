"""A TCP proxy that breaks on request: resets, silence, refusal. For tests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Self

LINGER_NOT = struct.pack("ii", 1, 0)  # closing then sends RST in place of FIN
PIECE = 65_536


class FaultProxy:
    """Forwards connections to a port of this machine, until told otherwise.

    `cut` resets what is open, `refuse` also resets whatever comes, `black_hole` lets
    nothing pass and closes nothing; `resume` ends both. `cuts` counts the connections
    that were reset while open.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._open: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passes = asyncio.Event()
        self._refuses = False
        self._server: asyncio.Server | None = None
        self.cuts = 0

    @property
    def base(self) -> str:
        """The address to browse."""
        assert self._server
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def cut(self) -> int:
        """Reset every open connection on both sides; returns how many there were."""
        pairs, self._open = self._open, set()
        for pair in pairs:
            for writer in pair:
                reset(writer)
        self.cuts += len(pairs)
        return len(pairs)

    def refuse(self) -> None:
        """Reset what is open and every connection to come."""
        self._refuses = True
        self.cut()

    def black_hole(self) -> None:
        """Let nothing pass. Like a broken path, it holds back and loses nothing."""
        self._passes.clear()

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
        pair = (writer, there[1])
        if self._refuses:
            reset(there[1])
            return
        self._open.add(pair)
        ways = [
            asyncio.create_task(self._pump(reader, there[1])),
            asyncio.create_task(self._pump(there[0], writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(pair)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for one in pair:
                one.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while piece := await reader.read(PIECE):
            await self._passes.wait()
            writer.write(piece)
            await writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close at once with RST; nothing happens to what is closed already."""
    if writer.is_closing():
        return
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT
    )
    writer.transport.abort()
