"""What the server does when applications, clients and workers misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import websockets

from tests.server_process import Running, environment, running


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Running]:
    async with running("-m", "tests.server_app", env=environment(tmp_path)) as server:
        yield server


@pytest.fixture
async def client(server: Running) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
        yield session


HANDSHAKE = (
    b"GET /chatter HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


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


async def test_an_exception_amid_a_response_cuts_it_visibly(server, client):
    async with client.get(f"{server.base}/raise-midway") as response:
        with pytest.raises(aiohttp.ClientError):
            await response.read()


async def test_the_reaper_outlives_an_exception_amid_a_response(server, client):
    async with client.get(f"{server.base}/raise-midway") as response:
        with pytest.raises(aiohttp.ClientError):
            await response.read()

    assert await close_code(client, f"{server.websocket_base}/raise") == 1011


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
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(server.base.rsplit(":", 1)[1])
    )
    writer.write(HANDSHAKE)
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(
        500_000
    )  # and then no more, so that the server's buffer fills
    writer.write(bytes.fromhex("8882 00000000 03e8"))  # close, masked with zeros, 1000
    await writer.drain()
    await reader.read()  # what was on its way, up to the end
    writer.close()

    assert await server.read_line() == "chatter heard websocket.disconnect"
    assert server.err == []


async def test_too_many_waiting_frames_close_the_socket(server, client):
    frames = ["x"] * 200
    assert await close_code(client, f"{server.websocket_base}/sleep", *frames) == 4429


async def test_one_flooding_client_does_not_stop_another(server, client):
    async with client.ws_connect(f"{server.websocket_base}/echo") as other:
        await close_code(client, f"{server.websocket_base}/sleep", *["x"] * 200)
        await other.send_str("still here")
        assert await other.receive_str() == "still here"


async def test_the_root_path_header_is_not_obeyed(server, client):
    headers = {"Daphne-Root-Path": "/public"}
    async with client.get(f"{server.base}/scope", headers=headers) as response:
        assert await response.json(content_type=None) == {
            "path": "/scope",
            "root_path": "",
        }


async def test_the_server_does_not_name_its_software(server, client):
    async with client.get(f"{server.base}/scope") as response:
        assert "Server" not in response.headers


async def test_a_stop_tells_the_worker_and_closes_websockets_to_come_back(
    server, client
):
    async with client.ws_connect(f"{server.websocket_base}/echo") as socket:
        await socket.send_str("x")
        assert await socket.receive_str() == "x"
        server.process.send_signal(signal.SIGTERM)
        await socket.receive()
        assert socket.close_code == 1012

    assert await server.read_line() == "the worker was stopped"
    assert await server.process.wait() == 0


async def test_a_stop_lets_a_request_finish(server, client):
    async with client.get(f"{server.base}/slow") as response:
        server.process.send_signal(signal.SIGTERM)
        assert await response.text() == "begun done"

    assert await server.process.wait() == 0


async def test_a_stop_amid_a_request_line_and_a_handshake_is_clean(server, client):
    host, port = server.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as half_a_request:
        half_a_request.sendall(b"GET /scope HTTP/1.1\r\n")
        async with client.get(f"{server.base}/scope") as response:
            assert response.status == 200
        async with client.ws_connect(f"{server.websocket_base}/echo"):
            assert await server.stop() == 0

    assert "".join(server.err) == ""


async def test_a_second_signal_ends_the_process_at_once(server, client):
    async with client.ws_connect(f"{server.websocket_base}/sleep") as socket:
        server.process.send_signal(signal.SIGINT)
        assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
        assert await server.stop(signal.SIGINT) == 128 + signal.SIGINT


@pytest.mark.parametrize(
    ("ending", "line"),
    [
        ("crash", "The worker crashed"),
        ("return", "The worker ended without being told to"),
    ],
)
async def test_a_worker_that_ends_by_itself_ends_the_process(tmp_path, ending, line):
    command = ("-m", "tests.server_app", ending)
    async with running(*command, env=environment(tmp_path)) as server:
        assert await asyncio.wait_for(server.process.wait(), 30) == 1

    assert line in "".join(server.err)
