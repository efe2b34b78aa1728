"""Time-ordered ids: a prefix and 26 characters of base 32 that sort bytewise."""

from __future__ import annotations

import secrets
import time

# Crockford's base 32: digits first, so that bytewise order is numeric order.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 26


def new_id(prefix: str) -> str:
    """A new id such as ``run_01jd…``: a UUIDv7 (RFC 9562, 5.7) in base 32."""
    milliseconds = time.time_ns() // 1_000_000
    random_a, random_b = secrets.randbits(12), secrets.randbits(62)
    value = milliseconds << 80 | 0x7 << 76 | random_a << 64 | 0b10 << 62 | random_b
    separator = "-" if prefix == "file" else "_"  # as the protocol has it
    return f"{prefix}{separator}{base32(value)}"


def base32(value: int) -> str:
    """A 128-bit number as 26 characters, most significant first."""
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
