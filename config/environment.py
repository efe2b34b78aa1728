"""Readers of single environment variables, for config/settings.py and nobody else.

Each stops the start with a line that names the variable when its value cannot be right.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

# NAME_FILE may name a file that holds the value of NAME.
env = environ.FileAwareEnv()

YES = ("true", "1", "yes", "on")
NO = ("false", "0", "no", "off")
DEFAULT_PORTS = {"http": 80, "https": 443}


def read_file(default: Path) -> None:
    """Adds the lines NAME=value of ENV_FILE; the real environment goes before them."""
    path = Path(os.environ.get("ENV_FILE") or default)
    try:
        lines = path.read_text("utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        message = f"ENV_FILE {path} cannot be read: {error}."
        raise ImproperlyConfigured(message) from error
    env.read_env(io.StringIO(lines))


def text(name: str, default: str = "") -> str:
    """The variable without surrounding space; unset and empty both give the default.

    The raw value, not env(name): that would take a value beginning with "$", such as a
    key, for the name of another variable.
    """
    try:
        return (env.ENVIRON.get(name) or "").strip() or default
    except (OSError, UnicodeDecodeError) as error:
        message = f"{name}_FILE names a file that cannot be read: {error}."
        raise ImproperlyConfigured(message) from error


def number(name: str, default: int) -> int:
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 2**31):
        message = f"{name} must be a whole number above 0, not {value!r}."
        raise ImproperlyConfigured(message)
    return int(value)


def flag(name: str, default: str = "false") -> bool:
    value = text(name, default)
    if value.lower() not in YES + NO:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return value.lower() in YES


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in allowed:
        message = f"{name} must be {' or '.join(allowed)}, not {value!r}."
        raise ImproperlyConfigured(message)
    return value


def address(name: str) -> str:
    """An http or https address without its trailing slash, or "" when none is given."""
    value = text(name)
    if value:
        _checked(name, value)
    return value.rstrip("/")


def origin(name: str) -> str:
    """As `address`, but only scheme, host and port, spelt as browsers spell an Origin."""
    value = address(name)
    if not value:
        return ""
    parts = _checked(name, value)
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        message = f"{name} must be scheme, host and port only, not {value!r}."
        raise ImproperlyConfigured(message)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    if parts.port in (None, DEFAULT_PORTS[parts.scheme]):
        return f"{parts.scheme}://{host}"
    return f"{parts.scheme}://{host}:{parts.port}"


def _checked(name: str, value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        is_usable = parts.scheme in DEFAULT_PORTS and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, or half an IPv6 address
        is_usable = False
    if not is_usable or any(character.isspace() for character in value):
        message = f"{name} must be an http:// or https:// address, not {value!r}."
        raise ImproperlyConfigured(message)
    return parts


def postgresql(name: str) -> dict[str, Any]:
    """A PostgreSQL address as Django wants it, or nothing when none is given.

    Connections come from a pool. They are looked at before use, or else the first
    requests after a restart of PostgreSQL would each meet a dead one.
    """
    value = text(name)
    if not value:
        return {}
    if not value.startswith(("postgres://", "postgresql://")):
        message = f"{name} must be a postgres:// address; leave it out for SQLite."
        raise ImproperlyConfigured(message)
    try:
        config: dict[str, Any] = env.db_url_config(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is no address: {error}.") from error
    config["CONN_HEALTH_CHECKS"] = True
    config["OPTIONS"] = {
        **config.get("OPTIONS", {}),
        "pool": {"min_size": 1, "max_size": 16, "timeout": 10},
    }
    return config
