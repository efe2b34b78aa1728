"""Inspection: every run with input, output, steps and log, and the assistants.

What happened is shown, never edited; ``events`` is the only writer of runs.
"""

from __future__ import annotations

from runs.admin import assistants, jobs, people, runs

__all__ = ["assistants", "jobs", "people", "runs"]
