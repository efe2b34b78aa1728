from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings

from runs import tools


class RunsConfig(AppConfig):
    name = "runs"
    verbose_name = "Threadmill"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        tools.load(settings.TOOL_MODULES)
