from __future__ import annotations

from django import forms
from django.contrib import admin

from runs import tools
from runs.models import Assistant


def offered() -> list[tuple[str, str]]:
    """The server's tools as choices."""
    return [(tool.name, f"{tool.name}: {tool.description}") for tool in tools.offered()]


class AssistantForm(forms.ModelForm[Assistant]):
    server_tools = forms.MultipleChoiceField(
        choices=offered,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Functions that the server executes by itself when the model asks.",
    )

    class Meta:
        model = Assistant
        fields = "__all__"  # noqa: DJ007 - the admin below names them


@admin.register(Assistant)
class AssistantAdmin(admin.ModelAdmin[Assistant]):
    form = AssistantForm
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
        "server_tools",
        "tools",
        "response_format",
        "starters",
        "metadata",
    ]
