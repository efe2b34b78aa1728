"""A stream that shows what lies between server and reader: ten pieces, 200 ms apart.

Whoever looks from the shell has no session, but the same SECRET_KEY as the server: a
ticket signed with it opens the stream for a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from django.core import signing

PIECES = 10
PAUSE = 0.2  # seconds
TICKET_HEADER = "X-Doctor-Ticket"
TICKET_AGE = 60  # seconds
SALT = "runs.doctor.drip"


async def pieces() -> AsyncGenerator[str, None]:
    for number in range(1, PIECES + 1):
        if number > 1:
            await asyncio.sleep(PAUSE)
        yield f"data: {number}\n\n"


def ticket() -> str:
    return signing.dumps("drip", salt=SALT)


def is_ticket(text: str) -> bool:
    try:
        return bool(signing.loads(text, salt=SALT, max_age=TICKET_AGE) == "drip")
    except signing.BadSignature:
        return False
