"""Who is calling: a merchant's secret key, or the client secret of one transaction.

It refuses everything else with 401, and what a caller may not do with 403.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.store import Row
from web.problems import Problem
from web.wiring import Strada

CLIENT_EVENTS = frozenset({"ready", "approve", "cancel", "fail"})
"""What the holder of a client secret may fire."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller; `transaction` is set for a client secret only."""

    actor: str
    merchant: str
    scopes: frozenset[str]
    transaction: str | None = None

    @property
    def is_client(self) -> bool:
        """Whether this is a browser or app holding one transaction's client secret."""
        return self.transaction is not None

    def need(self, *scopes: str) -> None:
        """Raise 403 unless the key has one of these scopes."""
        if not self.scopes.intersection(scopes):
            raise Problem("insufficient_scope")

    def need_transaction(self, transaction: str) -> None:
        """Raise 404 for a client secret of another transaction."""
        if self.is_client and self.transaction != transaction:
            raise Problem("not_found")


def authenticate(strada: Strada, token: str | None) -> Principal:
    """The principal of a bearer token; raises 401."""
    if token is None:
        raise Problem("unauthenticated")
    if token.startswith("txn_"):
        return _client(strada, token)
    key = strada.merchants.authenticate(token)
    if key is None:
        raise Problem("unauthenticated")
    return Principal(f"key:{key.id}", key.merchant, key.scopes)


def _client(strada: Strada, token: str) -> Principal:
    transaction = strada.vault.owns(token)
    row: Row | None = None
    if transaction is not None:
        row = strada.store.row(
            "SELECT merchant, closed_at FROM transactions WHERE id = ?", (transaction,)
        )
    if row is None or _dead(strada, row):
        raise Problem("unauthenticated")
    return Principal("client", row["merchant"], frozenset({"client"}), transaction)


def _dead(strada: Strada, row: Row) -> bool:
    """A client secret dies a day after its transaction closed."""
    life = strada.clock.micros(strada.payments.durations.page_life_s)
    return row["closed_at"] is not None and row["closed_at"] + life < strada.clock.now_us()
