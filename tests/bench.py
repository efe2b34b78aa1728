"""The measuring stick: what a token costs and how old it is, beside bare programs.

Run by `make bench`; docs/performance.md says what is measured and how. The scripted model
server sends the monotonic clock as its tokens, so whoever receives one knows its age.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.bench_load import Load, steady
from tests.bench_paint import painted
from tests.bench_process import Sampler
from tests.bench_product import (
    Product,
    asked,
    bare_relay,
    client,
    model_server,
    product,
)
from tests.bench_rest import idle_memory, idle_sockets, long_thread, stored
from tests.bench_table import printed

WAYS = ("openai", "relay", "threadmill")
SYNCS = "SELECT wal_sync FROM pg_stat_wal"
STATISTICS_DELAY = 1.2  # seconds until PostgreSQL has counted all


@dataclass(frozen=True, slots=True)
class Bench:
    """The servers that are measured."""

    model_url: str
    relay_url: str
    product: Product
    relay_pid: int

    async def ask(self, load: Load) -> dict[str, Any]:
        """The figures of one load, with the CPU seconds of all who took part."""
        urls = {"openai": "", "relay": self.relay_url}
        job = {
            "load": load.as_json(),
            "model_url": self.model_url,
            "url": urls.get(load.through, self.product.web.base),
            "cookies": self.product.cookies,
        }
        pids = {**self.product.pids, "relay": self.relay_pid}
        async with client("tests.bench_client", job) as process:
            sampler = Sampler({**pids, "client": process.pid})
            assert process.stdout
            async with sampler.sampling():
                said = await process.stdout.read()
        result: dict[str, Any] = json.loads(said)
        spent = sampler.between(result["begin"], result["end"])
        return {**result, **cost(load.through, result["delivered"], spent)}


def cost(through: str, tokens: int, spent: Mapping[str, float]) -> dict[str, Any]:
    """CPU seconds per 100,000 tokens of whoever brought them to the client, and whose."""
    who = {"openai": ["client"], "relay": ["relay"]}
    counted = who.get(through, ["web", "worker", "postgres"])
    per = {name: spent[name] / max(tokens, 1) * 100_000 for name in counted}
    parts = {name: round(seconds, 1) for name, seconds in per.items()}
    return {"cpu": round(sum(per.values()), 1), "cpu_of": parts}


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures by name; those that have bare counterparts by way, too."""
    async with (
        model_server() as model_url,
        bare_relay(model_url) as relay,
        product(model_url) as server,
    ):
        relay_url = relay.lines[0]
        bench = Bench(model_url, relay_url, server, relay.process.pid)
        for way in WAYS:  # What is loaded on first use.
            await bench.ask(Load(through=way, runs=2, tokens=20))
        figures: dict[str, Any] = {}
        if "rest" in options.only:
            figures["memory"] = await idle_memory(server)
        figures |= await speed(bench, options)
        if "rest" in options.only:
            figures["sockets"] = await idle_sockets(server, options.sockets)
            figures["stored"] = await stored(server, options.stored, bench.ask)
            figures["opening"] = await long_thread(server, 1000)
        if options.painted:
            figures["painted 1"] = await painted(server)
            others = asyncio.create_task(bench.ask(steady("threadmill", 49)))
            await asyncio.sleep(2)
            figures["painted 50"] = await painted(server)
            await others
    return figures


async def speed(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    if "first" in options.only:
        for way in WAYS:
            one = Load(through=way, runs=1, tokens=5)
            thinks = replace(one, asked_within=0.1)
            figures[f"at once {way}"] = await first_tokens(bench, one, options.repeats)
            figures[f"first {way}"] = await first_tokens(bench, thinks, options.repeats)
    for runs, pace in options.loads:
        for way in WAYS:
            if way not in options.ways:
                continue
            load = steady(way, runs, pace, options.tokens)
            before = asked(bench.product.database_url, SYNCS)
            result = await bench.ask(load)
            await asyncio.sleep(STATISTICS_DELAY)
            syncs = asked(bench.product.database_url, SYNCS) - before
            result["syncs_per_second"] = round(syncs / load.seconds)
            figures[f"{runs} at {pace:g} {way}"] = result
            sys.stderr.write(f"{runs} at {pace:g} {way}: {result}\n")
    return figures


async def first_tokens(bench: Bench, load: Load, repeats: int) -> dict[str, Any]:
    """One run at a time: the age of its first token."""
    firsts = []
    for _ in range(repeats):
        result = await bench.ask(load)
        firsts.append(result["first_p50"])
    return {"first_p50": round(statistics.median(firsts), 2), "each": firsts}


def load_of(text: str) -> tuple[int, float]:
    runs, _, pace = text.partition("@")
    return int(runs), float(pace or 30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON too")
    parser.add_argument(
        "--quick", action="store_true", help="a short try: 1 and 20 runs"
    )
    parser.add_argument("--painted", action="store_true", help="in a browser, too")
    parser.add_argument(
        "--loads",
        type=load_of,
        nargs="+",
        metavar="RUNS@PACE",
        default=[(1, 30.0), (50, 30.0), (200, 20.0), (200, 30.0)],
        help="answers at once, and tokens per second of each",
    )
    parser.add_argument("--tokens", type=int, default=200, help="in each answer")
    parser.add_argument("--repeats", type=int, default=15, help="of the first token")
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--stored", type=int, default=50, help="runs to weigh")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument(
        "--only", nargs="*", choices=("first", "rest"), default=("first", "rest")
    )
    options = parser.parse_args()
    if options.quick:
        options.loads, options.repeats = [(1, 30.0), (20, 30.0)], 3
        options.sockets, options.stored, options.tokens = 100, 10, 60
    figures = asyncio.run(measure(options))
    sys.stdout.write(printed(figures, os.cpu_count() or 0))
    if options.json:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
