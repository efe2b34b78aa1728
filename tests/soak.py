"""An hour of ordinary use, by hand: what grows that should not?

`python -m tests.soak --minutes 60` keeps 50 people asking, with lost connections and
pressed Stops, and prints memory, open files, threads and database connections.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import time
from pathlib import Path

import aiohttp

from tests.bench_process import memory
from tests.bench_product import Product, asked, model_server, product

PEOPLE = 50
EVERY = 30.0  # seconds between looks
WARM = 300.0  # seconds after which nothing should grow any more
CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
)
LOST = "SELECT count(*) FROM runs_run WHERE status = 'failed' OR status = 'expired'"
ENDED = "SELECT count(*) FROM runs_run WHERE completed_at IS NOT NULL"


def look(server: Product) -> dict[str, float]:
    """MB and counts of the web and the worker process together."""
    pids = [server.web.process.pid, server.worker.process.pid]
    return {
        "web MB": round(memory(pids[0])["Rss"], 1),
        "worker MB": round(memory(pids[1])["Rss"], 1),
        "files": sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
        "threads": sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids),
        "connections": asked(server.database_url, CONNECTIONS),
        "completed": asked(server.database_url, ENDED),
        "failed": asked(server.database_url, LOST),
    }


async def person(server: Product, chance: random.Random, until: float) -> None:
    """Asks, reads, and sometimes loses the connection and comes back."""
    while time.monotonic() < until:
        run = await sent(server)
        seen = 0
        while True:
            patience = chance.choice((None, None, chance.uniform(0.1, 6)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    async for event in server.visitor.follow(run, seen):
                        seen = event["seq"]
                    break


async def sent(server: Product) -> str:
    """The run of a question; again where the server closed the idle connection that the
    client was about to use, as browsers do."""
    while True:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            return await server.visitor.post("Hello")


async def soak(minutes: float, seed: int, pace: float) -> list[dict[str, float]]:
    looks = []
    begun = time.monotonic()
    until = begun + minutes * 60
    async with model_server(pace) as model_url, product(model_url) as server:
        people = [
            asyncio.create_task(person(server, random.Random(seed + n), until))  # noqa: S311
            for n in range(PEOPLE)
        ]
        while time.monotonic() < until:
            await asyncio.sleep(EVERY)
            seen = {"minute": round((time.monotonic() - begun) / 60, 1), **look(server)}
            looks.append(seen)
            sys.stdout.write(f"{seen}\n")
            sys.stdout.flush()
        await asyncio.gather(*people)
    return looks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pace", type=float, default=30, help="tokens per second")
    options = parser.parse_args()
    looks = asyncio.run(soak(options.minutes, options.seed, options.pace))
    warm = [seen for seen in looks if seen["minute"] * 60 >= WARM] or looks
    for what in ("web MB", "worker MB", "files", "threads", "connections"):
        first, last = warm[0][what], warm[-1][what]
        growth = (last / first - 1) * 100
        sys.stdout.write(f"{what:12} {first:8} -> {last:8}  {growth:+.1f} %\n")


if __name__ == "__main__":
    main()
