"""Checks of the settings of the site and of the disk under it."""

from __future__ import annotations

import asyncio
import shutil
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from runs.doctor.finding import Finding, failed, ok, skipped, warning

LOCAL = ("localhost", "127.0.0.1", "::1")
GB = 1024**3
LOW, TOO_LOW = 1 * GB, GB // 10  # bytes free


async def public_url() -> Finding:
    url = settings.PUBLIC_URL
    if not url:
        return warning(
            "PUBLIC_URL is not set, so only browsers on this machine are answered.",
            "Set PUBLIC_URL to the address people use, such as"
            " https://chat.example.com, and start again.",
        )
    if urlsplit(url).scheme == "https":
        return ok(f"{url}: cookies are secure, and HSTS is sent.")
    if urlsplit(url).hostname in LOCAL:
        return ok(f"{url}: for this machine only.")
    return warning(
        f"{url}: passwords and cookies cross the network unencrypted.",
        "Let Caddy or nginx end HTTPS and set PUBLIC_URL to the https address.",
    )


async def debug() -> Finding:
    if not settings.DEBUG:
        return ok("DEBUG is off.")
    found = "DEBUG is on: error pages show source code and settings."
    mend = "Remove DEBUG and start again."
    return failed(found, mend) if settings.PUBLIC_URL else warning(found, mend)


async def disk() -> Finding:
    """Space for SQLite, which refuses every write, deletions too, on a full disk."""
    if connection.vendor != "sqlite":
        return skipped("PostgreSQL keeps the data; watch the disk of its machine.")
    usage = await asyncio.to_thread(shutil.disk_usage, settings.DATA_DIR)
    found = f"{usage.free / GB:.1f} GB of {usage.total / GB:.1f} GB free."
    mend = f"Make room on the disk of {settings.DATA_DIR}."
    if usage.free < TOO_LOW:
        return failed(found, mend)
    return warning(found, mend) if usage.free < LOW else ok(found)
