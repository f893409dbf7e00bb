"""Verifying the log: chain whole, every transition legal, amounts conserved, row equal to its fold.

It refuses to trust any column: everything is read from the entries' bytes, and the copies compared.
Memory is constant: one stream is held at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
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
URL_FIELDS = ("return_url", "approval_url", "cancel_url", "fail_url")
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

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Step:
    """One entry and what the transaction was after it."""

    entry: Entry
    after: Folded | None


def verify(store: Store, progress: Callable[[int], None] | None = None) -> Report:
    """Verify the whole log and every row; stops a stream at its first bad entry."""
    findings: list[Finding] = []
    entries = streams = 0
    rows = store.iterate(f"{_SELECT} ORDER BY stream, seq")
    for raw_stream, group in groupby(rows, key=lambda row: row[0]):
        stream = _text(raw_stream)
        streams += 1
        held = list(group)
        entries += len(held)
        found = _verify_stream(store, stream, held)
        if found is not None:
            findings.append(found)
        if progress is not None:
            progress(len(held))
    findings.extend(_rows_without_log(store))
    findings.extend(_personal_without_log(store))
    return Report(entries, streams, tuple(findings))


def replay(store: Store, stream: str) -> Iterator[Step]:
    """Fold a stream step by step; raises Broken at the first entry that cannot be."""
    rows = store.rows(f"{_SELECT} WHERE stream = ? ORDER BY seq", (stream,))
    yield from _steps(stream, [tuple(row.values()) for row in rows])


def _verify_stream(store: Store, stream: str, rows: list[tuple[Any, ...]]) -> Finding | None:
    seq = 0
    last: Folded | None = None
    try:
        for step in _steps(stream, rows):
            seq = step.entry.fields["seq"]
            last = step.after
    except (Broken, MalformedEntry) as error:
        return Finding(stream, rows[seq][1], str(error))
    found = _compare_row(store, last) if last is not None else None
    return found or _compare_personal(store, stream, rows)


def _steps(stream: str, rows: list[tuple[Any, ...]]) -> Iterator[Step]:
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
        if stream != BOOK:
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
        if fields[name] != (_text(copy) if isinstance(copy, bytes) else copy):
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
    row = store.row(f"SELECT {', '.join(COLUMNS)} FROM transactions WHERE id = ?", (folded.id,))
    if row is None:
        return Finding(folded.id, folded.head_seq, "a transaction row for this stream")
    for name in COLUMNS:
        if row[name] != getattr(folded, name):
            return Finding(
                folded.id, folded.head_seq, f"row.{name} to be {getattr(folded, name)!r}"
            )
    return None


def _compare_personal(store: Store, stream: str, rows: list[tuple[Any, ...]]) -> Finding | None:
    for kept in store.rows("SELECT seq, fields FROM personal WHERE stream = ?", (stream,)):
        if not 1 <= kept["seq"] <= len(rows):
            return Finding(stream, kept["seq"], "an entry that commits to these personal values")
        held = json.loads(rows[kept["seq"] - 1][6])["data"].get("commitments", {})
        values = _opened(kept["fields"], held)
        if values is None:
            return Finding(stream, kept["seq"], "the personal values that the entry commits to")
        if kept["seq"] == 1 and (odd := _copied_wrong(store, stream, values)):
            return Finding(stream, 1, f"row.{odd} to be the value that create commits to")
    return None


def _opened(text: str, held: Mapping[str, str]) -> dict[str, str] | None:
    """Personal values, when each one opens its commitment."""
    try:
        kept = json.loads(text)
        opened = {
            name: commitment(name, bytes.fromhex(salt), value)
            for name, (salt, value) in kept.items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return {name: kept[name][1] for name in kept} if opened == dict(held) else None


def _copied_wrong(store: Store, stream: str, values: Mapping[str, str]) -> str | None:
    """The first column of the row that differs from the committed value it is a copy of."""
    row = store.row("SELECT * FROM transactions WHERE id = ?", (stream,))
    if row is None:
        return None
    copies = {name: row[name] for name in ("customer_id", "item_name", "order_id")}
    copies |= {"metadata": None if row["metadata"] == "{}" else row["metadata"]}
    try:
        copies |= dict.fromkeys(URL_FIELDS) | json.loads(row["urls"])
    except (ValueError, TypeError):
        return "urls"
    for name, copy in copies.items():
        if copy != values.get(name):
            return name
    return None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _rows_without_log(store: Store) -> Iterator[Finding]:
    orphans = store.iterate(
        "SELECT id FROM transactions t WHERE NOT EXISTS "
        "(SELECT 1 FROM entries e WHERE e.stream = t.id AND e.seq = 1)"
    )
    for (transaction,) in orphans:
        yield Finding(transaction, 1, "a log for this transaction")


def _personal_without_log(store: Store) -> Iterator[Finding]:
    orphans = store.iterate(
        "SELECT stream, seq FROM personal p WHERE NOT EXISTS "
        "(SELECT 1 FROM entries e WHERE e.stream = p.stream)"
    )
    for stream, seq in orphans:
        yield Finding(stream, seq, "an entry that commits to these personal values")
