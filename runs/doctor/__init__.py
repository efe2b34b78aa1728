"""What usually goes wrong with an installation, tested, and how to mend it.

`examine` looks from inside the server and never raises; `runs.doctor.outside` looks at
the public address as a browser would. A page and `manage.py doctor` show what they find.
"""

from __future__ import annotations

import asyncio

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as named

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
DATABASE = named("Database")
NEED_DATABASE: dict[str, Check] = {
    named("Migrations"): database.migrations,
    named("Notices"): database.notices,
    named("Connections"): database.connections,
    named("Database clock"): database.clock,
    named("Workers"): work.workers,
    named("Queue"): work.queue,
}
OTHERS: dict[str, Check] = {
    named("Model server"): work.model_server,
    named("Public address"): site.public_url,
    named("Debugging"): site.debug,
    named("Disk"): site.disk,
}


def names() -> list[str]:
    """What `examine` finds something about, in its order."""
    return [_(name) for name in (DATABASE, *NEED_DATABASE, *OTHERS)]


async def examine() -> list[Finding]:
    """All that can be seen from inside, in a fixed order, within twice LIMIT seconds."""
    others = asyncio.gather(*(run(_(name), c, LIMIT) for name, c in OTHERS.items()))
    reached = await run(_(DATABASE), database.reachable, LIMIT)
    needs = NEED_DATABASE
    if has_failed([reached]):
        needs = dict.fromkeys(NEED_DATABASE, no_database)
    behind = await asyncio.gather(*(run(_(n), c, LIMIT) for n, c in needs.items()))
    return [reached, *behind, *await others]


async def no_database() -> Finding:
    return skipped(_("The database must be mended first."))
