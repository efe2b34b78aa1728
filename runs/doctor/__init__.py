"""What usually goes wrong with an installation, tested, and how to mend it.

`examine` looks from inside the server and never raises; `runs.doctor.outside` looks at
the public address as a browser would. A page and `manage.py doctor` show what they find.
"""

from __future__ import annotations

import asyncio

from runs.doctor import database, site, work
from runs.doctor.finding import (
    Check,
    Finding,
    Verdict,
    counted,
    has_failed,
    run,
    skipped,
)

__all__ = ["Finding", "Verdict", "counted", "examine", "has_failed", "names"]

LIMIT = 10.0  # seconds for a check, with whatever it waits for
DATABASE = "Database"
NEED_DATABASE: dict[str, Check] = {
    "Migrations": database.migrations,
    "Notices": database.notices,
    "Connections": database.connections,
    "Database clock": database.clock,
    "Workers": work.workers,
    "Queue": work.queue,
}
OTHERS: dict[str, Check] = {
    "Model server": work.model_server,
    "Public address": site.public_url,
    "Debugging": site.debug,
    "Disk": site.disk,
}


def names() -> list[str]:
    """What `examine` finds something about, in its order."""
    return [DATABASE, *NEED_DATABASE, *OTHERS]


async def examine() -> list[Finding]:
    """All that can be seen from inside, in a fixed order, within twice LIMIT seconds."""
    others = asyncio.gather(*(run(name, c, LIMIT) for name, c in OTHERS.items()))
    reached = await run(DATABASE, database.reachable, LIMIT)
    needs = NEED_DATABASE
    if has_failed([reached]):
        needs = dict.fromkeys(NEED_DATABASE, no_database)
    behind = await asyncio.gather(*(run(n, c, LIMIT) for n, c in needs.items()))
    return [reached, *behind, *await others]


async def no_database() -> Finding:
    return skipped("The database must be mended first.")
