"""Erasing a customer's personal values, everywhere, while every proof over the log stays valid.

It refuses while a payment can still move: what is needed to finish it must not be gone. The log is
not touched; the book notes what was erased, by count and hash, and never whose it was in clear.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.book import record
from engine.entry import BOOK
from engine.fire import Ledger
from engine.store import Row
from engine.vault import Vault

REST = frozenset("approved completed partially_refunded refunded cancelled failed expired".split())
"""States in which nothing is asked of a gateway and nothing is owed."""
BATCH = 200
"""Payments a commit, each commit with an entry of the book."""
_DOMAIN = b"strada/erased/1\n"
_CURES = {
    "created": "cancel it, or let it expire",
    "ready": "cancel it, or let it expire",
    "approving": "its outcome is being looked for: wait",
    "refunding": "its outcome is being looked for: wait",
    "captured_unwanted": "refund it",
}
_BLANK = (
    "UPDATE transactions SET order_id = NULL, order_slot = ?, customer_id = NULL, "
    "item_name = NULL, metadata = '{}', urls = '{}', next_action = NULL, return_token = NULL, "
    "failure_message = NULL, erased_at = ? WHERE id = ?"
)
_FORGET = (
    "DELETE FROM personal WHERE stream = ?",
    "UPDATE operations SET reason = NULL, credential = NULL WHERE txn = ?",
    "UPDATE journal SET digest = NULL WHERE txn = ?",
)
_UNREPEATABLE = "UPDATE idempotency SET fingerprint = ?, body = '{}' WHERE merchant = ? AND txn = ?"
"""The key stays, so that a repeat has no second effect; it is 422 then, not the stored answer. The
fingerprint goes, too: it would tell whether a guess at the request was right."""


class StillOpen(Exception):
    """Payments that can still move: (id, what to do about it)."""

    def __init__(self, payments: Sequence[tuple[str, str]]) -> None:
        super().__init__(f"{len(payments)} payments are still open")
        self.payments = tuple(payments)


@dataclass(frozen=True, slots=True)
class Erased:
    """How many payments, and how many entries' personal values."""

    payments: int = 0
    entries: int = 0

    def __add__(self, other: Erased) -> Erased:
        return Erased(self.payments + other.payments, self.entries + other.entries)


def digest(places: Iterable[tuple[str, int]]) -> str:
    """What the book says of the entries whose values are gone: one line each, in order."""
    lines = "".join(f"{stream} {seq}\n" for stream, seq in sorted(places))
    return hashlib.sha256(_DOMAIN + lines.encode()).hexdigest()


class Erasure:
    """Erases by customer, or by age."""

    def __init__(self, ledger: Ledger, vault: Vault) -> None:
        self._ledger = ledger
        self._store = ledger.store
        self._vault = vault

    def of_customer(self, merchant: str, customer: str) -> list[Row]:
        """A customer's payments that hold personal values, oldest first."""
        return self._select("merchant = ? AND customer_id = ?", merchant, customer)

    def due(self, retention_days: int) -> tuple[list[Row], list[tuple[str, str]]]:
        """Payments that nothing happened to for so long; and those among them that are open."""
        clock = self._ledger.clock
        before = clock.now_us() - clock.micros(retention_days * 86_400)
        rows = self._select("updated_at < ?", before)
        still = self.open_among(rows)
        held = {transaction for transaction, _ in still}
        return [row for row in rows if row["id"] not in held], still

    def erase_customer(self, merchant: str, customer: str, actor: str) -> Erased:
        """Erase all of a customer's payments; raises StillOpen, and then nothing was erased."""
        rows = self.of_customer(merchant, customer)
        still = self.open_among(rows)
        if still:
            raise StillOpen(still)
        whose = self._vault.customer_mac(merchant, customer)
        return self._in_batches(merchant, rows, actor, whose)

    def erase_due(self, retention_days: int, actor: str) -> Erased:
        """Erase what is due; what is still open stays."""
        done = Erased()
        rows, _ = self.due(retention_days)
        for merchant in sorted({row["merchant"] for row in rows}):
            own = [row for row in rows if row["merchant"] == merchant]
            done += self._in_batches(merchant, own, actor, None)
        return done

    def open_among(self, rows: Iterable[Row]) -> list[tuple[str, str]]:
        """Those that can still move: id, and what to do about it."""
        found = [(row["id"], self._why_open(row)) for row in rows]
        return [(transaction, why) for transaction, why in found if why is not None]

    # ----

    def _select(self, where: str, *params: object) -> list[Row]:
        return self._store.rows(
            "SELECT id, merchant, status, order_id, order_slot, needs_review, look_at, updated_at "
            f"FROM transactions WHERE erased_at IS NULL AND {where} ORDER BY id",
            params,
        )

    def _why_open(self, row: Row) -> str | None:
        if row["needs_review"] is not None:
            return f"it is under review: strada resolve {row['id']}"
        if row["status"] not in REST:
            return _CURES[row["status"]]
        if row["look_at"] is not None:
            return "its gateway is asked once more: let the worker run, and wait"
        waits = self._store.row(
            "SELECT 1 AS one FROM operations WHERE txn = ? AND state = 'open' "
            "UNION ALL SELECT 1 FROM rechecks WHERE txn = ?",
            (row["id"], row["id"]),
        )
        return None if waits is None else "its outcome is being looked for: wait"

    def _in_batches(
        self, merchant: str, rows: Sequence[Row], actor: str, whose: str | None
    ) -> Erased:
        done = Erased()
        for start in range(0, len(rows), BATCH):
            ids = [row["id"] for row in rows[start : start + BATCH]]
            done += self._erase(merchant, ids, actor, whose)
        return done

    def _erase(self, merchant: str, ids: Sequence[str], actor: str, whose: str | None) -> Erased:
        """One commit. The rows are read again in it: a payment may have moved since."""
        with self._store.write():
            rows = [row for one in ids for row in self._select("id = ?", one)]
            still = self.open_among(rows)
            if still:
                raise StillOpen(still)
            if not rows:
                return Erased()
            places = [place for row in rows for place in self._blank(row)]
            data = {
                "merchant": merchant,
                "payments": len(rows),
                "entries": len(places),
                "entries_sha256": digest(places),
            }
            record(self._ledger, "erased", data | ({"customer": whose} if whose else {}), actor)
            self._remember(places)
        return Erased(len(rows), len(places))

    def _blank(self, row: Row) -> list[tuple[str, int]]:
        """Erase one payment; returns the entries whose values are gone."""
        transaction, merchant = row["id"], row["merchant"]
        kept = self._store.rows("SELECT seq FROM personal WHERE stream = ?", (transaction,))
        slot = None
        if row["order_slot"] is not None:
            slot = self._vault.erased_slot(merchant, row["order_slot"])
        now = self._ledger.clock.now_us()
        self._store.execute(_BLANK, (slot, now, transaction))
        for sql in _FORGET:
            self._store.execute(sql, (transaction,))
        fresh = secrets.token_bytes(32)
        self._store.execute(_UNREPEATABLE, (fresh, merchant, transaction))
        return [(transaction, one["seq"]) for one in kept]

    def _remember(self, places: Iterable[tuple[str, int]]) -> None:
        head = self._store.rows("SELECT MAX(seq) AS seq FROM entries WHERE stream = ?", (BOOK,))
        for stream, seq in places:
            self._store.execute(
                "INSERT INTO erasures (stream, seq, book_seq) VALUES (?, ?, ?)",
                (stream, seq, head[0]["seq"]),
            )
