"""What the API costs: streams beside bare ones, and requests per second.

Run by `python -m tests.bench_api`; the harness is that of `tests.bench`. All ways ask the
same scripted model server: ``openai`` the package's plain chat completion, ``client`` its
helper for streams of runs against the product, ``sse`` the same stream as bare lines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from tests.bench_load import Load, steady
from tests.bench_process import Sampler
from tests.bench_product import Product, client, model_server, product
from tests.server_process import manage

WAYS = ("openai", "client", "sse")
CLIENT = "tests.bench_api_client"
RUNS_OF_A_THREAD = 10
CLIENTS = 8  # at once, for requests per second
# What is asked, with the product's key, assistant, thread and run.
MAKE = """
import json
from runs import keys
from runs.models import Assistant, User
key, secret = keys.make(User.objects.get(), "bench", ("read", "write"))
print("MADE", json.dumps([secret, Assistant.objects.default().pk]))
"""
# A copy of a row, with other values in some columns.
COPY = """
INSERT INTO {table} SELECT made.* FROM {table} AS old, generate_series(%s::int, %s::int) AS n,
LATERAL jsonb_populate_record(old, {values}) AS made WHERE old.id = %s
"""
THREADS = """jsonb_build_object(
    'id', 'thread_' || lpad(n::text, 26, '0'),
    'created_at', old.created_at - n * interval '1 minute')"""
RUNS_THERE = """jsonb_build_object(
    'id', 'run_x' || lpad(n::text, 25, '0'),
    'created_at', old.created_at - n * interval '1 second')"""
RUNS_ELSEWHERE = """jsonb_build_object(
    'id', 'run_' || lpad(n::text, 26, '0'),
    'thread_id', 'thread_' || lpad((1 + n / 10)::text, 26, '0'),
    'created_at', old.created_at - n * interval '1 second')"""


@dataclass(frozen=True, slots=True)
class Bench:
    """The product, and who asks it."""

    model_url: str
    product: Product
    key: str
    assistant: str

    async def ask(self, load: Load) -> dict[str, Any]:
        """The figures of one load, with the web process's CPU in µs for a delta."""
        job = {
            "load": load.as_json(),
            "model_url": self.model_url,
            "url": self.product.web.base,
            "key": self.key,
            "assistant": self.assistant,
        }
        result, spent = await self._run(job)
        tokens = max(result["delivered"], 1)
        micros = {name: round(s / tokens * 1e6) for name, s in spent.items()}
        return {**result, "cpu_us": micros}

    async def _run(self, job: Any) -> tuple[dict[str, Any], Mapping[str, float]]:
        async with client(CLIENT, job) as process:
            sampler = Sampler({**self.product.pids, "client": process.pid})
            assert process.stdout
            async with sampler.sampling():
                said = await process.stdout.read()
        result: dict[str, Any] = json.loads(said)
        return result, sampler.between(result["begin"], result["end"])

    async def request(
        self, method: str, path: str, seconds: float = 4.0
    ) -> dict[str, Any]:
        """How often the request is answered in a second."""
        asked: dict[str, Any] = {
            "url": self.product.web.base,
            "key": self.key,
            "method": method,
            "path": path,
            "body": {} if method == "POST" else None,
            "clients": CLIENTS,
            "seconds": seconds,
        }
        async with client(CLIENT, {"requests": asked}) as process:
            assert process.stdout
            result: dict[str, Any] = json.loads(await process.stdout.read())
        return result


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    async with model_server() as model_url, product(model_url) as server:
        made = await manage("shell", "-v", "0", "-c", MAKE, env=dict(server.env))
        key, assistant = json.loads(made.out.partition("MADE ")[2])
        bench = Bench(model_url, server, key, assistant)
        for way in WAYS:  # What is loaded on first use.
            await bench.ask(Load(through=way, runs=2, tokens=20))
        thread, run = filled_thread(server.database_url)
        few, *more = options.stored
        figures = await requests(bench, thread, run, few)
        figures |= await streams(bench, options)
        for number in more:
            figures |= await requests(bench, thread, run, number)
    return figures


async def streams(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for way in WAYS:
        one = Load(through=way, runs=1, tokens=5)
        for name, load in (("at once", one), ("first", replace(one, asked_within=0.1))):
            ages = [
                (await bench.ask(load))["first_p50"] for _ in range(options.repeats)
            ]
            p50 = round(statistics.median(ages), 2)
            figures[f"{name} {way}"] = {"first_p50": p50, "each": ages}
        for runs in options.runs:
            load = steady(way, runs, tokens=options.tokens)
            figures[f"{runs} {way}"] = await bench.ask(load)
            sys.stderr.write(f"{runs} {way}: {figures[f'{runs} {way}']}\n")
    return figures


async def requests(bench: Bench, thread: str, run: str, stored: int) -> dict[str, Any]:
    """Requests per second with so many runs stored, at least."""
    fill(bench.product.database_url, thread, run, stored)
    figures: dict[str, Any] = {}
    for name, method, path in (
        ("create thread", "POST", "/v1/threads"),
        ("retrieve run", "GET", f"/v1/threads/{thread}/runs/{run}"),
        ("list runs", "GET", f"/v1/threads/{thread}/runs"),
        ("list threads", "GET", "/v1/threads"),
    ):
        figures[f"{name} {stored}"] = await bench.request(method, path)
        sys.stderr.write(f"{name} {stored}: {figures[f'{name} {stored}']}\n")
    return figures


def filled_thread(database_url: str) -> tuple[str, str]:
    """A thread with some runs, the only ones: one of them, and copies."""
    with psycopg.connect(database_url) as opened:
        query = "SELECT thread_id, id FROM runs_run WHERE status = 'completed' LIMIT 1"
        found = opened.execute(query).fetchone()
        assert found
        thread, run = found
        copy(opened, "runs_run", RUNS_THERE, 2, RUNS_OF_A_THREAD, run)
    return thread, run


def fill(database_url: str, thread: str, run: str, number: int) -> None:
    """Other threads of the same person, with ten runs each, until so many are stored."""
    with psycopg.connect(database_url) as opened:
        (there,) = opened.execute("SELECT count(*) FROM runs_run").fetchone() or (0,)
        if number > there:
            copy(opened, "runs_thread", THREADS, 1, 1 + number // 10, thread)
            copy(opened, "runs_run", RUNS_ELSEWHERE, 1, number - there, run)
    with psycopg.connect(database_url, autocommit=True) as opened:
        opened.execute("VACUUM ANALYZE")


def copy(
    opened: psycopg.Connection, table: str, values: str, first: int, last: int, row: str
) -> None:
    query = COPY.format(table=table, values=values)
    opened.execute(query.encode(), (first, last, row))


def printed(figures: Mapping[str, Any]) -> str:
    """The table."""
    rows: list[tuple[str, ...]] = [("streams, ms", *WAYS)]
    runs = sorted({int(n.split()[0]) for n in figures if n.split()[0].isdecimal()})
    for title, name, keys in (
        ("first token, 1 run, p50", "first", ["first_p50"]),
        ("the same, model answers at once", "at once", ["first_p50"]),
        *(
            (f"token age, {n} runs, p50 / p99", str(n), ["age_p50", "age_p99"])
            for n in runs
        ),
    ):
        parts = [figures.get(f"{name} {way}", {}) for way in WAYS]
        rows.append((title, *(" / ".join(str(p.get(k)) for k in keys) for p in parts)))
    for number in runs:
        parts = [figures.get(f"{number} {way}", {}).get("cpu_us", {}) for way in WAYS]
        cells = ["", *(str(part.get("web")) for part in parts[1:])]
        rows.append((f"web CPU for a delta, {number} runs, µs", *cells))
    for name, figure in figures.items():
        if "per_second" in figure:
            told = f"{figure['per_second']}/s, {figure['p50']} / {figure['p99']} ms"
            rows.append((f"{name} runs stored", told))
    width = max(len(row[0]) for row in rows)
    return "".join(
        f"{row[0]:<{width}}  {'  '.join(f'{cell:<14}' for cell in row[1:])}".rstrip()
        + "\n"
        for row in rows
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON too")
    parser.add_argument("--runs", type=int, nargs="*", default=[1, 50])
    parser.add_argument("--tokens", type=int, default=200, help="in each answer")
    parser.add_argument("--repeats", type=int, default=9, help="of the first token")
    parser.add_argument("--stored", type=int, nargs="+", default=[10, 100_000])
    options = parser.parse_args()
    figures = asyncio.run(measure(options))
    sys.stdout.write(printed(figures))
    if options.json:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
