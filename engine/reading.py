"""One stream, read fast: each entry against those like it and the one before, then row and values.

It refuses to name a fault: it answers whether a stream is certainly whole, and `verify.py` says
the rest.
"""

from __future__ import annotations

import hashlib
import json
from binascii import hexlify, unhexlify
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from engine import swift
from engine.entry import COMMITTED_FIELDS, ZERO_HASH, commitment_begins
from engine.fold import COLUMNS
from engine.layout import Odd, token
from engine.patterns import BOOK, COMMITMENTS, PAYMENT, Pattern
from engine.rewriting import STEPS
from engine.verify import URL_FIELDS

Row: TypeAlias = tuple[Any, ...]
Groups: TypeAlias = tuple[Any, ...]
Entries: TypeAlias = Iterable[Row]

COPIES = ("customer_id", "item_name", "order_id", "metadata", "urls")
"""Columns of a payment's row that repeat personal values, after the columns of the fold."""
_begun = hashlib.sha256(b"strada/entry/1\n").copy
"""A hash that has taken what every entry's hash begins with."""
_ZERO = ZERO_HASH.encode()
_BEGUN = {name.encode(): hashlib.sha256(commitment_begins(name)).copy for name in COMMITTED_FIELDS}
_FACTS = len(COLUMNS)
_LONGEST, _SALT = 255, 32
"""Bytes of a stream's name at most, of a salt exactly."""
_URLS = tuple(name.encode() for name in URL_FIELDS)
_CHAIN = b'%d,"prev_hash":"%b'


class Book:
    """The stream of what belongs to no payment."""

    patterns: Mapping[tuple[bytes, bytes], Pattern] = BOOK

    def __init__(self) -> None:
        self.entries = 0
        """How many were read, up to and including the first that was not accepted."""
        self.stream = b""

    def whole(self, stream: bytes, entries: Entries, rows: list[Row], kept: list[Row]) -> bool:
        """Whether these are certainly a whole stream, its row and its personal values."""
        self.stream, self.entries = stream, 0
        head, last, number = _ZERO, -1, 0
        for _, seq, kind, event, at, written, raw in entries:
            self.entries = number = number + 1
            found = _begun()
            found.update(raw)
            if found.hexdigest().encode() != written or seq != number or not last < at:
                return False
            if self._matched(kind, event, at, head, seq, raw) is None:
                return False
            head, last = written, at
        return not kept

    def _matched(
        self, kind: bytes, event: bytes, at: int, head: bytes, seq: int, raw: bytes
    ) -> bytes | None:
        """The commitments of an entry that is as pattern, columns and chain say; else None."""
        pattern = self.patterns.get((kind, event))
        found = pattern.match(raw) if pattern is not None else None
        if pattern is None or found is None:
            return None
        groups = found.groups()
        if groups[-6:-3] != (b"%d" % at, head, b"%d" % seq) or groups[-2] != self.stream:
            return None
        if not self._taken(kind, event, groups, at):
            return None
        return groups[pattern.commitments] or b"" if pattern.commitments else b""

    def _taken(self, kind: bytes, event: bytes, groups: Groups, at: int) -> bool:
        return groups[-1] is None and groups[-3] is None and swift.released(groups[0])


class Payment(Book):
    """The stream of a payment, folded on the way; one reader reads many."""

    patterns = PAYMENT

    def __init__(self) -> None:
        super().__init__()
        self.now = swift.Running()
        self._values: dict[bytes, bytes] | None = None
        """The personal values of entry 1, when they are kept."""

    def whole(self, stream: bytes, entries: Entries, rows: list[Row], kept: list[Row]) -> bool:
        """Whether these are certainly a whole stream, its row and its personal values."""
        if not self.read(stream, entries, kept) or kept or len(rows) != 1:
            return False
        row = rows[0]
        if swift.row_of(self.now) != row[:_FACTS]:
            return False
        return self._values is None or _repeated(row, self._values)

    def read(self, stream: bytes, entries: Entries, kept: list[Row]) -> bool:
        """Whether these are certainly the entries of a stream; takes the values it opens off."""
        self.stream, self.entries = stream, 0
        self.now.status = self._values = None
        if not 0 < len(stream) <= _LONGEST:
            return False
        try:
            self.now.id = token(stream)
            return self._read(entries, kept)
        except (ValueError, TypeError):
            return False

    def _read(self, entries: Entries, kept: list[Row]) -> bool:
        now, number, head, last = self.now, 0, _ZERO, -1
        for _, seq, kind, event, at, written, raw in entries:
            self.entries = number = number + 1
            found = _begun()
            found.update(raw)
            if found.hexdigest().encode() != written or seq != number or not last < at:
                return False
            if kind == b"transition":
                held = STEPS.take(now, event, seq, raw, at, head)
            else:
                held = self._matched(kind, event, at, head, seq, raw)
            if held is None:
                return False
            if held and not self._opens(seq, kept, held):
                return False
            head, last = written, at
        now.head_seq, now.head_hash, now.last_at = number, head, last
        return now.status is not None

    def _taken(self, kind: bytes, event: bytes, groups: Groups, at: int) -> bool:
        begun = self.now.status is not None
        return begun and swift.beside(self.now, kind, event, groups, at)

    def _opens(self, seq: int, kept: list[Row], held: bytes) -> bool:
        """Whether the values of an entry open exactly its commitments, if they are still kept.

        Both come in the order of seq; what is opened is taken off.
        """
        if not kept or kept[0][1] != seq:
            return COMMITMENTS(held) is not None
        fields = kept.pop(0)[2]
        parts = fields.split(b'"')
        names, salts, values = tuple(parts[1::6]), parts[3::6], parts[5::6]
        opening = _OPENINGS.get(names)
        plain = opening is not None and parts[::2] == opening.frame and b"\\" not in fields
        if opening is None or not plain or not b"".join(values).decode().isprintable():
            names, salts, values = _parsed(fields)
            opening = _OPENINGS[names]
        found = []
        for place, begun in enumerate(opening.begun):
            salt, one = salts[place], begun()
            salted = unhexlify(salt)
            if len(salted) != _SALT or hexlify(salted) != salt:
                return False
            one.update(salted + values[place])
            found.append(one.hexdigest())
        if seq == 1:
            self._values = dict(zip(names, values, strict=True))
        return (opening.text % tuple(found)).encode() == held


class _Opening:
    """How values of certain names are opened."""

    __slots__ = ("begun", "frame", "text")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        self.begun = [_BEGUN[name] for name in names]
        """For each a hash that has taken what its commitment begins with."""
        self.text = "{" + ",".join(f'"{name.decode()}":"%s"' for name in names) + "}"
        """The commitments, hashes left out."""
        inner = [b": [", b", ", b"], "] * len(names)
        self.frame = [b"{", *inner[:-1], b"]}"]
        """What stands between the strings of the values as the engine writes them."""


class _Openings(dict[tuple[bytes, ...], _Opening]):
    """Names in their order → their opening; raises Odd for names that are not a commitment's."""

    def __missing__(self, names: tuple[bytes, ...]) -> _Opening:
        if not names or list(names) != sorted({*names}) or not _BEGUN.keys() >= {*names}:
            raise Odd
        self[names] = opening = _Opening(names)
        return opening


_OPENINGS = _Openings()


def _parsed(fields: bytes) -> tuple[tuple[bytes, ...], Sequence[bytes], Sequence[bytes]]:
    try:
        found = [(name, *pair) for name, pair in sorted(json.loads(fields.decode()).items())]
    except (TypeError, AttributeError, RecursionError) as error:
        raise Odd from error
    if not found or not all(len(one) == 3 and {*map(type, one)} == {str} for one in found):
        raise Odd
    names, salts, values = (
        [text.encode() for text in column] for column in zip(*found, strict=True)
    )
    return tuple(names), salts, values


def _repeated(row: Row, values: Mapping[bytes, bytes]) -> bool:
    """Whether the row's columns repeat the values that entry 1 commits to."""
    customer, item, order, metadata, urls = row[_FACTS:]
    get = values.get
    if customer != get(b"customer_id") or item != get(b"item_name") or order != get(b"order_id"):
        return False
    if metadata != get(b"metadata", b"{}"):
        return False
    if urls == b"{}":
        return values.keys().isdisjoint(_URLS)
    return _addressed(urls, values)


def _addressed(urls: bytes, values: Mapping[bytes, bytes]) -> bool:
    try:
        copies = dict.fromkeys(URL_FIELDS) | json.loads(urls.decode())
    except (ValueError, TypeError, RecursionError):
        return False
    held = {n.decode(): values[n].decode() for n in _URLS if n in values}
    return bool(copies == dict.fromkeys(URL_FIELDS) | held)
