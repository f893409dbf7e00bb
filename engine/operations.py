"""Operations: what we asked of a gateway, until its outcome is known.

It refuses to keep a credential longer than its operation is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.case import NOES, PENDING, Operation, Verdict
from engine.clock import Clock
from engine.fire import Caller
from engine.ids import new_id
from engine.money import Tax
from engine.store import Row, Store
from engine.vault import Vault

LOOK_AFTER_S = (5, 10, 30, 60, *(300,) * 5, 3600)
"""Waits between look-ups of an unknown; after the last, daily."""
PENDING_AFTER_S = (60, 300, 1200, 3600)
"""The same while the gateway itself says that its result comes later."""
DAILY_S = 86_400
_PREFIX = {"prepare": "op", "approve": "op", "refund": "rf"}


@dataclass(frozen=True, slots=True)
class Durations:
    """Every wait of the engine, in seconds before scaling; each is a setting.

    settle_after_s: None takes the provider's capability.
    """

    call_deadline_s: float = 10.0
    settle_after_s: float | None = None
    canary_s: float = 20.0
    review_after_s: float = 3600.0
    page_life_s: float = 86_400.0
    refusals_per_hour: int = 20


class Operations:
    """The table of operations."""

    def __init__(self, store: Store, clock: Clock, vault: Vault, durations: Durations) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._durations = durations

    def new_id(self, kind: str) -> str:
        """An id for an operation of this kind: `op_…`, or `rf_…` for a refund."""
        return new_id(_PREFIX[kind], self._clock.now_us())

    def open(
        self,
        op_id: str,
        kind: str,
        row: Row,
        part: Tax,
        expected_total: int,
        settle_s: float,
        caller: Caller,
        *,
        credential: str | None = None,
        reason: str | None = None,
        sends: int = 1,
    ) -> None:
        """Write the intent's operation. Call inside `store.write()`."""
        now = self._clock.now_us()
        deadline = now + self._clock.micros(self._durations.call_deadline_s) if sends else now
        first_look = now + self._clock.micros(LOOK_AFTER_S[0])
        self._store.execute(
            "INSERT INTO operations (id, txn, provider, kind, state, amount, tax_free, vat, "
            "expected_total, reason, credential, call_deadline, settle_after, sends, looks, "
            "next_check_at, idem_route, idem_key, created_at) "
            "VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)",
            (
                op_id,
                row["id"],
                row["provider"],
                kind,
                part.amount,
                part.tax_free,
                part.vat,
                expected_total,
                reason,
                self._vault.seal(credential, op_id) if credential else None,
                deadline,
                now + self._clock.micros(settle_s),
                sends,
                max(deadline, first_look),
                caller.route if caller.key_mac else None,
                caller.key_mac,
                now,
            ),
        )

    def get(self, op_id: str) -> Row | None:
        """An operation's row."""
        return self._store.row("SELECT * FROM operations WHERE id = ?", (op_id,))

    def open_of(self, txn: str) -> Row | None:
        """The open operation of a transaction, or None."""
        return self._store.row("SELECT * FROM operations WHERE txn = ? AND state = 'open'", (txn,))

    def credential(self, op: Row) -> str:
        """The credential of an open operation, unsealed."""
        return self._vault.unseal(bytes(op["credential"]), op["id"])

    def conclude(self, op: Row, verdict: Verdict, sha256: str | None) -> bool:
        """Write what a verdict says of an open operation; False when it is open no longer.

        Call inside `store.write()`.
        """
        now = self._clock.now_us()
        if verdict.state is not None:
            touched = self._store.execute(
                "UPDATE operations SET state = ?, credential = NULL, settled_at = ?, "
                "call_deadline = ?, last_evidence = ?, last_sha256 = ? "
                "WHERE id = ? AND state = 'open'",
                (verdict.state, now, now, verdict.said or None, sha256, op["id"]),
            )
            return touched == 1
        touched = self._store.execute(
            "UPDATE operations SET call_deadline = MIN(call_deadline, ?), next_check_at = ?, "
            "last_evidence = ?, last_sha256 = ? WHERE id = ? AND state = 'open'",
            (now, self._next_check(op, verdict, now), _last_word(op, verdict), sha256, op["id"]),
        )
        return touched == 1

    def _next_check(self, op: Row, verdict: Verdict, now: int) -> int:
        if verdict.next in ("look", "resend"):
            return now
        waits: tuple[Any, ...] = PENDING_AFTER_S if verdict.next == "wait_pending" else LOOK_AFTER_S
        wait = waits[op["looks"]] if op["looks"] < len(waits) else DAILY_S
        due = now + self._clock.micros(wait)
        decidable = max(op["settle_after"], op["call_deadline"])
        return min(due, decidable) if now < decidable < due else due

    def resend(self, op: Row, settle_s: float) -> bool:
        """Take the right to send an operation again; False when somebody else did."""
        now = self._clock.now_us()
        deadline = now + self._clock.micros(self._durations.call_deadline_s)
        with self._store.write():
            touched = self._store.execute(
                "UPDATE operations SET sends = sends + 1, call_deadline = ?, settle_after = ?, "
                "next_check_at = ?, last_evidence = NULL "
                "WHERE id = ? AND state = 'open' AND sends = ?",
                (deadline, now + self._clock.micros(settle_s), deadline, op["id"], op["sends"]),
            )
        return touched == 1

    def claim(self, op: Row) -> bool:
        """Take the right to look an operation up once; False when somebody else has it."""
        lease = self._clock.now_us() + self._clock.micros(self._durations.call_deadline_s + 5)
        with self._store.write():
            touched = self._store.execute(
                "UPDATE operations SET next_check_at = ?, looks = looks + 1 "
                "WHERE id = ? AND state = 'open' AND next_check_at = ?",
                (lease, op["id"], op["next_check_at"]),
            )
        return touched == 1


def intent(op: str, part: Tax, total: int) -> dict[str, Any]:
    """The data of an intent entry."""
    return {
        "op": op,
        "amount": part.amount,
        "tax_free": part.tax_free,
        "vat": part.vat,
        "expected_total": total,
    }


def _last_word(op: Row, verdict: Verdict) -> str:
    """What is remembered: a no, or "later", of the gateway outlives the look-ups that follow it."""
    before = op["last_evidence"] or ""
    return before if before.startswith((*NOES, PENDING)) else verdict.said


def as_operation(row: Row | None) -> Operation | None:
    """An operation's row as weighing sees it."""
    if row is None:
        return None
    return Operation(
        id=row["id"],
        kind=row["kind"],
        state=row["state"],
        amount=row["amount"],
        tax_free=row["tax_free"],
        vat=row["vat"],
        expected_total=row["expected_total"],
        call_deadline=row["call_deadline"],
        settle_after=row["settle_after"],
        sends=row["sends"],
        last_evidence=row["last_evidence"],
        credential_held=row["credential"] is not None,
    )
