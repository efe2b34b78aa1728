from __future__ import annotations

from django.contrib import admin

from runs.models import Assistant


@admin.register(Assistant)
class AssistantAdmin(admin.ModelAdmin[Assistant]):
    list_display = ["__str__", "owner", "is_shared", "model", "server", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "description"]
    autocomplete_fields = ["owner"]
    fields = [
        "name",
        "description",
        ("owner", "is_shared", "colour"),
        "instructions",
        ("model", "server", "reasoning_effort"),
        ("temperature", "top_p"),
        "tools",
        "response_format",
        "starters",
        "metadata",
    ]
