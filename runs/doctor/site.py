"""Checks of the settings of the site and of the disk under it."""

from __future__ import annotations

import asyncio
import shutil
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from runs.doctor.finding import Finding, failed, ok, skipped, warning

LOCAL = ("localhost", "127.0.0.1", "::1")
GB = 1024**3
LOW, TOO_LOW = 1 * GB, GB // 10  # bytes free


async def public_url() -> Finding:
    url = settings.PUBLIC_URL
    if not url:
        return warning(
            _("PUBLIC_URL is not set, so only browsers on this machine are answered."),
            _(
                "Set PUBLIC_URL to the address people use, such as"
                " https://chat.example.com, and start again."
            ),
        )
    if urlsplit(url).scheme == "https":
        return ok(_("%(url)s: cookies are secure, and HSTS is sent.") % {"url": url})
    if urlsplit(url).hostname in LOCAL:
        return ok(_("%(url)s: for this machine only.") % {"url": url})
    return warning(
        _("%(url)s: passwords and cookies cross the network unencrypted.")
        % {"url": url},
        _("Let Caddy or nginx end HTTPS and set PUBLIC_URL to the https address."),
    )


async def debug() -> Finding:
    if not settings.DEBUG:
        return ok(_("DEBUG is off."))
    found = _("DEBUG is on: error pages show source code and settings.")
    mend = _("Remove DEBUG and start again.")
    return failed(found, mend) if settings.PUBLIC_URL else warning(found, mend)


async def disk() -> Finding:
    """Space for SQLite, which refuses every write, deletions too, on a full disk."""
    if connection.vendor != "sqlite":
        return skipped(_("PostgreSQL keeps the data; watch the disk of its machine."))
    usage = await asyncio.to_thread(shutil.disk_usage, settings.DATA_DIR)
    found = _("%(free)s GB of %(total)s GB free.") % {
        "free": number_format(usage.free / GB, 1),
        "total": number_format(usage.total / GB, 1),
    }
    mend = _("Make room on the disk of %(place)s.") % {"place": settings.DATA_DIR}
    if usage.free < TOO_LOW:
        return failed(found, mend)
    return warning(found, mend) if usage.free < LOW else ok(found)
