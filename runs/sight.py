"""Which models take pictures, as far as their names say. Unknown ones do."""

from __future__ import annotations

from fnmatch import fnmatchcase

from django.conf import settings

from runs.models import Assistant, Thread

# Well-known models that read only text; servers refuse a request with a picture.
TEXT_ONLY = (
    "gpt-3.5*",
    "gpt-4",
    "gpt-4-0*",
    "gpt-4-32k*",
    "gpt-oss*",
    "o1-mini*",
    "o1-preview*",
    "o3-mini*",
    "deepseek-chat*",
    "deepseek-coder*",
    "deepseek-r1*",
    "deepseek-reasoner*",
    "deepseek-v3*",
    "codellama*",
    "llama2*",
    "llama-2*",
    "llama3",
    "llama3:*",
    "llama3.1*",
    "llama-3.1*",
    "llama3.3*",
    "llama-3.3*",
)


def can_see(model: str) -> bool:
    """Whether the model takes pictures; TEXT_ONLY_MODELS names more that don't."""
    whole = model.lower()
    names = {whole, whole.rpartition("/")[2]}
    patterns = (*TEXT_ONLY, *settings.TEXT_ONLY_MODELS)
    return not any(fnmatchcase(name, p) for name in names for p in patterns)


def sees(assistant: Assistant, thread: Thread | None = None) -> bool:
    """Whether the model that answers next takes pictures, as far as is known."""
    server = assistant.server or settings.DEFAULT_MODEL_SERVER
    default = settings.MODEL_SERVERS.get(server, {}).get("default_model", "")
    special = str(thread.parameters.get("model", "")) if thread else ""
    return can_see(special or assistant.model or default)
