"""Who answers in the chat that a page shows."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.translation import gettext as _

from runs import actions
from runs.models.assistants import DEFAULT_NAME
from runs.overrides import differing

register = template.Library()


@register.filter
def shown_name(name: str) -> str:
    """A name that a run has kept; that of the default is in the reader's language."""
    return _("Assistant") if name in ("", DEFAULT_NAME) else name


@register.inclusion_tag("chat/assistant_button.html", takes_context=True)
def assistant_button(context: dict[str, Any]) -> dict[str, Any]:
    """In the head of a thread, or of a new chat with the context's assistant."""
    thread, user = context.get("thread"), context["user"]
    assistant = actions.answering(thread, user) if thread else context["assistant"]
    return {
        "thread": thread,
        "assistant": assistant,
        "is_special": bool(thread and differing(assistant, thread)),
    }
