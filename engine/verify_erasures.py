"""Verifying erasures: personal values are held, or the book says that they were erased.

It refuses a silent gap: values that are gone without an entry of the book, or only in part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from engine.entry import BOOK, BOOK_DATA, NOTE_DATA, TRANSITION_DATA
from engine.erasure import digest
from engine.store import Store
from engine.verify import Finding

_COMMITTING = sorted(
    event
    for table in (TRANSITION_DATA, NOTE_DATA, BOOK_DATA)
    for event, schema in table.items()
    if "commitments" in schema.fields
)
_UNHELD = (
    "SELECT CAST(stream AS BLOB), seq, CAST(entry AS BLOB) FROM entries e "
    f"WHERE event IN ({', '.join('?' * len(_COMMITTING))}) "
    "AND NOT EXISTS (SELECT 1 FROM personal p WHERE p.stream = e.stream AND p.seq = e.seq) "
    "AND NOT EXISTS (SELECT 1 FROM erasures x WHERE x.stream = e.stream AND x.seq = e.seq) "
    "ORDER BY stream, seq"
)
_HALF = (
    "SELECT CAST(x.stream AS BLOB), x.seq FROM erasures x "
    "WHERE EXISTS (SELECT 1 FROM personal p WHERE p.stream = x.stream AND p.seq = x.seq) "
    "OR NOT EXISTS (SELECT 1 FROM entries e WHERE e.stream = x.stream AND e.seq = x.seq) "
    "ORDER BY x.stream, x.seq"
)
_SHOWN = (
    "SELECT CAST(t.id AS BLOB) FROM transactions t LEFT JOIN erasures x "
    "ON x.stream = t.id AND x.seq = 1 WHERE (t.erased_at IS NULL) <> (x.seq IS NULL) "
    "OR (x.seq IS NOT NULL AND (t.order_id IS NOT NULL OR t.customer_id IS NOT NULL "
    "OR t.item_name IS NOT NULL OR t.metadata <> '{}' OR t.urls <> '{}')) ORDER BY t.id"
)
_SAID = (
    "SELECT seq, CAST(entry AS BLOB) FROM entries WHERE stream = ? AND event = 'erased' "
    "ORDER BY seq"
)
_DONE = "SELECT book_seq, CAST(stream AS BLOB), seq FROM erasures ORDER BY book_seq, stream, seq"


def verify_erasures(store: Store) -> list[Finding]:
    """What is wrong with what is no longer held; [] when the book accounts for all of it."""
    return [*_unheld(store), *_half(store), *_shown(store), *_unsaid(store)]


def _unheld(store: Store) -> Iterator[Finding]:
    """The first entry of each stream whose values are neither held nor erased."""
    rows = store.iterate(_UNHELD, _COMMITTING)
    for stream, group in groupby(rows, key=lambda row: bytes(row[0])):
        lost = [seq for _, seq, entry in group if _data(entry).get("commitments")]
        if lost:
            expected = "the personal values that the entry commits to, or that they were erased"
            yield Finding(_text(stream), lost[0], expected)


def _data(entry: bytes) -> dict[str, Any]:
    """An entry's `data`; {} for what is no entry at all, as verification of the log says."""
    try:
        data = json.loads(entry)["data"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _half(store: Store) -> Iterator[Finding]:
    for stream, seq in store.iterate(_HALF):
        yield Finding(_text(stream), seq, "an entry, and none of the values that were erased")


def _shown(store: Store) -> Iterator[Finding]:
    for (stream,) in store.iterate(_SHOWN):
        yield Finding(_text(stream), 1, "a row that shows nothing that was erased")


def _unsaid(store: Store) -> Iterator[Finding]:
    said = {seq: _data(entry) for seq, entry in store.iterate(_SAID, (BOOK,))}
    for seq, group in groupby(store.iterate(_DONE), key=lambda row: int(row[0])):
        places = [(_text(stream), number) for _, stream, number in group]
        data = said.pop(seq, None)
        if data is None:
            yield Finding(*places[0], "an entry of the book that says that this was erased")
        elif (data.get("entries"), data.get("entries_sha256")) != (len(places), digest(places)):
            yield Finding(BOOK, seq, "exactly the entries whose values were erased then")
    for seq, data in said.items():
        if data.get("entries"):
            yield Finding(BOOK, seq, "exactly the entries whose values were erased then")


def _text(raw: bytes) -> str:
    return bytes(raw).decode("utf-8", "backslashreplace")
