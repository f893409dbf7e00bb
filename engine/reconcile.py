"""Reconciliation: every payment a gateway knows, held against the gateway's own truth.

It refuses to mend a difference by hand: what the gateway says is evidence and goes the way of all
evidence, so a difference ends as a step in the log or as a review.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.payments import Payments
from engine.provider import Unknown

BATCH = 100


@dataclass(frozen=True, slots=True)
class Compared:
    """One payment's comparison; `said` is `agrees`, `changed`, `review` or `no_answer`."""

    id: str
    before: str
    after: str
    said: str


def reconcile(payments: Payments, since: int) -> Iterator[Compared]:
    """Ask about every payment with a reference that changed since (UTC microseconds)."""
    cursor = ""
    while True:
        rows = payments.store.rows(
            "SELECT id FROM transactions WHERE id > ? AND provider_ref IS NOT NULL "
            "AND updated_at >= ? ORDER BY id LIMIT ?",
            (cursor, since, BATCH),
        )
        for row in rows:
            yield _compare(payments, row["id"])
        if len(rows) < BATCH:
            return
        cursor = rows[-1]["id"]


def _compare(payments: Payments, transaction: str) -> Compared:
    row = payments.ledger.load(transaction)
    asked = payments.settlement.asking(row)
    truth = payments.gateways.look_up(row, row["intent_op"])
    if isinstance(truth, Unknown):
        return Compared(transaction, row["status"], row["status"], "no_answer")
    payments.settlement.apply_evidence(transaction, row["intent_op"], truth, "operator", asked)
    after = payments.ledger.load(transaction)
    changed = after["status"] != row["status"] or after["version"] != row["version"]
    said = "review" if after["needs_review"] else "changed" if changed else "agrees"
    return Compared(transaction, row["status"], after["status"], said)
