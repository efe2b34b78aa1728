"""How our server ends: what it lets finish, what it tells, and how it can be hurried."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.asgi_servers import OURS, UPGRADE, but_not, raw, running_under
from tests.server_process import Running, environment, running


@pytest.fixture
async def server(
    tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Running]:
    async with running_under(getattr(request, "param", "ours"), tmp_path) as server:
        yield server


@pytest.fixture
async def client(server: Running) -> AsyncIterator[aiohttp.ClientSession]:
    timeout, connector = aiohttp.ClientTimeout(20), aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield session


def under(*names: object) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("server", names, indirect=True)


async def read_until(server: Running, words: str) -> str:
    while words not in (line := await server.read_line()):
        assert line, server.lines
    return line


@under("ours", but_not("daphne"))
async def test_a_stop_closes_websockets_to_come_back(server, client):
    async with client.ws_connect(f"{server.websocket_base}/echo") as socket:
        await socket.send_str("x")
        assert await socket.receive_str() == "x"
        server.process.send_signal(signal.SIGTERM)
        await socket.receive()
        assert socket.close_code == 1012

    assert await server.process.wait() == 0


async def test_a_stop_tells_the_worker_and_says_what_it_does(server):
    assert await server.read_line() == "the worker runs"
    server.process.send_signal(signal.SIGTERM)
    assert await server.read_line() == (
        "Stopping: requests have 10 s to finish; answers being written end as "
        "interrupted. A second signal ends that time."
    )
    assert await server.read_line() == "the worker was stopped by 1"
    assert await server.process.wait() == 0


@under("ours", but_not("daphne", aiohttp.ClientPayloadError))
async def test_a_stop_lets_a_request_finish(server, client):
    async with client.get(f"{server.base}/slow") as response:
        server.process.send_signal(signal.SIGTERM)
        assert await response.text() == "begun done"

    assert await server.process.wait() == 0


async def test_a_request_on_a_kept_connection_is_answered_and_is_its_last(
    server, client
):
    async with client.get(f"{server.base}/scope"):
        pass
    async with client.get(f"{server.base}/slow") as slow:
        async with client.get(f"{server.base}/scope") as before:
            assert "Connection" not in before.headers
        server.process.send_signal(signal.SIGTERM)
        await read_until(server, "Stopping")
        async with client.get(f"{server.base}/scope") as after:
            assert after.status == 200
            assert after.headers["Connection"] == "close"
        assert await slow.text() == "begun done"

    assert await server.process.wait() == 0


@under("ours", but_not("daphne"))
async def test_a_stop_right_after_a_handshake_lets_the_consumer_clean_up(
    server, client
):
    async with client.ws_connect(f"{server.websocket_base}/clean-up"):
        assert await server.stop() == 0

    rest = await server.process.stdout.read()
    assert b"cleaned up" in rest


async def test_a_stop_amid_a_request_line_and_a_handshake_is_clean(server, client):
    host, port = server.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as half_a_request:
        half_a_request.sendall(b"GET /scope HTTP/1.1\r\n")
        async with client.get(f"{server.base}/scope") as response:
            assert response.status == 200
        async with client.ws_connect(f"{server.websocket_base}/echo"):
            assert await server.stop() == 0

    assert server.err == []


async def test_a_stop_does_not_wait_for_those_who_do_not_read(server):
    async with raw(server, "/much-said", *UPGRADE) as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(8):
            assert await server.stop() == 0


async def test_a_stream_that_nobody_reads_does_not_outlive_a_second_signal(server):
    async with raw(server, "/much") as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        server.process.send_signal(signal.SIGTERM)
        await read_until(server, "Stopping")
        async with asyncio.timeout(8):
            assert await server.stop() == 0

    assert server.err == []


async def test_many_websockets_are_closed_bit_by_bit(server, client):
    loop = asyncio.get_running_loop()
    address = f"{server.websocket_base}/echo"
    sockets = [await client.ws_connect(address) for _ in range(200)]

    async def closed(socket: aiohttp.ClientWebSocketResponse) -> float:
        await socket.receive()
        assert socket.close_code == 1012
        return loop.time()

    server.process.send_signal(signal.SIGTERM)
    times = sorted(await asyncio.gather(*(closed(each) for each in sockets)))
    assert times[150] - times[0] > 0.5
    assert times[-1] - times[0] < 5


async def test_a_worker_with_grace_is_waited_for_until_a_second_signal(tmp_path):
    command = (*OURS, "--worker", "finish", "--grace", "90")
    async with running(*command, env=environment(tmp_path)) as server:
        await read_until(server, "the worker runs")
        server.process.send_signal(signal.SIGTERM)
        assert "answers being written 90 s" in await server.read_line()
        server.process.send_signal(signal.SIGTERM)
        await read_until(server, "Ending what still runs")
        assert await server.read_line() == "the worker was stopped by 2"
        assert await asyncio.wait_for(server.process.wait(), 5) == 0


async def test_a_second_signal_ends_what_still_runs(server, client):
    async with client.ws_connect(f"{server.websocket_base}/sleep"):
        server.process.send_signal(signal.SIGINT)
        await read_until(server, "Stopping")
        server.process.send_signal(signal.SIGINT)
        await read_until(server, "Ending what still runs")
        assert await asyncio.wait_for(server.process.wait(), 5) == 0


async def test_a_third_signal_ends_the_process_at_once(tmp_path):
    command = (*OURS, "--worker", "never", "--grace", "90")
    async with running(*command, env=environment(tmp_path)) as server:
        await read_until(server, "the worker runs")
        for line in ("Stopping", "Ending what still runs"):
            server.process.send_signal(signal.SIGTERM)
            await read_until(server, line)
        assert await server.stop(signal.SIGTERM) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("ending", "line"),
    [
        ("crash", "The worker crashed"),
        ("return", "The worker ended without being told to"),
    ],
)
async def test_a_worker_that_ends_by_itself_ends_the_process(tmp_path, ending, line):
    command = (*OURS, "--worker", ending)
    async with running(*command, env=environment(tmp_path)) as server:
        assert await asyncio.wait_for(server.process.wait(), 30) == 1

    assert line in "".join(server.err)
