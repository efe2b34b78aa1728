"""Faults of our own processes and of nginx."""

from __future__ import annotations

import asyncio
import os
import signal

from tests.faults.fault import INTERRUPTED, Fault, Scene
from tests.faults.oracle import DATABASE_IS_AWAY
from tests.faults.stage import until

BEYOND_THE_LEASE = 4.0  # seconds


async def kill_web(scene: Scene) -> None:
    await scene.at_random()
    await scene.chance.choice(scene.stage.webs).signal(signal.SIGKILL)


async def terminate_web(scene: Scene) -> None:
    await scene.at_random()
    await scene.chance.choice(scene.stage.webs).signal(signal.SIGTERM)


async def kill_worker(scene: Scene) -> None:
    await scene.at_random()
    await (await scene.a_busy_worker()).signal(signal.SIGKILL)


async def terminate_worker(scene: Scene) -> None:
    await scene.at_random()
    await (await scene.a_busy_worker()).signal(signal.SIGTERM)


async def terminate_worker_twice(scene: Scene) -> None:
    await scene.at_random()
    worker = await scene.a_busy_worker()
    process = await worker.up()
    worker.send(signal.SIGTERM)
    await process.read_line()  # It says what it does.
    await worker.signal(signal.SIGTERM)


async def freeze_worker(scene: Scene) -> None:
    """A zombie: it wakes up when others have ended its runs."""
    await scene.at_random()
    worker = await scene.a_busy_worker()
    worker.send(signal.SIGSTOP)
    await asyncio.sleep(scene.stage.lease + BEYOND_THE_LEASE)
    worker.send(signal.SIGCONT)


async def freeze_worker_long(scene: Scene) -> None:
    await scene.at_random()
    worker = await scene.a_busy_worker()
    worker.send(signal.SIGSTOP)
    await asyncio.sleep(60)
    worker.send(signal.SIGCONT)


async def reload_nginx(scene: Scene) -> None:
    await scene.at_random()
    old = set(scene.stage.nginx.workers())
    scene.stage.nginx.reload()

    async def is_over() -> bool:
        return not old & set(scene.stage.nginx.workers())

    await until(is_over, 15)


async def kill_nginx_worker(scene: Scene) -> None:
    await scene.at_random()
    os.kill(scene.chance.choice(scene.stage.nginx.workers()), signal.SIGKILL)


PROCESS_FAULTS = (
    Fault(name="web-kill", act=kill_web),
    Fault(name="web-term", act=terminate_web, in_short=False),
    Fault(name="worker-kill", act=kill_worker, ends=INTERRUPTED, in_short=False),
    Fault(name="worker-term", act=terminate_worker, in_short=False),
    Fault(name="worker-term-twice", act=terminate_worker_twice, ends=INTERRUPTED),
    Fault(
        name="worker-freeze",
        act=freeze_worker,
        ends=INTERRUPTED,
        raises=DATABASE_IS_AWAY,
    ),
    Fault(
        name="worker-freeze-60",
        act=freeze_worker_long,
        ends=INTERRUPTED,
        raises=DATABASE_IS_AWAY,
        in_short=False,
    ),
    Fault(name="nginx-reload", act=reload_nginx),
    Fault(name="nginx-kill", act=kill_nginx_worker, in_short=False),
)
