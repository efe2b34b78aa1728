"""Figures as a reader wants them."""

from __future__ import annotations

import datetime as dt

from django import template
from django.utils.formats import number_format

register = template.Library()


@register.filter
def seconds(span: dt.timedelta) -> str:
    """0.8 s, 12 s, 3 min 5 s."""
    return _seconds(span.total_seconds())


@register.filter(name="span")
def of_seconds(total: float) -> str:
    """The same of a number of seconds."""
    return _seconds(total)


def _seconds(total: float) -> str:
    if total < 10:
        return f"{number_format(total, 1)} s"
    minutes, rest = divmod(round(total), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@register.filter
def count(number: int | None) -> str:
    """940, 1.2k, 34k; a question mark for what is not known."""
    if number is None:
        return "?"
    if number < 1_000:
        return str(number)
    thousands = number / 1_000
    return f"{number_format(thousands, 1 if number < 10_000 else 0)}k"
