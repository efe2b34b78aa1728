"""What people and hostile clients do."""

from __future__ import annotations

import asyncio

from tests.faults.client import CLOSED, Client
from tests.faults.crowd import ANSWER
from tests.faults.fault import COMPLETED, Fault, Scene
from tests.faults.tale import Tale
from tests.model_server_script import Script

DOUBLES = 5
FLOOD = 300  # frames at once
FLOODED, TOO_SLOW = 4429, 4408
LONG = Script(tokens=20_000, stamp=True, batch=8)


async def submit_twice(scene: Scene) -> None:
    """A double click: the same key twice at the same moment."""
    await scene.at_random()
    await asyncio.gather(*(_submit_twice(scene) for _ in range(DOUBLES)))


async def _submit_twice(scene: Scene) -> None:
    first, second = await _two_tabs(scene)
    tale = scene.stage.tale(ANSWER)
    again = Tale(tale.key, tale.scripts)
    scene.crowd.tales.append(tale)
    await asyncio.gather(first.ask(tale), second.ask(again))
    if tale.run != again.run:
        scene.report.violations.append(f"one key, two runs: {tale} and {again}")
    await asyncio.gather(first.follow(tale), second.follow(again))
    if (again.text, again.kind) != (tale.text, tale.kind):
        scene.report.violations.append(f"two tabs differ: {tale} and {again}")


async def write_in_two_tabs(scene: Scene) -> None:
    """Two messages in one thread at the same moment: one is taken, one refused."""
    await scene.at_random()
    first, second = await _two_tabs(scene)
    tale = scene.stage.tale(ANSWER)
    scene.crowd.tales.append(tale)
    await first.live(tale)
    statement = "SELECT thread_id FROM runs_run WHERE id = %s"
    thread = (await scene.stage.query(statement, tale.run))[0]["thread_id"]
    keys = [scene.stage.tale(ANSWER).key for _ in range(2)]
    forms = [{"text": f"question {key}", "key": key} for key in keys]
    path = f"/t/{thread}/messages"
    answers = await asyncio.gather(
        first.post(path, forms[0]), second.post(path, forms[1])
    )
    statuses = sorted(status for status, _ in answers)
    scene.report.notes.append(f"two tabs at once: {statuses}")
    if statuses != [200, 409]:
        scene.report.violations.append(f"two tabs at once got {statuses}")


async def flood(scene: Scene) -> None:
    """More frames at once than any page of ours sends."""
    await scene.at_random()
    client = await scene.stage.client()
    async with await client.socket() as socket:
        for _ in range(FLOOD):
            await socket.send_json({"op": "ping"})
        while (await socket.receive(10)).type not in CLOSED:
            pass
        scene.report.notes.append(f"a flooder is closed with {socket.close_code}")
        if socket.close_code != FLOODED:
            scene.report.violations.append(f"flooder closed with {socket.close_code}")


async def read_slowly(scene: Scene) -> None:
    """A long answer is asked for, and nothing of it acknowledged."""
    await scene.at_random()
    client = await scene.stage.client()
    tale = scene.stage.tale(LONG)
    scene.crowd.tales.append(tale)
    await client.ask(tale)
    async with await client.socket() as socket:
        ask = {"op": "subscribe", "run": tale.run, "after": 0}
        await socket.send_json(ask)
        while (await socket.receive(60)).type not in CLOSED:
            pass
        scene.report.notes.append(f"a slow reader is closed with {socket.close_code}")
        if socket.close_code != TOO_SLOW:
            scene.report.violations.append(f"slow reader: {socket.close_code}")
    await client.follow(tale)


async def _two_tabs(scene: Scene) -> tuple[Client, Client]:
    first = await scene.stage.client()
    return first, await scene.stage.twin(first)


PEOPLE_FAULTS = (
    Fault(name="double-submit", act=submit_twice, ends=COMPLETED, spares=True),
    Fault(name="two-tabs", act=write_in_two_tabs, spares=True, in_short=False),
    Fault(name="flooder", act=flood, spares=True, in_short=False),
    Fault(name="slow-reader", act=read_slowly, spares=True, in_short=False),
)
