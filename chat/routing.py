"""Where websockets go. Whatever is not ours is accepted and closed with a code."""

from __future__ import annotations

from channels.routing import URLRouter
from channels.sessions import SessionMiddlewareStack
from django.urls import path, re_path

from chat.consumers import RunConsumer, UnknownPath

websocket_application = SessionMiddlewareStack(
    URLRouter(
        [
            path("ws", RunConsumer.as_asgi()),  # type: ignore[arg-type, list-item]
            re_path(r"", UnknownPath.as_asgi()),  # type: ignore[arg-type, list-item]
        ]
    )
)
