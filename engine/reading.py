"""One stream, read fast: each entry against its pattern and the one before, then row and values.

It refuses to name a fault: it answers whether a stream is certainly whole, and `verify.py` says
the rest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from engine import swift
from engine.entry import COMMITTED_FIELDS, ZERO_HASH, commitment_begins
from engine.fold import COLUMNS
from engine.patterns import BOOK, PAYMENT
from engine.verify import URL_FIELDS

Row: TypeAlias = tuple[Any, ...]
Groups: TypeAlias = tuple[Any, ...]

COPIES = ("customer_id", "item_name", "order_id", "metadata", "urls")
"""Columns of a payment's row that repeat personal values, after the columns of the fold."""
_DOMAIN = b"strada/entry/1\n"
_ZERO = ZERO_HASH.encode()
_NAME = re.compile(rb"[!#-\[\]-~]{1,255}").fullmatch
_SALT = re.compile("[0-9a-f]{64}").fullmatch
_BEGINNINGS = {name: commitment_begins(name) for name in COMMITTED_FIELDS}
_FACTS = len(COLUMNS)
_PLAIN = COPIES[:3]
_sha256 = hashlib.sha256
_NUMBERS = [str(number).encode() for number in range(1_000)]


class Book:
    """The stream of what belongs to no payment."""

    __slots__ = ("entries", "held", "stream")

    patterns = BOOK

    def __init__(self, stream: bytes) -> None:
        self.stream = stream
        self.entries = 0
        """How many were read, up to and including the first that was not accepted."""
        self.held: dict[int, bytes] = {}
        """The commitments of each entry that has some."""

    def read(self, rows: Iterator[Row]) -> bool:
        """Whether these are certainly the whole stream, chained, typed and legal."""
        head, last, number, stream = _ZERO, -1, 0, self.stream
        get, take = self.patterns.get, self._take
        for _, seq, kind, event, occurred_at, written, raw in rows:
            self.entries = number = number + 1
            digest = _sha256(_DOMAIN + raw).hexdigest().encode()
            pattern = get((kind, event))
            if digest != written or pattern is None:
                return False
            found = pattern.match(raw)
            if found is None:
                return False
            groups = found.groups()
            if groups[-5] != head or groups[-4] != _written(number) or groups[-2] != stream:
                return False
            if seq != number or not last < occurred_at == int(groups[-6]):
                return False
            if not take(kind, event, groups, occurred_at):
                return False
            if pattern.commitments:
                self.held[seq] = groups[pattern.commitments]
            head, last = digest, occurred_at
        return self._end(head, number, last)

    def _take(self, kind: bytes, event: bytes, groups: Groups, at: int) -> bool:
        return groups[-1] is None and groups[-3] is None and swift.released(groups[0])

    def _end(self, head: bytes, seq: int, at: int) -> bool:
        return True

    def matches(self, rows: list[Row], kept: list[Row]) -> bool:
        """Whether nothing stands beside it that must be looked at."""
        return not kept


def _written(number: int) -> bytes:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number).encode()


class Payment(Book):
    """The stream of a payment, folded on the way."""

    __slots__ = ("now",)

    patterns = PAYMENT

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.now: swift.Running | None = None

    def _take(self, kind: bytes, event: bytes, groups: Groups, at: int) -> bool:
        now = self.now
        if now is None:
            return self._begin(kind, event, groups, at)
        if kind == b"transition":
            return swift.transition(now, event, groups, at)
        return swift.beside(now, kind, event, groups, at)

    def _begin(self, kind: bytes, event: bytes, groups: Groups, at: int) -> bool:
        if (kind, event) != (b"transition", b"create") or not swift.released(groups[0]):
            return False
        if _NAME(self.stream) is None:
            return False
        self.now = swift.begin(self.stream, groups, at)
        return self.now is not None

    def _end(self, head: bytes, seq: int, at: int) -> bool:
        if self.now is None:
            return False
        self.now.head_seq, self.now.head_hash, self.now.last_at = seq, head, at
        return True

    def matches(self, rows: list[Row], kept: list[Row]) -> bool:
        """Whether the row is the fold, and the personal values open their commitments."""
        if self.now is None or len(rows) != 1 or swift.row_of(self.now) != rows[0][:_FACTS]:
            return False
        return all(self._opens(seq, fields, rows[0]) for _, seq, fields in kept)

    def _opens(self, seq: int, fields: bytes, row: Row) -> bool:
        """Whether these values open exactly their entry's commitments, and the row repeats them."""
        try:
            values: dict[str, Any] = json.loads(fields.decode())
            opened = [
                f'"{name}":"{_opened(name, salt, value)}"'
                for name, (salt, value) in sorted(values.items())
            ]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return False
        if self.held.get(seq) != f"{{{','.join(opened)}}}".encode():
            return False
        return seq != 1 or _repeated(row, values)


def _opened(name: str, salt: str, value: str) -> str:
    """The commitment that salt and value open; raises ValueError or TypeError for odd ones."""
    if _SALT(salt) is None:
        raise ValueError(name)
    parts = _BEGINNINGS[name] + bytes.fromhex(salt) + value.encode()
    return _sha256(parts).hexdigest()


def _repeated(row: Row, values: dict[str, Any]) -> bool:
    """Whether the row's columns repeat the values that entry 1 commits to."""
    for place, name in enumerate(_PLAIN, _FACTS):
        copy = row[place]
        if copy is None:
            if name in values:
                return False
        elif name not in values or values[name][1].encode() != copy:
            return False
    metadata, urls = row[-2:]
    if metadata != (values["metadata"][1].encode() if "metadata" in values else b"{}"):
        return False
    if urls == b"{}":
        return values.keys().isdisjoint(URL_FIELDS)
    return _addressed(urls, values)


def _addressed(urls: bytes, values: dict[str, Any]) -> bool:
    try:
        copies = dict.fromkeys(URL_FIELDS) | json.loads(urls.decode())
    except (ValueError, TypeError, RecursionError):
        return False
    held = {name: values[name][1] for name in URL_FIELDS if name in values}
    return bool(copies == dict.fromkeys(URL_FIELDS) | held)
