"""How transitions of one event and length are cut into their values, and written again from values.

An entry that its pattern took once teaches a layout. Others like it are not matched: their values
are predicted or cut out, the entry is written again, and only equal bytes will do. It refuses to
judge what is cut out: who uses a value holds it against `NAMES`, `ACTORS`, `token` or `digest`, and
a number against its bounds (its spelling is proved by writing it again).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import TypeAlias

from engine import patterns
from engine.patterns import Match, Pattern

Pieces: TypeAlias = tuple[bytes, ...]
"""Actor, the fields of `data` that are not predicted, key, request id; null or absent: empty."""
LIMIT = 9 * 10**15
"""Numbers from here on are left to the slow path, as patterns leave them."""
_HEX = b"0123456789abcdef"
_VISIBLE = bytes(sorted(set(range(0x21, 0x7F)) - set(b'"\\')))
_KNOWN = 10_000
"""Names and layouts that are kept at most: memory is constant."""


class Odd(ValueError):
    """A piece that is not certainly what should stand there."""


class _Known(dict[bytes, bytes]):
    """Values that come again and again, each held against its pattern once; raises Odd."""

    def __init__(self, match: Match) -> None:
        super().__init__()
        self._match = match

    def __missing__(self, piece: bytes) -> bytes:
        if self._match(piece) is None:
            raise Odd
        if len(self) < _KNOWN:
            self[piece] = piece
        return piece


NAMES, ACTORS = _Known(patterns.NAME), _Known(patterns.ACTOR)


def token(piece: bytes) -> bytes:
    """A name that comes but once, or nothing where nothing was; raises Odd."""
    if piece.translate(None, _VISIBLE):
        raise Odd
    return piece


def digest(piece: bytes) -> bytes:
    """A hash that comes but once, or nothing where nothing was; raises Odd."""
    if piece.translate(None, _HEX):
        raise Odd
    return piece


class Layout:
    """Where transitions of one event, seq and length are cut, and what they have in common."""

    __slots__ = ("chart", "cut", "seq", "source", "target", "text")

    def __init__(self, pattern: Pattern, found: re.Match[bytes], predicted: frozenset[str]) -> None:
        raw, count = found.string, found.re.groups
        self.chart, self.source, self.target = found[1], found[count - 2], found[count]
        self.seq = int(found[count - 3])
        text, cuts, end = b"", "", 0
        for low, high, spelt, known in _values(pattern, found, predicted):
            text += raw[end:low].replace(b"%", b"%%") + spelt
            cuts += f"{low - end}x{high - low}{'x' if known else 's'}"
            end = high
        self.text = text + raw[end:].replace(b"%", b"%%")
        """Takes actor, all fields of `data`, key, time, hash before, request id, stream."""
        self.cut: Callable[[bytes], Pieces] = struct.Struct(f"{cuts}{len(raw) - end}x").unpack


Value: TypeAlias = tuple[int, int, bytes, bool]
"""From, to, how it is written, and whether it is predicted."""


def _values(pattern: Pattern, found: re.Match[bytes], predicted: frozenset[str]) -> list[Value]:
    """Where the values stand, in order; what is absent stands empty after the one before it."""
    raw, last = found.string, found.re.groups
    values: list[Value] = [(len(b'{"actor":"'), found.start(1) - len(b'","chart":"'), b"%b", False)]
    places = {name: found.span(1 + n) for n, name in enumerate(pattern.fields, 1)}
    for name in pattern.names:
        low, high = places.get(name) or _hash_at(raw, name)
        if low < 0:
            low = high = values[-1][1]
        spelt = b"%d" if name in pattern.numbers else b"%b"
        values.append((low, high, spelt, name in predicted))
    at, prev, seq, stream = last - 5, last - 4, last - 3, last - 1
    key = found.start(at) - len(b',"kind":"transition","occurred_at":')
    low, high = (key, key) if raw.endswith(b"null", 0, key) else (key - 65, key - 1)
    values.append((low, high, b"%b", False))
    values.append((*found.span(at), b"%d", True))
    values.append((*found.span(prev), b"%b", True))
    low = found.end(prev) + len(b'","request_id":')
    high = found.start(seq) - len(b',"seq":')
    low, high = (high, high) if raw[low:high] == b"null" else (low + 1, high - 1)
    values.append((low, high, b"%b", False))
    values.append((*found.span(stream), b"%b", True))
    return values


def _hash_at(raw: bytes, name: str) -> tuple[int, int]:
    """Values hold no quotes, so what looks like this field is this field."""
    label = b'"%b":"' % name.encode()
    low = raw.find(label)
    return (low + len(label), low + len(label) + 64) if low >= 0 else (-1, -1)
