"""What our server does when applications and clients misbehave.

How it ends is in test_server_stop.py; what it is measured against, in
test_server_streams.py.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
import websockets

from tests.asgi_servers import OURS, UPGRADE, raw, running_under
from tests.server_process import Running, environment, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One for all tests of this file: whatever one does must not disturb the next."""
    async with running_under("ours", tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
        yield session


async def close_code(
    client: aiohttp.ClientSession, address: str, *frames: str
) -> int | None:
    """The code with which the server ends the socket after these frames."""
    async with asyncio.timeout(20), client.ws_connect(address) as socket:
        for frame in frames:
            await socket.send_str(frame)
        while (await socket.receive()).type == aiohttp.WSMsgType.TEXT:
            pass
        return socket.close_code


async def test_an_exception_before_the_headers_gives_an_error_page(server, client):
    async with client.get(f"{server.base}/raise") as response:
        assert response.status == 500
        assert "before the headers" not in await response.text()


async def test_a_consumer_that_raises_first_refuses_the_handshake(server, client):
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await client.ws_connect(f"{server.websocket_base}/raise-first")

    assert caught.value.status == 500


@pytest.mark.parametrize("code", [1000, 1011, 1012, 4401])
async def test_a_consumer_may_close_with_any_code(server, client, code):
    address = f"{server.websocket_base}/close?{code}"
    assert await close_code(client, address) == code


async def test_the_largest_frame_is_echoed_and_a_larger_one_closes(server, client):
    async with client.ws_connect(f"{server.websocket_base}/echo") as socket:
        await socket.send_str("x" * 65_536)
        assert len(await socket.receive_str()) == 65_536

    code = await close_code(client, f"{server.websocket_base}/echo", "x" * 65_537)
    assert code == 1009


async def test_a_message_in_many_frames_has_the_same_limit(server):
    async with websockets.connect(f"{server.websocket_base}/echo") as socket:
        with contextlib.suppress(websockets.ConnectionClosed):
            await socket.send(["x" * 40_000, "x" * 40_000])
        await socket.wait_closed()
        assert socket.close_code == 1009


async def test_a_consumer_that_still_speaks_after_the_client_has_closed_is_no_error(
    server,
):
    told = len(server.err)
    async with raw(server, "/chatter", *UPGRADE) as (reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        # And then no more, so that the server's buffer fills.
        await reader.readexactly(500_000)
        # Close, masked with zeros, 1000.
        writer.write(bytes.fromhex("8882 00000000 03e8"))
        await writer.drain()
        await reader.read()  # what was on its way, up to the end

    while "chatter" not in (line := await server.read_line()):
        pass
    assert line == "chatter heard websocket.disconnect"
    assert server.err[told:] == []


async def test_too_many_waiting_frames_close_the_socket(server, client):
    frames = ["x"] * 200
    assert await close_code(client, f"{server.websocket_base}/sleep", *frames) == 4429


async def test_one_flooding_client_does_not_stop_another(server, client):
    async with client.ws_connect(f"{server.websocket_base}/echo") as other:
        await close_code(client, f"{server.websocket_base}/sleep", *["x"] * 200)
        await other.send_str("still here")
        assert await other.receive_str() == "still here"


async def test_the_server_does_not_name_its_software(server, client):
    async with client.get(f"{server.base}/scope") as response:
        assert "Server" not in response.headers


async def test_a_client_that_reads_nothing_is_cut_in_the_end(tmp_path):
    command = (*OURS, "--stalled", "1")
    async with (
        running(*command, env=environment(tmp_path)) as server,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as client,
        raw(server, "/much") as (reader, _),
        raw(server, "/much-said", *UPGRADE) as (frames, frames_writer),
    ):
        for each in (reader, frames):
            await each.readuntil(b"\r\n\r\n")
        frames_writer.write(bytes.fromhex("8180 00000000"))  # it sends, but never reads
        for path in ("/much", "/much-said"):
            async with client.get(f"{server.base}/ended?{path}") as answer:
                assert answer.status == 200
        for each in (reader, frames):
            with pytest.raises(ConnectionResetError):
                await each.read()

    assert "".join(server.err).count("read nothing for 1 s") == 2


async def test_a_client_that_reads_slowly_is_not_cut(tmp_path):
    command = (*OURS, "--stalled", "1")
    async with (
        running(*command, env=environment(tmp_path)) as server,
        raw(server, "/much-said", *UPGRADE) as (reader, _),
    ):
        loop = asyncio.get_running_loop()
        end = loop.time() + 3.5
        while loop.time() < end:
            await reader.readexactly(1_000_000)
            await asyncio.sleep(0.3)

        assert server.err == []


async def test_idle_websockets_are_pinged_by_a_clock_that_nobody_sets(tmp_path):
    command = (*OURS, "--ping", "0.5", "--clock-back")
    async with (
        running(*command, env=environment(tmp_path)) as server,
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{server.websocket_base}/sleep", autoping=False) as socket,
    ):
        for _ in range(5):
            ping = await socket.receive(timeout=5)
            assert ping.type == aiohttp.WSMsgType.PING
            await socket.pong(ping.data)
