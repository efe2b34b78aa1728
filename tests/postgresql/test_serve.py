"""`manage.py serve` with its own worker on PostgreSQL: what its end does to runs."""

from __future__ import annotations

import asyncio
import re
import signal

from tests.model_server_script import Script
from tests.postgresql.test_processes import Site, first_word, site
from tests.server_process import Running, manage
from tests.visitor import Visitor

__all__ = ["site"]


async def begun(site: Site, tokens: int) -> tuple[Running, str]:
    """A server whose worker is in the midst of a run, and that run."""
    server = await site._start("serve", "http", "--port", "0")
    link = await server.read_line()
    assert "get 120 s to finish" in await server.read_line()
    async with Visitor(server.base) as visitor:
        found = re.search(r"http\S+/setup/\S+", link)
        assert found
        await visitor.set_up(found[0])
        site.model.enqueue(Script(tokens=tokens, pace=40))
        run = await visitor.post("Hello")
        await first_word(visitor, run)
    return server, run


async def status_of(site: Site, run: str) -> str:
    code = f"from runs.models import Run; print(Run.objects.get(pk='{run}').status)"
    ended = await manage("shell", "-v0", "-c", code, env=site.env)
    return ended.out.strip()


async def test_a_server_told_to_stop_lets_its_worker_finish(site: Site) -> None:
    server, run = await begun(site, tokens=60)
    server.process.send_signal(signal.SIGTERM)
    assert "answers being written 120 s" in await server.read_line()
    assert await asyncio.wait_for(server.process.wait(), 30) == 0
    assert await status_of(site, run) == "completed"


async def test_a_second_signal_ends_the_run_as_interrupted(site: Site) -> None:
    server, run = await begun(site, tokens=4000)
    server.process.send_signal(signal.SIGTERM)
    assert "answers being written 120 s" in await server.read_line()
    server.process.send_signal(signal.SIGTERM)
    assert "Ending what still runs" in await server.read_line()
    assert await asyncio.wait_for(server.process.wait(), 15) == 0
    assert await status_of(site, run) == "failed"
