"""What must be true after every fault, whatever it was."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from tests.faults.client import LOST
from tests.faults.stage import Stage, until
from tests.faults.supervisor import Supervised
from tests.faults.tale import Tale
from tests.model_server_answer import Record
from tests.visitor import ENDS

Rows = list[dict[str, Any]]
RUNS = """
    SELECT id, status, attempt, last_seq, error_code FROM runs_run WHERE id = ANY(%s)
"""
EVENTS = """
    SELECT run_id, seq, attempt, type, data FROM runs_runevent
    WHERE run_id = ANY(%s) ORDER BY run_id, seq
"""
MESSAGES = """
    SELECT run_id, content FROM runs_message
    WHERE run_id = ANY(%s) AND on_path ORDER BY run_id, number
"""
TWICE = """
    SELECT idempotency_key, count(*) FROM runs_run
    GROUP BY user_id, idempotency_key HAVING count(*) > 1
"""
UNLEASED = """
    SELECT id, status FROM runs_run
    WHERE status IN ('in_progress', 'cancelling')
    AND (lease_until IS NULL OR lease_until < now())
"""
# What a lost database may leave in the log of a process.
DATABASE_IS_AWAY = re.compile(
    r"(psycopg|django\.db|procrastinate)\S*(OperationalError|InterfaceError|AdminShutdown"
    r"|CrashShutdown|CannotConnectNow|PoolTimeout|PoolClosed|ConnectionTimeout"
    r"|ConnectorException|IdleInTransactionSessionTimeout)"
)
CHAINED = re.compile(r"^(During handling of the above|The above exception was the)")
NOTHING = re.compile(r"(?!)")  # matches nothing
LETS_GO = 12.0  # seconds beyond a lease until the sweeper has been


async def faults_of(stage: Stage, tales: Sequence[Tale]) -> list[str]:
    """What is wrong with these runs, each with its run's log; empty if nothing is."""
    wrong = [f"{tale}: was never taken" for tale in tales if not tale.run]
    taken = [tale for tale in tales if tale.run]
    runs = [tale.run for tale in taken]
    rows = {row["id"]: row for row in await stage.query(RUNS, runs)}
    logs = by_run(await stage.query(EVENTS, runs))
    messages = by_run(await stage.query(MESSAGES, runs))
    for tale in taken:
        row, events = rows[tale.run], logs[tale.run]
        stored = text_in(messages[tale.run])
        shown = await _page_of(stage, tale)
        found = [
            *log_faults(row, events),
            *client_faults(tale, row),
            *text_faults(tale, events, {"message": stored, "page": shown}),
            *splice_faults(tale, row, events, stage.upstream.calls[tale.key]),
            *call_faults(row, events, len(stage.upstream.calls[tale.key])),
        ]
        if found:
            lines = [f"    {fault}" for fault in found]
            wrong.append("\n".join([str(tale), *lines, log_of(events)]))
    return wrong + await _database_faults(stage)


async def _page_of(stage: Stage, tale: Tale) -> str:
    reader = await stage.reader(tale.session)
    try:
        return await reader.text_of(tale.run)
    except LOST as error:
        return f"{type(error).__name__}: {error}"


async def _database_faults(stage: Stage) -> list[str]:
    async def all_leased() -> bool:
        return not await stage.query(UNLEASED)

    wrong: list[str] = []
    if not await until(all_leased, stage.lease + LETS_GO):
        wrong.append(f"active without a live lease: {await stage.query(UNLEASED)}")
    if doubled := await stage.query(TWICE):
        wrong.append(f"submitted once, but runs twice: {doubled}")
    return wrong


async def ends_of(stage: Stage, tales: Sequence[Tale]) -> list[str]:
    """How each run ended: its status, and the error's code if there is one."""
    rows = await stage.query(RUNS, [tale.run for tale in tales])
    codes = [f":{row['error_code']}" if row["error_code"] else "" for row in rows]
    return [f"{row['status']}{code}" for row, code in zip(rows, codes, strict=True)]


def by_run(rows: Rows) -> defaultdict[str, Rows]:
    """The rows of each run, in their order."""
    found: defaultdict[str, Rows] = defaultdict(list)
    for row in rows:
        found[row["run_id"]].append(row)
    return found


def log_faults(row: dict[str, Any], events: Rows) -> list[str]:
    """1..n without a gap, and one terminal event, the last."""
    seqs = [event["seq"] for event in events]
    ends = [event["seq"] for event in events if ENDS.match(event["type"])]
    wrong = []
    if seqs != list(range(1, row["last_seq"] + 1)):
        wrong.append(f"log is not 1..{row['last_seq']}: {seqs}")
    if ends != seqs[-1:]:
        wrong.append(f"terminal events at {ends} of {len(seqs)}")
    return wrong


def client_faults(tale: Tale, row: dict[str, Any]) -> list[str]:
    """What the client received is the log, and its end is the row's."""
    wrong = [f"gap {gap}" for gap in tale.gaps] + [f"told {e}" for e in tale.errors]
    if tale.seqs != list(range(1, row["last_seq"] + 1)):
        wrong.append(f"client saw {tale.seqs[-3:]} as its last of {row['last_seq']}")
    if tale.kind != row["status"]:
        wrong.append(f"client saw {tale.kind!r}, the row says {row['status']!r}")
    return wrong


def text_faults(tale: Tale, events: Rows, texts: dict[str, str]) -> list[str]:
    """The text at the client is that of the log, of the message and of the page."""
    deltas = [e["data"] for e in events if e["type"] == "thread.message.delta"]
    logged = "".join(data.get("text", "") for data in deltas)
    texts = {"log": logged, **texts}
    return [
        f"{name} has {len(text)} characters, the client {len(tale.text)}: "
        f"...{text[-40:]!r} and ...{tale.text[-40:]!r}"
        for name, text in texts.items()
        if text != tale.text
    ]


def splice_faults(
    tale: Tale, row: dict[str, Any], events: Rows, calls: Sequence[Record]
) -> list[str]:
    """All text is the beginning of one answer of the model server, or all of it."""
    wrong: list[str] = []
    attempts: dict[str, set[int]] = {}
    for event in events:
        if event["type"] == "thread.message.delta":
            of = attempts.setdefault(event["data"]["message"], set())
            of.add(event["attempt"])
    wrong += [f"{m} is of attempts {a}" for m, a in attempts.items() if len(a) > 1]
    sent = ["".join(f"{stamp} " for stamp in call.sent) for call in calls]
    if tale.text and not any(answer.startswith(tale.text) for answer in sent):
        wrong.append(f"text is no beginning of an answer: {tale.text[:200]!r}")
    whole = row["status"] == "completed" and tale.text not in sent
    return wrong + (["completed, but some of the answer is lost"] if whole else [])


def call_faults(row: dict[str, Any], events: Rows, calls: int) -> list[str]:
    """One call for each attempt and for each try that was told of.

    An attempt that was ended before it asked has made none: those that were lost, and
    the last one when its run did not end by itself.
    """
    kinds = Counter(event["type"] for event in events)
    most = row["attempt"] + kinds["thread.run.retrying"]
    lost = kinds["thread.run.queued"] - 1
    if row["error_code"] == "interrupted" or row["status"] in ("cancelled", "expired"):
        lost += 1
    if most - lost <= calls <= most:
        return []
    return [f"{calls} calls of the model server, {most - lost} to {most} expected"]


def text_in(messages: Rows) -> str:
    """The text of stored messages."""
    parts = [part for message in messages for part in message["content"]]
    return "".join(part["text"]["value"] for part in parts if part["type"] == "text")


def log_of(events: Rows) -> str:
    """The log of a run, a line for each event."""
    return "\n".join(
        f"      {e['seq']:4} a{e['attempt']} {e['type']} {str(e['data'])[:90]}"
        for e in events
    )


def tracebacks(processes: Iterable[Supervised], expected: re.Pattern[str]) -> list[str]:
    """What raised in the processes since the last call, but for what is expected."""
    found: Counter[str] = Counter()
    for process in processes:
        lines, process.err[:] = "".join(process.err).splitlines(), []
        for raised in raised_in(lines):
            if not expected.search(raised):
                found[f"{process.name}: {raised}"] += 1
    return [f"{raised} ({count} times)" for raised, count in found.items()]


def raised_in(lines: Sequence[str]) -> list[str]:
    """The last line of each traceback, which names the exception; of a chain of them,
    that of the last."""
    raised: list[str] = []
    is_inside = False
    for line in lines:
        if raised and CHAINED.search(line):
            raised.pop()
        if line.lstrip().startswith("Traceback (most recent call last)"):
            is_inside = True
        elif is_inside and line and not line[0].isspace():
            is_inside = False
            raised.append(line)
    return raised
