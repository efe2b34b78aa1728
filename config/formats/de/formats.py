"""How dates look in German; the rest is Django's."""

from __future__ import annotations

DATE_FORMAT = "j. M Y"
DATETIME_FORMAT = "j. M Y, H:i"
