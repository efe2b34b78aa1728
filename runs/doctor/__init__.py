"""What usually goes wrong with an installation, tested, and how to mend it.

`examine` looks from inside the server and never raises; `runs.doctor.outside` looks at
the public address as a browser would. A page and `manage.py doctor` show what they find.
"""

from __future__ import annotations

import asyncio

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

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
DATABASE = lazy("Database")
NEED_DATABASE: dict[Promise, Check] = {
    lazy("Migrations"): database.migrations,
    lazy("Notices"): database.notices,
    lazy("Connections"): database.connections,
    lazy("Database clock"): database.clock,
    lazy("Workers"): work.workers,
    lazy("Queue"): work.queue,
}
OTHERS: dict[Promise, Check] = {
    lazy("Model server"): work.model_server,
    lazy("Public address"): site.public_url,
    lazy("Debugging"): site.debug,
    lazy("Disk"): site.disk,
}


def names() -> list[str]:
    """What `examine` finds something about, in its order."""
    return [str(name) for name in (DATABASE, *NEED_DATABASE, *OTHERS)]


async def examine() -> list[Finding]:
    """All that can be seen from inside, in a fixed order, within twice LIMIT seconds."""
    others = asyncio.gather(*(run(str(name), c, LIMIT) for name, c in OTHERS.items()))
    reached = await run(str(DATABASE), database.reachable, LIMIT)
    needs = NEED_DATABASE
    if has_failed([reached]):
        needs = dict.fromkeys(NEED_DATABASE, no_database)
    behind = await asyncio.gather(*(run(str(n), c, LIMIT) for n, c in needs.items()))
    return [reached, *behind, *await others]


async def no_database() -> Finding:
    return skipped(_("The database must be mended first."))
