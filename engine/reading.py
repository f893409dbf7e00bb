"""One stream, read fast: each entry against those like it and the one before, then row and values.

It refuses to name a fault: it answers whether a stream is certainly whole, and `verify.py` says
the rest.
"""

from __future__ import annotations

import hashlib
import json
from binascii import unhexlify
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from engine import swift
from engine.entry import COMMITTED_FIELDS, ZERO_HASH, commitment_begins
from engine.fold import COLUMNS
from engine.layout import ACTORS, CHAINED, KEY, REQUEST, STREAM, Layout, Layouts, Odd, digest, token
from engine.patterns import BOOK, COMMITMENTS, PAYMENT, Pattern
from engine.verify import URL_FIELDS

Row: TypeAlias = tuple[Any, ...]
Groups: TypeAlias = tuple[Any, ...]

COPIES = ("customer_id", "item_name", "order_id", "metadata", "urls")
"""Columns of a payment's row that repeat personal values, after the columns of the fold."""
_begun = hashlib.sha256(b"strada/entry/1\n").copy
"""A hash that has taken what every entry's hash begins with."""
_ZERO = ZERO_HASH.encode()
_BEGUN = {name: hashlib.sha256(commitment_begins(name)).copy for name in COMMITTED_FIELDS}
_FACTS = len(COLUMNS)
_LONGEST, _SALT, _MOST = 255, 32, len(COMMITTED_FIELDS)
"""Bytes of a stream's name at most, of a salt exactly; values of an entry at most."""
_CHAIN = b'%d,"prev_hash":"%b'
_FRAMES = {
    1 + 6 * count: ["{", *[": [", ", ", "], "] * (count - 1), ": [", ", ", "]}"]
    for count in range(1, _MOST + 1)
}
"""What stands between the strings of personal values as the engine writes them."""
_NONE: tuple[Layout, ...] = ()
_LAYOUTS = Layouts(swift.meaning)


class Book:
    """The stream of what belongs to no payment."""

    patterns: Mapping[tuple[bytes, bytes], Pattern] = BOOK

    def __init__(self) -> None:
        self.entries = 0
        """How many were read, up to and including the first that was not accepted."""
        self.stream = b""

    def whole(self, stream: bytes, entries: Iterable[Row], rows: list[Row], kept: list[Row]) -> bool:
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
        self._values: dict[str, bytes] | None = None
        """The personal values of entry 1, when they are kept."""

    def whole(self, stream: bytes, entries: Iterable[Row], rows: list[Row], kept: list[Row]) -> bool:
        """Whether these are certainly a whole stream, its row and its personal values."""
        self.stream, self.entries = stream, 0
        self.now.status = self._values = None
        left = {seq: fields for _, seq, fields in kept}
        if len(rows) != 1 or len(left) != len(kept) or not 0 < len(stream) <= _LONGEST:
            return False
        try:
            if not self._read(stream, entries, left) or left:
                return False
        except ValueError:
            return False
        row = rows[0]
        if swift.row_of(self.now) != row[:_FACTS]:
            return False
        return self._values is None or _repeated(row, self._values)

    def _read(self, stream: bytes, entries: Iterable[Row], kept: dict[int, bytes]) -> bool:
        now, number, head, last = self.now, 0, _ZERO, -1
        for _, seq, kind, event, at, written, raw in entries:
            self.entries = number = number + 1
            found = _begun()
            found.update(raw)
            if found.hexdigest().encode() != written or seq != number or not last < at:
                return False
            if kind == b"transition":
                for layout in _LAYOUTS.get((event, seq, len(raw)), _NONE):
                    pieces = layout.unpack(raw)
                    if pieces[::2] == layout.fixed:
                        break
                else:
                    taught = _LAYOUTS.learn(event, seq, raw)
                    if taught is None:
                        return False
                    layout, pieces = taught, taught.unpack(raw)
                if pieces[STREAM] != stream or pieces[CHAINED] != _CHAIN % (at, head):
                    return False
                ACTORS[pieces[1]], digest(pieces[KEY]), token(pieces[REQUEST])
                if not layout.means(now, pieces, at):
                    return False
                held = pieces[layout.commitments] if layout.commitments else b""
            else:
                matched = self._matched(kind, event, at, head, seq, raw)
                if matched is None:
                    return False
                held = matched
            if held and not self._opens(seq, kept, held):
                return False
            head, last = written, at
        now.head_seq, now.head_hash, now.last_at = number, head, last
        return now.status is not None

    def _taken(self, kind: bytes, event: bytes, groups: Groups, at: int) -> bool:
        return swift.beside(self.now, kind, event, groups, at)

    def _opens(self, seq: int, kept: dict[int, bytes], held: bytes) -> bool:
        """Whether the values of an entry open exactly its commitments, if they are still kept."""
        fields = kept.pop(seq, None)
        if fields is None:
            return COMMITMENTS(held) is not None
        values, opened, last = {}, [], ""
        for name, salt, value in _values_of(fields):
            if not last < name:
                return False
            values[name] = encoded = value.encode()
            opened.append(f'"{name}":"{_opened(name, salt, encoded)}"')
            last = name
        if seq == 1:
            self._values = values
        return held == f"{{{','.join(opened)}}}".encode()


def _opened(name: str, salt: str, value: bytes) -> str:
    """The commitment that salt and value open; raises ValueError for odd ones."""
    begun, salted = _BEGUN.get(name), unhexlify(salt)
    if begun is None or len(salted) != _SALT or salted.hex() != salt:
        raise Odd
    one = begun()
    one.update(salted + value)
    return one.hexdigest()


def _values_of(fields: bytes) -> Iterable[tuple[str, str, str]]:
    """(name, salt, value) of personal values; raises ValueError for what is not certainly that."""
    text = fields.decode()
    if "\\" not in text and text.isprintable():
        parts = text.split('"')
        if parts[::2] == _FRAMES.get(len(parts)):
            return zip(parts[1::6], parts[3::6], parts[5::6], strict=True)
    return _parsed(text)


def _parsed(text: str) -> list[tuple[str, str, str]]:
    try:
        values = [(name, *pair) for name, pair in sorted(json.loads(text).items())]
    except (TypeError, AttributeError, RecursionError) as error:
        raise Odd from error
    if not all(len(one) == 3 and {*map(type, one)} == {str} for one in values):
        raise Odd
    return values


def _repeated(row: Row, values: Mapping[str, bytes]) -> bool:
    """Whether the row's columns repeat the values that entry 1 commits to."""
    customer, item, order, metadata, urls = row[_FACTS:]
    get = values.get
    if customer != get("customer_id") or item != get("item_name") or order != get("order_id"):
        return False
    if metadata != get("metadata", b"{}"):
        return False
    if urls == b"{}":
        return values.keys().isdisjoint(URL_FIELDS)
    return _addressed(urls, values)


def _addressed(urls: bytes, values: Mapping[str, bytes]) -> bool:
    try:
        copies = dict.fromkeys(URL_FIELDS) | json.loads(urls.decode())
    except (ValueError, TypeError, RecursionError):
        return False
    held = {name: values[name].decode() for name in URL_FIELDS if name in values}
    return bool(copies == dict.fromkeys(URL_FIELDS) | held)
