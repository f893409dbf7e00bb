"""Time travel of the book: every payment as it was when the tree had so many entries.

It refuses to read a row for it: what is shown is folded from the entries below that size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.entry import BOOK
from engine.fold import Folded
from engine.store import Store
from engine.verify import replay

_BEGUN = (
    "SELECT stream FROM tree WHERE seq = 1 AND position < ? AND stream <> ? "
    "AND stream < ? ORDER BY stream DESC LIMIT ?"
)
_MOVED = (
    "SELECT DISTINCT stream FROM tree WHERE position >= ? AND position < ? AND stream <> ? "
    "AND stream > ? ORDER BY stream LIMIT ?"
)
_HEAD = "SELECT MAX(seq) AS seq FROM tree WHERE stream = ? AND position < ?"
_LAST = "\x7f"
"""Sorts after every id."""
BATCH = 500
COMPARED = ("status", "captured_amount", "refunded_amount", "needs_review")


@dataclass(frozen=True, slots=True)
class Change:
    """A payment that differs between two sizes of the tree; `before` is None where it is new."""

    before: Folded | None
    after: Folded

    @property
    def differs(self) -> bool:
        """Whether more than its log differs: its state, its money, or its review."""
        if self.before is None:
            return True
        return any(getattr(self.before, n) != getattr(self.after, n) for n in COMPARED)


@dataclass(frozen=True, slots=True)
class Totals:
    """What was captured and refunded of one currency, in minor units."""

    captured: int = 0
    refunded: int = 0

    def grown(self, change: Change) -> Totals:
        """With what this change adds."""
        before = change.before
        return Totals(
            self.captured
            + change.after.captured_amount
            - (before.captured_amount if before else 0),
            self.refunded
            + change.after.refunded_amount
            - (before.refunded_amount if before else 0),
        )


def payment_at(store: Store, transaction: str, size: int) -> Folded | None:
    """A payment when the tree had `size` entries, or None before its first one."""
    head = store.row(_HEAD, (transaction, size))
    if head is None or head["seq"] is None:
        return None
    found: Folded | None = None
    for step in replay(store, transaction):
        if step.entry.fields["seq"] > head["seq"]:
            break
        found = step.after
    return found


def book_at(store: Store, size: int) -> Iterator[Folded]:
    """Every payment when the tree had `size` entries, newest first."""
    before = _LAST
    while True:
        rows = store.rows(_BEGUN, (size, BOOK, before, BATCH))
        for row in rows:
            found = payment_at(store, row["stream"], size)
            if found is not None:
                yield found
        if len(rows) < BATCH:
            return
        before = rows[-1]["stream"]


def changes(store: Store, first: int, second: int) -> Iterator[Change]:
    """Every payment with entries from the tree of `first` to that of `second`, oldest first."""
    after = ""
    while True:
        rows = store.rows(_MOVED, (first, second, BOOK, after, BATCH))
        for row in rows:
            found = payment_at(store, row["stream"], second)
            if found is not None:
                yield Change(payment_at(store, row["stream"], first), found)
        if len(rows) < BATCH:
            return
        after = rows[-1]["stream"]
