"""Verifying the log: chain whole, every transition legal, amounts conserved, row equal to its fold.

It refuses to trust any column: everything is read from the entries' bytes, and the copies compared.
Memory is constant: one stream is held at a time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine import chart
from engine.canonical import canonical
from engine.entry import BOOK, ZERO_HASH, Entry, MalformedEntry, check, commitment, hash_of
from engine.fold import COLUMNS, Broken, Folded, apply, begin, given_of
from engine.guards import GUARDS
from engine.store import Store

_SELECT = (
    "SELECT CAST(stream AS BLOB), seq, CAST(kind AS BLOB), CAST(event AS BLOB), occurred_at, "
    "CAST(hash AS BLOB), CAST(entry AS BLOB) FROM entries"
)
"""Text is read as bytes: what is not UTF-8 any more is a finding, not a failure."""
TEXT_COLUMNS = frozenset(
    "id merchant provider account flow currency status chart head_hash provider_ref failure_code "
    "needs_review intent_op intent_source".split()
)
"""Columns of the fold that are text."""
_ROW = ", ".join(f"CAST({n} AS BLOB)" if n in TEXT_COLUMNS else n for n in COLUMNS)
_PERSONAL = ("customer_id", "item_name", "order_id", "metadata", "urls")
_COPIED = ", ".join(f"CAST({name} AS BLOB)" for name in _PERSONAL)
_SALT = re.compile(r"[0-9a-f]{64}")
URL_FIELDS = ("return_url", "approval_url", "cancel_url", "fail_url")
_OF_STREAM = "stream = CAST(? AS TEXT)"
_COPIES = ("stream", "seq", "kind", "event", "occurred_at")


@dataclass(frozen=True, slots=True)
class Finding:
    """The first bad entry of a stream, and what was expected instead."""

    stream: str
    seq: int
    expected: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification came to: `whole` when nothing was found."""

    entries: int
    streams: int
    findings: tuple[Finding, ...]
    slow: int = field(default=0, compare=False)
    """Streams that took the slow path; those that are not whole among them."""

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Step:
    """One entry and what the transaction was after it."""

    entry: Entry
    after: Folded | None


def verify(store: Store) -> Report:
    """Verify the whole log and every row, slowly; stops a stream at its first bad entry."""
    findings: list[Finding] = []
    entries = streams = 0
    counts = "SELECT CAST(stream AS BLOB), COUNT(*) FROM entries GROUP BY stream ORDER BY stream"
    for stream, count in store.iterate(counts):
        streams += 1
        entries += count
        found = verify_stream(store, stream)
        if found is not None:
            findings.append(found)
    findings.extend(_rows_without_log(store))
    findings.extend(_personal_without_log(store))
    return Report(entries, streams, tuple(findings), streams)


def replay(store: Store, stream: str) -> Iterator[Step]:
    """Fold a stream step by step; raises Broken at the first entry that cannot be."""
    rows = store.rows(f"{_SELECT} WHERE stream = ? ORDER BY seq", (stream,))
    yield from _steps(stream.encode(), (tuple(row.values()) for row in rows))


def verify_stream(store: Store, stream: bytes) -> Finding | None:
    """The first bad entry of one stream, with its row and its personal values, or None."""
    kept = _kept(store, stream)
    held: dict[int, Mapping[str, str]] = {}
    last: Folded | None = None
    reached: list[int] = [0]
    try:
        for step in _steps(stream, _watched(store, stream, reached)):
            seq = step.entry.fields["seq"]
            if seq in kept:
                held[seq] = step.entry.fields["data"].get("commitments", {})
            last = step.after
    except (Broken, MalformedEntry) as error:
        return Finding(text_of(stream), reached[0], str(error))
    found = _compare_row(store, last) if last is not None else None
    return found or _compare_personal(store, stream, kept, held)


def _watched(store: Store, stream: bytes, reached: list[int]) -> Iterator[tuple[Any, ...]]:
    """The rows of a stream; `reached` holds the seq column of the one given out last."""
    for row in store.iterate(f"{_SELECT} WHERE {_OF_STREAM} ORDER BY seq", (stream,)):
        reached[0] = row[1]
        yield row


def _kept(store: Store, stream: bytes) -> dict[int, bytes]:
    sql = f"SELECT seq, CAST(fields AS BLOB) FROM personal WHERE {_OF_STREAM} ORDER BY seq"
    return dict(store.iterate(sql, (stream,)))


def _steps(stream: bytes, rows: Iterable[tuple[Any, ...]]) -> Iterator[Step]:
    folded: Folded | None = None
    head, seq, at = ZERO_HASH, 0, -1
    for row in rows:
        entry = _read(row)
        fields = entry.fields
        if fields["seq"] != seq + 1:
            raise Broken(f"seq {seq + 1}: an entry is missing or was put in")
        if fields["prev_hash"] != head:
            raise Broken(f"prev_hash {head}, the hash of the entry before")
        if fields["occurred_at"] <= at:
            raise Broken(f"a time after {at}, the entry before")
        _legal(folded, fields)
        if stream != BOOK.encode():
            folded = begin(entry) if folded is None else apply(folded, entry)
        head, seq, at = entry.hash, seq + 1, fields["occurred_at"]
        yield Step(entry, folded)


def _read(row: tuple[Any, ...]) -> Entry:
    raw: bytes = row[6]
    digest = hash_of(raw)
    if digest.encode() != row[5]:
        raise Broken(f"hash {digest}, computed from the stored bytes")
    try:
        fields = json.loads(raw)
        exact = canonical(fields) == raw
    except (ValueError, RecursionError) as error:
        raise Broken("an entry that is canonical JSON") from error
    if not isinstance(fields, dict) or not exact:
        raise Broken("an entry that is canonical JSON")
    check(fields)
    for name, copy in zip(_COPIES, row, strict=False):
        if copy != (fields[name].encode() if isinstance(copy, bytes) else fields[name]):
            raise Broken(f"column {name} to repeat the entry's {name}")
    return Entry(fields, raw, digest)


def _legal(folded: Folded | None, fields: Mapping[str, Any]) -> None:
    edges = chart.edges_of(fields["chart"])
    if edges is None:
        raise Broken("a chart that was released")
    if fields["kind"] != "transition" or folded is None:
        return
    edge = (fields["source"], fields["event"], fields["target"])
    if edge not in edges:
        raise Broken(f"a transition of its chart; {edge} is none")
    guard = edges[edge]
    if guard is not None:
        rule = GUARDS.get(guard)
        if rule is None or not rule.holds(folded.facts(), given_of(fields), fields["target"]):
            raise Broken(f"guard {guard} to hold")


def _compare_row(store: Store, folded: Folded) -> Finding | None:
    sql = f"SELECT {_ROW} FROM transactions WHERE id = ?"
    row = next(store.iterate(sql, (folded.id,)), None)
    if row is None:
        return Finding(folded.id, folded.head_seq, "a transaction row for this stream")
    for name, copy in zip(COLUMNS, row, strict=True):
        value = getattr(folded, name)
        if copy != (value.encode() if isinstance(value, str) else value):
            return Finding(folded.id, folded.head_seq, f"row.{name} to be {value!r}")
    return None


def _compare_personal(
    store: Store, stream: bytes, kept: Mapping[int, bytes], held: Mapping[int, Mapping[str, str]]
) -> Finding | None:
    name = text_of(stream)
    for seq, fields in kept.items():
        if seq not in held:
            return Finding(name, seq, "an entry that commits to these personal values")
        values = _opened(fields, held[seq])
        if values is None:
            return Finding(name, seq, "the personal values that the entry commits to")
        if seq == 1 and (odd := _copied_wrong(store, stream, values)):
            return Finding(name, 1, f"row.{odd} to be the value that create commits to")
    return None


def _opened(raw: bytes, held: Mapping[str, str]) -> dict[str, str] | None:
    """Personal values, when each one opens its commitment."""
    try:
        kept = json.loads(raw.decode())
        opened = {
            name: commitment(name, salt_of(salt), value) for name, (salt, value) in kept.items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return {name: kept[name][1] for name in kept} if opened == dict(held) else None


def salt_of(text: str) -> bytes:
    """The bytes of a salt in its one spelling; raises ValueError or TypeError."""
    if _SALT.fullmatch(text) is None:
        raise ValueError("a salt is 32 bytes in lower-case hex")
    return bytes.fromhex(text)


def _copied_wrong(store: Store, stream: bytes, values: Mapping[str, str]) -> str | None:
    """The first column of the row that differs from the committed value it is a copy of."""
    sql = f"SELECT {_COPIED} FROM transactions WHERE id = CAST(? AS TEXT)"
    row = next(store.iterate(sql, (stream,)), None)
    if row is None:
        return None
    copies: dict[str, bytes | None] = dict(zip(_PERSONAL, row, strict=True))
    urls = copies.pop("urls")
    if copies["metadata"] == b"{}":
        copies["metadata"] = None
    for name, copy in copies.items():
        if copy != (values[name].encode() if name in values else None):
            return name
    return _url_wrong(urls, values)


def _url_wrong(urls: bytes | None, values: Mapping[str, str]) -> str | None:
    try:
        copies = dict.fromkeys(URL_FIELDS) | json.loads((urls or b"").decode())
    except (ValueError, TypeError, RecursionError):
        return "urls"
    for name, copy in copies.items():
        if copy != values.get(name):
            return str(name)
    return None


def text_of(raw: bytes) -> str:
    """A name to show, whatever its bytes."""
    return raw.decode(errors="backslashreplace")


def _rows_without_log(store: Store) -> Iterator[Finding]:
    orphans = store.iterate(
        "SELECT CAST(id AS BLOB) FROM transactions t WHERE NOT EXISTS "
        "(SELECT 1 FROM entries e WHERE e.stream = t.id AND e.seq = 1) ORDER BY id"
    )
    for (transaction,) in orphans:
        yield Finding(text_of(transaction), 1, "a log for this transaction")


def _personal_without_log(store: Store) -> Iterator[Finding]:
    orphans = store.iterate(
        "SELECT CAST(stream AS BLOB), seq FROM personal p WHERE NOT EXISTS "
        "(SELECT 1 FROM entries e WHERE e.stream = p.stream) ORDER BY stream, seq"
    )
    for stream, seq in orphans:
        yield Finding(text_of(stream), seq, "an entry that commits to these personal values")
