"""How many tokens a run may still spend: its limits are for all its model turns."""

from __future__ import annotations

from runs.models import Run


def prompt_left(run: Run) -> int | None:
    """Tokens that prompts may still have; None without a limit. May be negative."""
    return _left(run.max_prompt_tokens, run.input_tokens)


def completion_left(run: Run) -> int | None:
    """Tokens that answers may still have; None without a limit. May be negative."""
    return _left(run.max_completion_tokens, run.output_tokens)


def used_up(run: Run) -> str:
    """Why the run may not ask the model again, as the protocol names it, or ""."""
    left = {
        "max_completion_tokens": completion_left(run),
        "max_prompt_tokens": prompt_left(run),
    }
    return next((k for k, count in left.items() if count is not None and count < 1), "")


def _left(limit: int | None, used: int | None) -> int | None:
    return None if limit is None else limit - (used or 0)
