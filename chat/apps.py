"""The chat app: what is seen in the browser. It has no models."""

from __future__ import annotations

from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
