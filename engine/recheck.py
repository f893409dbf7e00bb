"""After an accepted rollback: each payment that may have moved meanwhile is asked about first.

It refuses to guess: what the gateway says goes the way of all evidence, and a payment that no
gateway can be asked about is closed, so that it cannot be paid a second time.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.entry import Entry
from engine.fire import WORKER, LostRace, folded_of
from engine.payments import Payments
from engine.provider import Outcome, Unknown
from engine.store import Row

BATCH = 50
UNANSWERED = "rollback_unanswered"
_NONSENSE = ("surprise", "conflict")
"""Answers that will not get better by waiting."""


class Recheck:
    """Works off the list that `Rollback.accept` made."""

    def __init__(
        self,
        payments: Payments,
        may_ask: Callable[[str], bool],
        heard: Callable[[str, Outcome], None],
    ) -> None:
        self._payments = payments
        self._store = payments.store
        self._ledger = payments.ledger
        self._settlement = payments.settlement
        self._may_ask = may_ask
        self._heard = heard
        self._after = ""

    def run_once(self) -> int:
        """Ask about the next few; returns how many are settled with."""
        due = self._store.rows(
            "SELECT t.* FROM rechecks r JOIN transactions t ON t.id = r.txn "
            "WHERE r.txn > ? ORDER BY r.txn LIMIT ?",
            (self._after, BATCH),
        )
        self._after = due[-1]["id"] if len(due) == BATCH else ""
        return sum(self._ask(row) for row in due)

    def _ask(self, row: Row) -> bool:
        if row["provider_ref"] is None:
            if row["status"] == "created" and not self._close(row):
                return False
            return self._done(row)
        if not self._may_ask(row["provider"]):
            return False
        asked = self._settlement.asking(row)
        truth = self._payments.gateways.look_up(row, row["intent_op"])
        self._heard(row["provider"], truth)
        if not isinstance(truth, Unknown):
            self._settlement.apply_evidence(row["id"], row["intent_op"], truth, "worker", asked)
            return self._done(row)
        if truth.kind not in _NONSENSE and truth.detail != "account_gone":
            return False
        return self._review(row) and self._done(row)

    def _close(self, row: Row) -> bool:
        """Cancel what was never prepared in this log: what became of it cannot be asked."""
        folded = folded_of(row)
        entry = self._ledger.transition(folded, "cancel", {}, WORKER)
        running = self._payments.operations.open_of(row["id"])
        assert isinstance(entry, Entry), "what was only created can be cancelled"
        try:
            with self._store.write():
                if running is not None:
                    self._settlement.abandon(running)
                self._ledger.advance(folded, [entry], self._settlement.watch(folded, entry))
        except LostRace:
            return False
        return True

    def _review(self, row: Row) -> bool:
        return row["needs_review"] is not None or self._settlement.open_review(row, UNANSWERED)

    def _done(self, row: Row) -> bool:
        with self._store.write():
            self._store.execute("DELETE FROM rechecks WHERE txn = ?", (row["id"],))
        return True
