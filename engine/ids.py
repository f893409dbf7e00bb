"""Prefixed, sortable ids: a type prefix and a UUIDv7 in Crockford base 32, such as `txn_01jd…`.

It refuses to carry meaning beyond its type and the moment it was made at.
"""

from __future__ import annotations

import re
import secrets
import threading

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_SHIFTS = range(120, -1, -10)
_SHAPE = re.compile(r"[a-z]{2,5}_[0-9a-hjkmnp-tv-z]{26}")


class _Stamps:
    """Moments of 1/4096 ms, each later than the one before: ids of one process sort as made."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self, now_us: int) -> int:
        milliseconds, rest = divmod(now_us, 1000)
        with self._lock:
            self._last = max(milliseconds << 12 | rest * 4096 // 1000, self._last + 1)
            return self._last


_STAMPS = _Stamps()


def new_id(prefix: str, now_us: int) -> str:
    """Make an id such as `txn_…`: 60 bits of time around the version, 62 random ones."""
    stamp = _STAMPS.next(now_us)
    value = (stamp >> 12 & (1 << 48) - 1) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return f"{prefix}_{crockford(value)}"


def crockford(value: int) -> str:
    """130 bits in Crockford base 32: 26 digits."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the shape of an id of this type (not whether it exists)."""
    return _SHAPE.fullmatch(text) is not None and text.startswith(f"{prefix}_")
