"""Time travel: a transaction as of a seq or a moment, folded from its log.

It refuses to invent what the log does not hold: live-only fields are null.
"""

from __future__ import annotations

from typing import Any

from engine.errors import Missing
from engine.fold import COLUMNS, Folded
from engine.resource import render
from engine.store import Row, Store
from engine.verify import replay

LIVE_ONLY = ("next_action", "pending", "refunds", "payment_method")


def as_of(store: Store, row: Row, seq: int | None, at: int | None) -> dict[str, Any]:
    """The resource as it was after entry `seq`, or at `at` (UTC microseconds).

    Raises Missing when it did not exist then, or has no such entry yet.
    """
    found: Folded | None = None
    for step in replay(store, row["id"]):
        fields = step.entry.fields
        if (seq is not None and fields["seq"] > seq) or (
            at is not None and fields["occurred_at"] > at
        ):
            break
        found = step.after
    if found is None or (seq is not None and found.head_seq != seq):
        raise Missing("not_found")
    then = row | {name: getattr(found, name) for name in COLUMNS}
    then |= {"next_action": None, "method": None}
    return render(store, then) | dict.fromkeys(LIVE_ONLY)
