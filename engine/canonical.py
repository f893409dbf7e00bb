"""RFC 8785 (JCS) bytes for what Strada stores: objects, arrays, strings, integers, booleans, null.

It refuses floats, integers beyond 2⁵³ − 1 and lone surrogates: they have no one exact spelling.
Within those bounds the standard library's encoder, with ASCII keys sorted, gives JCS's bytes (a
test compares it with the `rfc8785` package over random values).
"""

from __future__ import annotations

import json
from typing import Any

MAX_INTEGER = 2**53 - 1
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)


def canonical(value: Any) -> bytes:
    """The canonical bytes of `value`; raises ValueError for what has none."""
    _check(value)
    return _ENCODER.encode(value).encode()


def _check(value: Any) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise ValueError("an integer beyond 2^53 - 1")
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise ValueError("an object key that is not ASCII text")
            _check(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check(inner)
    else:
        raise ValueError(f"{type(value).__name__} has no canonical form here")
