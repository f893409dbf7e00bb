"""Entries cut at known places: what a pattern once took shows where the next of its kind is cut.

Two entries of one length whose bytes are equal outside of their values differ in the values alone,
so comparing bytes replaces matching. It refuses to know what a value may be: who reads a piece
must read it through `NUMBERS`, `NAMES`, `token` or `digest`, or compare it with one that was.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, Generic, TypeAlias, TypeVar

from engine import patterns
from engine.patterns import Pattern

Pieces: TypeAlias = tuple[bytes, ...]
"""Fixed, actor, fixed, each field of `data` and what follows it, … key, …, time and previous hash,
…, request id, …, stream, fixed. What is null or absent is empty."""
DATA = slice(3, -8, 2)
"""The fields of `data`, in order."""
STREAM = -2
_HEX = b"0123456789abcdef"
_VISIBLE = bytes(sorted(set(range(0x21, 0x7F)) - set(b'"\\')))
_KNOWN = 20_000
"""Values and layouts that are kept, so that memory is constant."""
_DEEPEST = 40
"""Entries later in their stream are matched each time."""
_CUTS = 8
"""Layouts of one length that are tried before the pattern is."""


class Odd(ValueError):
    """A piece that is not certainly the canonical spelling of what should stand there."""


_Value = TypeVar("_Value")


class _Read(dict[bytes, _Value], Generic[_Value]):
    """Values that come again and again, each held against its pattern once; raises Odd."""

    def __init__(self, match: patterns.Match, read: Callable[[bytes], _Value]) -> None:
        super().__init__()
        self._match, self._value = match, read

    def __missing__(self, piece: bytes) -> _Value:
        if self._match(piece) is None:
            raise Odd
        value = self._value(piece)
        if len(self) < _KNOWN:
            self[piece] = value
        return value


NUMBERS = _Read(patterns.INTEGER, int)
NAMES = _Read(patterns.NAME, bytes)
ACTORS = _Read(patterns.ACTOR, bytes)


def token(piece: bytes) -> bytes:
    """A name that comes but once; its length is its layout's. Raises Odd."""
    if piece.translate(None, _VISIBLE):
        raise Odd
    return piece


def digest(piece: bytes) -> bytes:
    """A hash, or nothing where nothing was. Raises Odd."""
    if piece.translate(None, _HEX):
        raise Odd
    return piece


def instant(piece: bytes) -> int:
    """A time, which comes but once. Raises Odd."""
    if not (b"1" <= piece < b"9" and piece.isdigit()):
        return NUMBERS[piece]
    return int(piece)


class Layout:
    """Where transitions of one event, seq and length are cut, and what they have in common."""

    __slots__ = ("around", "chart", "commitments", "event", "fixed", "means", "source", "target", "unpack")

    unpack: Callable[[bytes], Pieces]

    def __init__(self, event: bytes, pattern: Pattern, found: re.Match[bytes]) -> None:
        self.event = event
        self.chart, self.source, self.target = found[1], *found.group(*_ends(found))
        self.means: Any = None
        """What it does to a payment; its reader's to fill."""
        place = pattern.names.index("commitments") if pattern.commitments else -1
        self.commitments = 3 + 2 * place if place >= 0 else 0
        """The piece that holds commitments, or 0."""
        sizes, end = [], 0
        for low, high in _values(pattern, found):
            sizes += [low - end, high - low]
            end = high
        sizes.append(len(found.string) - end)
        self.unpack = struct.Struct("".join(f"{size}s" for size in sizes)).unpack
        self.fixed = self.unpack(found.string)[::2]
        last = len(sizes)
        self.around = itemgetter(1, last - 8, last - 6, last - 4, last - 2)
        """Actor, key, time and previous hash, request id, stream."""


def _ends(found: re.Match[bytes]) -> tuple[int, int]:
    count = found.re.groups
    return count - 2, count


def _values(pattern: Pattern, found: re.Match[bytes]) -> list[tuple[int, int]]:
    """Where the values stand, in order; what is absent stands empty after the one before it."""
    raw, last = found.string, found.re.groups
    values = [(len(b'{"actor":"'), found.start(1) - len(b'","chart":"'))]
    begins = found.end(1) + len(b'","data":{')
    places = {name: found.span(1 + n) for n, name in enumerate(pattern.fields, 1)}
    for name in pattern.names:
        low, high = places.get(name) or _hash_at(raw, name, begins)
        values.append((low, high) if low >= 0 else (values[-1][1], values[-1][1]))
    at, prev, seq = last - 5, last - 4, last - 3
    key = found.start(at) - len(b',"kind":"transition","occurred_at":')
    values.append((key, key) if raw.endswith(b"null", 0, key) else (key - 65, key - 1))
    values.append((found.start(at), found.end(prev)))
    low = found.end(prev) + len(b'","request_id":')
    high = found.start(seq) - len(b',"seq":')
    values.append((high, high) if raw[low:high] == b"null" else (low + 1, high - 1))
    values.append(found.span(last - 1))
    return values


def _hash_at(raw: bytes, name: str, begins: int) -> tuple[int, int]:
    """Names hold no quotes, so what looks like this field is this field."""
    label = b'"%b":"' % name.encode()
    low = raw.find(label, begins - 1)
    return (low + len(label), low + len(label) + 64) if low >= 0 else (-1, -1)


Meaning: TypeAlias = Callable[[Layout], Any]


class Layouts(dict[tuple[bytes, int, int], list[Layout]]):
    """(event, seq, length) → the layouts of transitions that were seen, each with a meaning."""

    def __init__(self, meaning: Meaning) -> None:
        super().__init__()
        self._meaning = meaning
        self._count = 0

    def learn(self, event: bytes, seq: int, raw: bytes) -> Layout | None:
        """The layout of an entry that none of the known ones fits; None when it is not accepted."""
        pattern = patterns.PAYMENT.get((b"transition", event))
        found = pattern.match(raw) if pattern is not None else None
        if pattern is None or found is None or found[found.re.groups - 3] != b"%d" % seq:
            return None
        layout = Layout(event, pattern, found)
        layout.means = self._meaning(layout)
        if layout.means is None:
            return None
        known: Sequence[Layout] = self.get((event, seq, len(raw)), ())
        if seq <= _DEEPEST and self._count < _KNOWN and len(known) < _CUTS:
            self[event, seq, len(raw)] = [*known, layout]
            self._count += 1
        return layout
