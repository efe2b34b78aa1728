"""What every page knows, whichever view renders it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from chat.consumers import PROTOCOL


def site(_: HttpRequest) -> dict[str, object]:
    """A context processor."""
    return {
        "is_demo": settings.DEFAULT_MODEL_SERVER == "demo",
        "protocol": PROTOCOL,
        "socket_path": "/ws",
        "version": settings.STATIC_VERSION,
    }
