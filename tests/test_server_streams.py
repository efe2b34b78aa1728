"""Streams under our server, under uvicorn, and where plain Daphne fails."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.asgi_servers import UPGRADE, but_not, raw, resident, running_under
from tests.server_app import CHUNK, CHUNKS, LONG_WORD
from tests.server_process import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = aiohttp.ClientTimeout(10, sock_read=3)
ALL = CHUNKS * len(CHUNK)
FRAME_HEAD = 4  # bytes before the payload of a frame of this size
MEGABYTE = 1_000_000
PING = bytes.fromhex("89fd 00000000") + b"x" * 125  # masked with zeros

Starter = Callable[[str], Coroutine[Any, Any, Running]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Starter]:
    """Starts a server once for all tests of this file."""
    servers: dict[str, Running] = {}
    async with AsyncExitStack() as stack:

        async def start(name: str) -> Running:
            if name not in servers:
                running = running_under(name, tmp_path_factory.mktemp("server"))
                servers[name] = await stack.enter_async_context(running)
            return servers[name]

        yield start


@pytest_asyncio.fixture(loop_scope="module")
async def server(started: Starter, request: pytest.FixtureRequest) -> Running:
    return await started(request.param)


@pytest_asyncio.fixture(loop_scope="module")
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=SOON) as session:
        yield session


def under(*names: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("server", names, indirect=True)


async def sent_so_far(server: Running, client: aiohttp.ClientSession, path: str) -> int:
    """How many bytes the application could send."""
    async with client.get(f"{server.base}/sent?{path}") as answer:
        return int(await answer.text()) * len(CHUNK)


async def sent_when_it_rests(
    server: Running, client: aiohttp.ClientSession, path: str
) -> int:
    """How many bytes the application could send before it had to wait."""
    told = [0]
    while told[-1] == 0 or told[-20:] != [told[-1]] * 20:
        told.append(await sent_so_far(server, client, path))
    return told[-1]


async def until_it_ends(
    server: Running, client: aiohttp.ClientSession, path: str
) -> None:
    async with client.get(f"{server.base}/ended?{path}") as answer:
        assert await answer.text() == "ended"


@under("ours", "uvicorn", but_not("daphne"))
async def test_a_reader_that_does_not_read_makes_the_application_wait(server, client):
    before = resident(server.process)
    async with raw(server, "/much") as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        sent = await sent_when_it_rests(server, client, "/much")
        assert sent < 20 * MEGABYTE  # most of it lies in the sockets of the system
        assert resident(server.process) - before < 5 * MEGABYTE
    await until_it_ends(server, client, "/much")


@under("ours", "uvicorn", but_not("daphne"))
async def test_a_websocket_that_is_not_read_makes_its_consumer_wait(server, client):
    before = resident(server.process)
    async with raw(server, "/much-said", *UPGRADE) as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        sent = await sent_when_it_rests(server, client, "/much-said")
        assert sent < 20 * MEGABYTE
        assert resident(server.process) - before < 5 * MEGABYTE
    await until_it_ends(server, client, "/much-said")


@under("ours", but_not("daphne"))
async def test_pings_whose_answers_are_not_read_do_not_pile_up(server, client):
    before = resident(server.process)
    async with raw(server, "/sleep", *UPGRADE) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(90):  # 12 MB
            writer.write(PING * 1_000)
            await writer.drain()
        assert resident(server.process) - before < 5 * MEGABYTE


@under("ours", but_not("daphne"))
async def test_a_reader_that_leaves_ends_the_stream(server, client):
    async with raw(server, "/much") as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        await sent_when_it_rests(server, client, "/much")
    await until_it_ends(server, client, "/much")
    assert await sent_so_far(server, client, "/much") < 20 * MEGABYTE


@under("ours", "uvicorn")
async def test_a_reader_that_pauses_gets_the_whole_stream(server, client):
    async with client.get(f"{server.base}/much", timeout=None) as response:
        await sent_when_it_rests(server, client, "/much")
        size = 0
        async for part in response.content.iter_any():
            size += len(part)
    assert size == ALL


@under("ours", "uvicorn")
async def test_a_websocket_that_pauses_gets_every_frame(server, client):
    async with raw(server, "/much-said", *UPGRADE) as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        await sent_when_it_rests(server, client, "/much-said")
        left = CHUNKS * (FRAME_HEAD + len(CHUNK))
        while left:
            left -= len(await reader.read(min(left, MEGABYTE)))
        assert await reader.readexactly(4) == bytes.fromhex("8802 03e8")  # close, 1000


@under("ours", "uvicorn")
async def test_the_bound_on_what_clients_send_is_none_on_what_they_are_sent(
    server, client
):
    async with client.ws_connect(f"{server.base}/long-word", max_msg_size=0) as socket:
        assert len(await socket.receive_str()) == LONG_WORD


@under("ours", "uvicorn", but_not("daphne", aiohttp.SocketTimeoutError))
async def test_an_exception_amid_a_response_cuts_it_visibly(server, client):
    async with client.get(f"{server.base}/raise-midway") as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


@under("ours", but_not("daphne", TimeoutError))
async def test_a_consumer_that_raises_after_that_is_closed_with_1011(server, client):
    async with (
        client.get(f"{server.base}/raise-midway"),
        client.ws_connect(f"{server.websocket_base}/raise") as socket,
    ):
        await socket.receive(timeout=3)
        assert socket.close_code == 1011


@under("ours", "uvicorn", "daphne")
async def test_events_come_back_in_order(server, client):
    async with client.ws_connect(f"{server.websocket_base}/echo") as socket:
        for number in range(50):
            await socket.send_str(str(number))
        told = [await socket.receive_str() for _ in range(50)]
    assert told == [str(number) for number in range(50)]


@under("ours", but_not("daphne"))
async def test_a_flood_of_frames_ends_its_socket(server, client):
    async with client.ws_connect(f"{server.websocket_base}/sleep") as socket:
        for _ in range(200):
            await socket.send_str("x")
        with contextlib.suppress(TimeoutError):
            await socket.receive(timeout=2)
        assert socket.close_code == 4429


SPOOFED = {
    "X-Forwarded-For": "6.6.6.6, 10.0.0.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Real-IP": "6.6.6.6",
    "Forwarded": "for=6.6.6.6;proto=https;host=evil.example",
}


@under("ours", but_not("daphne behind a proxy"))
async def test_forwarded_headers_of_a_client_are_not_obeyed(server, client):
    async with client.get(f"{server.base}/scope", headers=SPOOFED) as response:
        scope = json.loads(await response.text())
    assert scope["client"][0] == "127.0.0.1"
    assert scope["scheme"] == "http"


@under("ours", "uvicorn", but_not("daphne"))
async def test_the_root_path_header_of_a_client_is_not_obeyed(server, client):
    headers = {"Daphne-Root-Path": "/public"}
    async with client.get(f"{server.base}/scope", headers=headers) as response:
        scope = json.loads(await response.text())
    assert scope["path"] == "/scope"
    assert scope["root_path"] == ""


# The last, since plain Daphne keeps the room it needed for this.
@under("ours", but_not("daphne", AssertionError, TimeoutError))
async def test_a_body_above_its_bound_is_refused_and_not_kept(server, client):
    before, patience = resident(server.process), aiohttp.ClientTimeout(30)
    sending = client.post(f"{server.base}/", data=pieces(60), timeout=patience)
    async with sending as response:
        assert response.status == 413
        assert (await response.json())["error"]["code"] == "request_too_large"
    assert resident(server.process) - before < 5 * MEGABYTE


async def pieces(megabytes: int) -> AsyncIterator[bytes]:
    """A body without a stated length."""
    for _ in range(megabytes):
        yield b"x" * MEGABYTE
