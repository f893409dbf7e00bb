"""The `book` stream: what belongs to no transaction (keys, merchants, accounts, charts).

It refuses to sit on the hot path: nothing that moves a payment writes here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine import chart
from engine.entry import BOOK, ZERO_HASH, seal
from engine.fire import Committed, Ledger


def record(
    ledger: Ledger,
    event: str,
    data: Mapping[str, Any],
    actor: str,
    personal: Committed | None = None,
) -> None:
    """Append a note to the book. Call inside `store.write()`."""
    head = ledger.store.row(
        "SELECT seq, occurred_at, hash FROM entries WHERE stream = ? ORDER BY seq DESC LIMIT 1",
        (BOOK,),
    ) or {"seq": 0, "occurred_at": -1, "hash": ZERO_HASH}
    entry = seal(
        {
            "stream": BOOK,
            "seq": head["seq"] + 1,
            "kind": "note",
            "event": event,
            "source": None,
            "target": None,
            "actor": actor,
            "request_id": None,
            "key": None,
            "occurred_at": max(ledger.clock.now_us(), head["occurred_at"] + 1),
            "chart": chart.VERSION,
            "data": dict(data),
            "prev_hash": head["hash"],
        }
    )
    ledger.append(entry, personal)


def adopt_chart(ledger: Ledger) -> bool:
    """Note in the book that this release's chart is in force; returns whether that is news."""
    if setting(ledger, "chart") == chart.VERSION:
        return False
    with ledger.store.write():
        if setting(ledger, "chart") == chart.VERSION:
            return False
        set_setting(ledger, "chart", chart.VERSION)
        record(ledger, "chart_adopted", {"chart": chart.VERSION}, "worker")
    return True


def setting(ledger: Ledger, name: str) -> str | None:
    """A value that the database remembers about itself."""
    row = ledger.store.row("SELECT value FROM settings WHERE name = ?", (name,))
    return None if row is None else str(row["value"])


def set_setting(ledger: Ledger, name: str, value: str) -> None:
    """Remember it. Call inside `store.write()`."""
    ledger.store.execute("DELETE FROM settings WHERE name = ?", (name,))
    ledger.store.execute("INSERT INTO settings (name, value) VALUES (?, ?)", (name, value))
