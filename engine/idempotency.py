"""Idempotency across two commits: the key is written with the intent, its answer with the evidence.

It refuses to forget: a key lives as long as its transaction; its answer is replayed to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import Conflict, Invalid
from engine.fire import Caller
from engine.store import Row, Store
from engine.vault import same

STORED = frozenset({"ok", "created", "illegal_transition", "guard_refused"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call comes to: `created`, `ok`, `unknown`, or the code of a stored refusal.

    body: the exact JSON text. version: the transaction's, for the ETag. txn: its id.
    """

    code: str
    body: str
    version: int | None
    txn: str
    replayed: bool = False


class Keys:
    """The table of idempotency keys."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, caller: Caller, now: int) -> Answer | Row | None:
        """The stored answer of this request; its row where the outcome is not known; None if new.

        Raises Invalid for a key used with another request, Conflict while the first call runs.
        """
        if caller.key_mac is None:
            return None
        where = "WHERE i.merchant = ? AND i.route = ? AND i.key = ?"
        asked = (caller.merchant, caller.route, caller.key_mac)
        if self._store.row(f"SELECT 1 FROM idempotency i {where}", asked) is None:
            return None  # as most are; the join costs four times as much
        row = self._store.row(
            "SELECT i.*, o.state, o.call_deadline FROM idempotency i "
            f"LEFT JOIN operations o ON o.id = i.operation {where}",
            asked,
        )
        if row is None:
            return None
        if not same(bytes(row["fingerprint"]), caller.fingerprint):
            raise Invalid("idempotency_key_reused")
        if row["code"] is not None:
            return Answer(row["code"], row["body"], row["version"], row["txn"], replayed=True)
        if row["state"] == "open" and row["call_deadline"] > now:
            raise Conflict("idempotency_in_flight", retry_after=1)
        return row

    def put(
        self,
        caller: Caller,
        now: int,
        *,
        txn: str,
        operation: str | None = None,
        answer: Answer | None = None,
    ) -> None:
        """Write the key, with its answer when it is known. Call inside `store.write()`."""
        if caller.key_mac is None:
            return
        self._store.execute(
            "INSERT INTO idempotency (merchant, route, key, fingerprint, txn, operation, code, "
            "body, version, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                caller.merchant,
                caller.route,
                caller.key_mac,
                caller.fingerprint,
                txn,
                operation,
                answer.code if answer else None,
                answer.body if answer else None,
                answer.version if answer else None,
                now,
            ),
        )

    def fill(self, route: str, key: str, operation: str, answer: Answer | None) -> None:
        """Write the answer of an operation's key; None forgets the key. Inside `store.write()`."""
        where = "WHERE operation = ? AND route = ? AND key = ? AND code IS NULL"
        if answer is None or answer.code not in STORED:
            self._store.execute(f"DELETE FROM idempotency {where}", (operation, route, key))
            return
        self._store.execute(
            f"UPDATE idempotency SET code = ?, body = ?, version = ? {where}",
            (answer.code, answer.body, answer.version, operation, route, key),
        )
