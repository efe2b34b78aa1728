"""What models there are to choose from: the servers are asked, now and then.

Browser and API share what was answered; see ``runs.providers.offered``.
"""

from __future__ import annotations

import time

from asgiref.sync import async_to_sync
from django.conf import settings

from runs import providers
from runs.providers import Offered

KEPT_SECONDS = 60.0
QUICK = {"connect_timeout": 3, "first_token_timeout": 4, "silence_timeout": 4}


class Offer:
    """What was offered when the servers were last asked."""

    def __init__(self) -> None:
        self._offered = Offered()
        self._until = 0.0

    def now(self) -> Offered:
        """Models and servers that are away; asked anew once KEPT_SECONDS are over."""
        if time.monotonic() >= self._until:
            self._offered = async_to_sync(_ask)()
            self._until = time.monotonic() + KEPT_SECONDS
        return self._offered


offer = Offer()


async def _ask() -> Offered:
    chosen = [
        providers.Server(name=name, **known | QUICK)
        for name, known in settings.MODEL_SERVERS.items()
        if name == settings.DEFAULT_MODEL_SERVER or known.get("base_url")
    ]
    return await providers.offered([(one, providers.connect(one)) for one in chosen])
