"""The ASGI application, for any ASGI server; config/server.py is ours."""

from __future__ import annotations

import os
from typing import Any

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

# These need the app registry, which the line above fills.
from django.conf import settings  # noqa: E402

from chat.routing import websocket_application  # noqa: E402
from config.health import with_health  # noqa: E402


def with_public_scheme(application: Any) -> Any:
    """Every request counts as HTTPS when PUBLIC_URL does.

    The proxy that ends HTTPS speaks plain HTTP to this process; PUBLIC_URL says so more
    safely than a header would, which anybody can send.
    """

    async def outer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if settings.IS_HTTPS:
            scope = {**scope, "scheme": "https"}
        await application(scope, receive, send)

    return outer


application = ProtocolTypeRouter(
    {
        "http": with_health(with_public_scheme(django_application)),
        "websocket": websocket_application,
    }
)
