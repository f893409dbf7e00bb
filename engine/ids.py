"""Prefixed, sortable ids: a type prefix and a UUIDv7 in Crockford base 32, such as `txn_01jd…`.

It refuses to carry meaning beyond its type and the millisecond it was made in.
"""

from __future__ import annotations

import re
import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26
_SHAPE = re.compile(r"[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26}")


def new_id(prefix: str, now_us: int) -> str:
    """Make an id such as `txn_…`; the first 48 of its 128 bits are `now_us` in milliseconds."""
    value = (now_us // 1000 & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    digits = [_ALPHABET[value >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5)]
    return f"{prefix}_{''.join(digits)}"


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the shape of an id of this type (not whether it exists)."""
    return _SHAPE.fullmatch(text) is not None and text.startswith(f"{prefix}_")
