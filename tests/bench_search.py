"""How long a search over 100,000 messages takes, with SQLite and with PostgreSQL.

Part of `make bench`. What is timed is the answer to what somebody types on the search page,
titles and messages, as the server gives it to htmx.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster import cluster
from tests.server_process import environment, manage

MESSAGES = 100_000
GOALS = {"SQLite": 100.0, "PostgreSQL": 50.0}  # ms, of every kind, p95
PATIENCE = 600.0  # seconds

# Words as frequent as in a language: the n-th comes 1/n as often as the first. Alice has
# six threads in ten; of Bob's four she may read one.
FILL = f"""
import random
from itertools import accumulate
from django.db import connection
from runs.models import Message, Thread, User, text_part
dice = random.Random(5)
words = ["".join(dice.choices("abcdefghijklmnoprstuvw", k=dice.randint(2, 9))) for _ in range(30_000)]
weights = list(accumulate(1 / n for n in range(1, len(words) + 1)))
people = [User.objects.create_user(name) for name in ("alice", "bob")]

def some(most):
    return " ".join(dice.choices(words, cum_weights=weights, k=dice.randint(3, most)))

for number in range({MESSAGES} // 50):
    owner = people[number % 10 >= 6]
    shared = "read" if number % 10 == 9 else ""
    thread = Thread.objects.create(owner=owner, title=some(8), shared=shared)
    other = " elsewhere" if owner.username == "bob" and not shared else ""
    Message.objects.bulk_create(
        Message(
            thread=thread,
            number=place,
            role="user" if place % 2 else "assistant",
            content=[text_part(some(30 if place % 2 else 200) + " everywhere" + other)],
        )
        for place in range(1, 51)
    )
Message.objects.filter(pk=Message.objects.filter(thread__owner=people[0]).first().pk).update(
    content=[text_part("a needle")]
)
with connection.cursor() as cursor:
    cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
"""
LOOK = """
import json, statistics, time
from django.conf import settings
from django.test import Client
from runs.models import Message, User
settings.ALLOWED_HOSTS = ["testserver"]
client = Client(headers={"HX-Request": "true"})
client.force_login(User.objects.get(username="alice"))
text = Message.objects.filter(thread__owner__username="bob", thread__shared="read").last().text
kinds = {
    "a word that every message has": "everywhere",
    "one that only others' messages have": "elsewhere",
    "one of a single message": "needle",
    "one that nobody has": "haystacks",
    "four words of one message": " ".join(text.split()[:4]),
    "the beginning of many words": "ab",
}

def timed(query):
    begun = time.perf_counter()
    answer = client.get("/search", {"q": query})
    assert answer.status_code == 200, answer
    return (time.perf_counter() - begun) * 1000

def measured(query):
    timed(query)
    times = sorted(timed(query) for _ in range(40))
    return [statistics.median(times), times[37]]

print(json.dumps({kind: measured(query) for kind, query in kinds.items()}))
"""


async def measure() -> dict[str, dict[str, list[float]]]:
    """Of each database: p50 and p95 of each kind of search, in ms."""
    with tempfile.TemporaryDirectory() as folder:
        lite = await looked(environment(Path(folder)))
    with tempfile.TemporaryDirectory() as folder, cluster(fsync=True) as url:
        big = await looked(environment(Path(folder), DATABASE_URL=url))
    return {"SQLite": lite, "PostgreSQL": big}


async def looked(env: dict[str, str]) -> dict[str, list[float]]:
    await done("migrate", "--verbosity", "0", env=env)
    await done("shell", "--verbosity", "0", "-c", FILL, env=env)
    out = await done("shell", "--verbosity", "0", "-c", LOOK, env=env)
    figures: dict[str, list[float]] = json.loads(out.splitlines()[-1])
    return figures


async def done(*arguments: str, env: dict[str, str]) -> str:
    ended = await manage(*arguments, env=env, patience=PATIENCE)
    assert ended.code == 0, ended.err
    return ended.out


def lines(figures: dict[str, Any]) -> Iterator[str]:
    for database, kinds in figures.items():
        goal = GOALS[database]
        for kind, (median, late) in kinds.items():
            verdict = f"goal {goal:g} {'met' if late <= goal else 'NOT MET'}"
            name = f"{database}, {kind}, p50 / p95, ms"
            yield f"{name:64}{median:6.1f} / {late:5.1f}  {verdict}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON too")
    options = parser.parse_args()
    figures = asyncio.run(measure())
    sys.stdout.write(f"search over {MESSAGES:,} messages\n")
    sys.stdout.writelines(lines(figures))
    if options.json:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
