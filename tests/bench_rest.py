"""What the product holds when little happens: memory, idle sockets, stored bytes."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import psycopg

from tests.bench_load import Load, steady
from tests.bench_process import memory
from tests.bench_product import Product, asked, client
from tests.server_process import ROOT

SETTLING = 1.0  # seconds that a process gets to give memory back
TEXT = """
    SELECT COALESCE(SUM(octet_length(content #>> '{0,text,value}')), 0)::int
    FROM runs_message
"""
SIZE = """
    SELECT SUM(pg_total_relation_size(oid))::bigint FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""


async def idle_memory(product: Product) -> dict[str, Any]:
    """MB of the web and the worker process."""
    await asyncio.sleep(SETTLING)
    pids = product.pids
    sizes = {name: memory(pids[name]) for name in ("web", "worker")}
    return {
        "pss_mb": round(sum(size["Pss"] for size in sizes.values())),
        "rss_mb": round(sum(size["Rss"] for size in sizes.values())),
        **{f"{name}_pss_mb": round(size["Pss"]) for name, size in sizes.items()},
    }


async def idle_sockets(product: Product, number: int) -> dict[str, Any]:
    """KB that an open websocket adds to the web process."""
    pid = product.pids["web"]
    job = {"url": product.web.base, "cookies": product.cookies, "number": number}
    before = memory(pid)["Pss"]
    async with client("tests.bench_sockets", job) as process:
        assert process.stdout
        opened = int(await process.stdout.readline())
        await asyncio.sleep(SETTLING)
        after = memory(pid)["Pss"]
    return {"sockets": opened, "kb_each": round((after - before) * 1024 / opened, 1)}


async def stored(product: Product, runs: int, ask: Any) -> dict[str, Any]:
    """Bytes that a run of 200 tokens adds to the database beyond all its text.

    Tables and indexes are rewritten before each look, so no bloat counts. The tokens
    are words, and come so slowly that hardly any are merged.
    """
    await rows("rest", product=product)  # the runs of the other loads
    size, text = packed(product.database_url)
    load = steady("threadmill", runs, pace=60)
    load = Load(**{**load.as_json(), "stamp": False})
    result = await ask(load)
    grown, words = packed(product.database_url)
    await rows("rest", product=product)
    rested, _ = packed(product.database_url)

    def beyond_text(now: int) -> int:
        return round((now - size - (words - text)) / runs)

    return {
        "runs": runs,
        "failed": result["failed"],
        "text": round((words - text) / runs),
        "live": beyond_text(grown),
        "at_rest": beyond_text(rested),
    }


def packed(database_url: str) -> tuple[int, int]:
    """Bytes of all tables with their indexes, rewritten, and of all text of messages."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        opened.execute("VACUUM FULL")
    return asked(database_url, SIZE), asked(database_url, TEXT)


async def rows(*job: str, product: Product) -> str:
    """Run bench_rows with the product's settings; what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench_rows", *job),
        cwd=ROOT,
        env=dict(product.env),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().strip()


async def long_thread(product: Product, messages: int) -> dict[str, Any]:
    """Bytes and ms of the page of a thread with so many messages."""
    thread = await rows("thread", str(messages), product=product)
    times = []
    for _ in range(5):
        begin = time.monotonic()
        page = await product.visitor.get(f"/t/{thread}")
        times.append(time.monotonic() - begin)
    return {
        "messages": messages,
        "kb": round(len(page.encode()) / 1024, 1),
        "ms": round(sorted(times)[2] * 1000, 1),
    }
