"""Assistants, threads and messages from elsewhere, as JSON objects of the protocol.

They keep their ids and times. What is there already is left as it is, so that an import
can be repeated; what cannot be taken is refused with a reason, and the rest goes on.
"""

from __future__ import annotations

from runs.imports.reading import Found, read
from runs.imports.report import Report
from runs.imports.storing import store

__all__ = ["Found", "Report", "read", "store"]
