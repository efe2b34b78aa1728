"""Faults of PostgreSQL and of the way to it."""

from __future__ import annotations

import asyncio

from tests.faults.fault import INTERRUPTED, Fault, Scene
from tests.faults.oracle import DATABASE_IS_AWAY

TIMES = 3  # in one injection; what is under way then differs
SHORT_OUTAGE, LONG_OUTAGE = 8.0, 60.0  # seconds


async def restart_fast(scene: Scene) -> None:
    await scene.at_random()
    await asyncio.to_thread(scene.stage.cluster.stop, "fast")
    await asyncio.to_thread(scene.stage.cluster.start)


async def restart_immediate(scene: Scene) -> None:
    await scene.at_random()
    await asyncio.to_thread(scene.stage.cluster.stop, "immediate")
    await asyncio.to_thread(scene.stage.cluster.start)


async def be_down(scene: Scene) -> None:
    await scene.at_random()
    await asyncio.to_thread(scene.stage.cluster.stop, "fast")
    await asyncio.sleep(SHORT_OUTAGE if scene.stage.is_short else LONG_OUTAGE)
    await asyncio.to_thread(scene.stage.cluster.start)


async def cut_connections(scene: Scene) -> None:
    await scene.at_random()
    for _ in range(TIMES):
        scene.stage.database.cut()
        await scene.crowd.events(scene.chance.randint(10, 20))


async def lose_replies(scene: Scene) -> None:
    """What was asked is done, a commit for instance, but nobody is told."""
    await scene.at_random()
    for _ in range(TIMES):
        scene.stage.database.lose_replies()
        await scene.crowd.events(scene.chance.randint(10, 20))


DATABASE_FAULTS = (
    Fault(
        name="postgresql-fast",
        act=restart_fast,
        raises=DATABASE_IS_AWAY,
        in_short=False,
    ),
    Fault(name="postgresql-immediate", act=restart_immediate, raises=DATABASE_IS_AWAY),
    Fault(
        name="postgresql-down",
        act=be_down,
        ends=INTERRUPTED,
        raises=DATABASE_IS_AWAY,
        in_short=False,
    ),
    Fault(
        name="postgresql-cut",
        act=cut_connections,
        ends=INTERRUPTED,
        raises=DATABASE_IS_AWAY,
        in_short=False,
    ),
    Fault(
        name="postgresql-lost-replies",
        act=lose_replies,
        ends=INTERRUPTED,
        raises=DATABASE_IS_AWAY,
    ),
)
