"""Faults of the way between people and nginx."""

from __future__ import annotations

import asyncio

from tests.faults.fault import Fault, Scene

NOTICED_AFTER = 3.0  # seconds of silence, where a browser has 45


async def cut_all(scene: Scene) -> None:
    await scene.at_random()
    scene.stage.door.cut()


async def lose_replies(scene: Scene) -> None:
    """Questions arrive, and their answers are lost: the same key is sent again."""
    await scene.at_random()
    for _ in range(10):
        scene.stage.door.lose_replies()
        await scene.crowd.events(4)


async def half_open(scene: Scene) -> None:
    """Nothing passes any more, and nobody says so."""
    await scene.at_random()
    scene.stage.door.freeze()


async def be_away(scene: Scene) -> None:
    await scene.at_random()
    scene.stage.door.refuse()
    await asyncio.sleep(2)
    scene.stage.door.resume()


NETWORK_FAULTS = (
    Fault(name="clients-cut", act=cut_all, spares=True, in_short=False),
    Fault(name="clients-lost-replies", act=lose_replies, spares=True),
    Fault(name="clients-away", act=be_away, spares=True, in_short=False),
    Fault(name="half-open", act=half_open, spares=True, patience=NOTICED_AFTER),
    Fault(name="half-open-45", act=half_open, spares=True, in_short=False),
)
