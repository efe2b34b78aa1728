"""Dates in each language, short and without ambiguity; see FORMAT_MODULE_PATH."""

from __future__ import annotations
