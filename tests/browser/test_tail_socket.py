"""The tab's websocket against a scripted server: cursors, acks, gaps and close codes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, WebSocketRoute

from tests.browser.page_server import harness

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATIENCE = 10


class Server:
    """The other end: it greets each connection and writes down what the tab says."""

    def __init__(self) -> None:
        self.protocol = 1
        self.connections: list[WebSocketRoute] = []
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def connected(self, route: WebSocketRoute) -> None:
        self.connections.append(route)
        route.on_message(lambda message: self.said.put_nowait(json.loads(message)))
        self.send(op="hello", protocol=self.protocol, ping=20)

    def send(self, **frame: Any) -> None:
        self.connections[-1].send(json.dumps(frame))

    def event(self, seq: int, run: str = "run_1") -> None:
        self.send(op="event", run=run, seq=seq, type="thread.message.delta", data={})

    async def hears(self, op: str) -> dict[str, Any]:
        """The next frame of this kind; others are passed over."""
        async with asyncio.timeout(PATIENCE):
            while (frame := await self.said.get())["op"] != op:
                pass
        return frame


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    async with harness(browser) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def server(page: Page) -> Server:
    """The far end of the page's socket, with one run followed from event 3 on."""
    server = Server()
    await page.route_web_socket("**/ws", server.connected)
    await page.evaluate("harness.follow('run_1', 3)")
    frame = await server.hears("subscribe")
    assert frame == {"op": "subscribe", "run": "run_1", "after": 3}
    return server


async def heard(page: Page, count: int) -> list[Any]:
    """What the run's listener got, once it is as much as that."""
    enough = f"() => harness.heard.length >= {count}"
    await page.wait_for_function(enough, timeout=PATIENCE * 1000)
    return list(await page.evaluate("harness.heard"))


async def state(page: Page, wanted: str) -> None:
    is_so = f"() => harness.states.at(-1) === {wanted!r}"
    await page.wait_for_function(is_so, timeout=PATIENCE * 1000)


async def test_each_event_is_heard_once_and_acknowledged(
    page: Page, server: Server
) -> None:
    for seq in (2, 3, 4, 5, 4, 5, 6):
        server.event(seq)

    assert await heard(page, 3) == [4, 5, 6]
    acknowledged = 0
    while acknowledged < 6:
        acknowledged = (await server.hears("ack"))["seq"]


async def test_a_burst_is_acknowledged_at_least_every_fifty_events(
    page: Page, server: Server
) -> None:
    for seq in range(4, 204):
        server.event(seq)

    last = 3
    while last < 203:
        seq = (await server.hears("ack"))["seq"]
        assert seq - last <= 50
        last = seq


async def test_a_lost_connection_goes_on_behind_the_last_event(
    page: Page, server: Server
) -> None:
    server.event(4)
    await heard(page, 1)

    await server.connections[-1].close(code=1012)

    assert (await server.hears("subscribe"))["after"] == 4
    server.event(4)
    server.event(5)
    assert await heard(page, 2) == [4, 5]
    await state(page, "online")


async def test_a_gap_is_never_skipped(page: Page, server: Server) -> None:
    server.event(4)
    server.event(6)

    assert (await server.hears("subscribe"))["after"] == 4
    for seq in (5, 6):
        server.event(seq)
    assert await heard(page, 3) == [4, 5, 6]


@pytest.mark.parametrize(("code", "wanted"), [(4401, "signed-out"), (4403, "refused")])
async def test_a_final_code_ends_connecting(
    page: Page, server: Server, code: int, wanted: str
) -> None:
    await server.connections[-1].close(code=code)

    await state(page, wanted)
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    assert len(server.connections) == 1


async def test_another_protocol_asks_for_a_reload(page: Page, server: Server) -> None:
    server.protocol = 2
    await server.connections[-1].close(code=1012)

    await state(page, "new-version")


async def test_a_refused_run_is_told_to_its_listener(
    page: Page, server: Server
) -> None:
    server.send(op="error", code="not_found", message="No such run.", run="run_1")

    assert await heard(page, 1) == ["not_found"]


async def test_coming_back_online_reconnects_at_once(
    page: Page, server: Server
) -> None:
    await page.clock.install()
    await server.connections[-1].close(code=4429)
    await state(page, "offline")

    await page.evaluate("window.dispatchEvent(new Event('online'))")

    assert (await server.hears("subscribe"))["after"] == 3


async def test_a_silent_connection_is_given_up(page: Page, server: Server) -> None:
    await page.clock.install()
    server.event(4)
    await heard(page, 1)
    # The watch was set with the real clock; a new one runs on the installed clock.
    await page.evaluate("delete harness.socket; harness.follow('run_2', 0)")
    assert (await server.hears("subscribe"))["run"] == "run_2"

    await page.clock.run_for(51_000)

    assert (await server.hears("subscribe"))["run"] == "run_2"
