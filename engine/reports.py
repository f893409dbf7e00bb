"""Flow `reported`: the client talks to the gateway itself and reports; we look the payment up.

It refuses to believe a report: a reference is bound only when the gateway says that account,
transaction id, user and amount are this transaction's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import Conflict, GatewayTrouble, Invalid, Refusal
from engine.fire import Caller, folded_of
from engine.guards import Given
from engine.idempotency import Answer
from engine.payments import Payments
from engine.provider import Charged, Closed, NotCharged, NotFound, Outcome, Unknown
from engine.resource import render, user_of
from engine.store import Row


@dataclass(frozen=True, slots=True)
class Reports:
    """What a client's report leads to."""

    payments: Payments

    def ready(self, caller: Caller, transaction: str, reference: str) -> Answer:
        """Bind a reported reference; the payment is ready, or further if it was charged already."""
        known, row = self.payments.decisions.begin(caller, transaction)
        if known is not None:
            return known
        truth = self._bindable(caller, row, reference, "make_ready")
        charged = isinstance(truth, Charged)
        op = self.payments.operations.new_id("prepare")
        answer = self.payments.decisions.settled(
            caller, transaction, "make_ready", self._binding(caller, row, reference, op, charged)
        )
        if charged and not answer.replayed:
            self.payments.settlement.apply_evidence(transaction, None, truth, "report")
            answer = self._now(transaction)
            with self.payments.store.write():
                self.payments.keys.fill(caller.route, caller.key_mac or "", op, answer)
        return answer

    def approve(self, caller: Caller, transaction: str, reference: str) -> Answer:
        """Look a reported approval up; 409 `approval_not_taken` while nothing was charged."""
        known, row = self.payments.decisions.begin(caller, transaction)
        if known is not None:
            return known
        if row["status"] == "created" or row["captured_amount"]:
            self._decide(caller, row, "approve")
        truth = self._bindable(caller, row, reference, "approve")
        was_closed = row["closed_at"] is not None
        if isinstance(truth, Charged):
            self.payments.settlement.apply_evidence(transaction, None, truth, "report")
        row = self.payments.ledger.load(transaction)
        if row["status"] == "approving":  # charged, but not as we ordered it: under review
            return self.payments.decisions.answer("unknown", row)
        if row["captured_amount"] and not was_closed:  # some may have gone back meanwhile
            return self._answered(caller, row)
        self._decide(caller, row, "approve")
        extra = {"reason": "not_charged", "transaction": render(self.payments.store, row)}
        raise Conflict("approval_not_taken", extra=extra | {"transaction_id": transaction})

    def close(self, caller: Caller, transaction: str, event: str, reason: str | None) -> Answer:
        """Cancel or fail, after asking the gateway whether it charged."""
        known, row = self.payments.decisions.begin(caller, transaction)
        if known is not None:
            return known
        if row["provider_ref"] is not None and row["status"] == "ready":
            truth = self._asked(row, row["provider_ref"])
            if isinstance(truth, Charged):
                self.payments.settlement.apply_evidence(transaction, None, truth, "report")
        return self.payments.fire(caller, transaction, event, reason)

    def _binding(
        self, caller: Caller, bound: Row, reference: str, op: str, charged: bool
    ) -> Callable[[], Answer]:
        """Binds the reference. Of a charged payment the key is not answered yet: more follows."""
        payments, transaction = self.payments, bound["id"]

        def attempt() -> Answer:
            known, row = payments.decisions.begin(caller, transaction)
            if known is not None:
                return known
            window = payments.gateways.provider(row["provider"]).capabilities.window_s
            now = payments.clock.now_us()
            data = {
                "op": op,
                "reference": reference,
                "expires_at": now + payments.clock.micros(window),
            }
            folded = folded_of(row)
            entry = payments.decisions.transition(caller, row, folded, "make_ready", data)
            with payments.store.write():
                payments.ledger.advance(folded, [entry])
                answer = self._now(transaction)
                known_now = None if charged else answer
                payments.keys.put(caller, now, txn=transaction, operation=op, answer=known_now)
            return answer

        return attempt

    def _bindable(self, caller: Caller, row: Row, reference: str, event: str) -> Outcome:
        """What the gateway says of a reported reference; refuses one that is not this payment's."""
        truth = None
        if row["provider_ref"] in (None, reference):
            truth = self._asked(row, reference)
        if truth is None or not _is_of(row, truth):
            extra = {"guard": None, "reason": "reference_mismatch"}
            refusal = Invalid("guard_refused", extra=extra)
            self.payments.decisions.refuse(caller, row, folded_of(row), event, refusal, None)
        return truth

    def _asked(self, row: Row, reference: str) -> Outcome:
        truth = self.payments.gateways.look_up(row | {"provider_ref": reference})
        if isinstance(truth, Unknown):
            late = truth.kind == "timeout"
            code = "gateway_timeout" if late else "gateway_unavailable"
            raise GatewayTrouble(code, retry_after=5)
        return truth

    def _decide(self, caller: Caller, row: Row, event: str) -> None:
        self.payments.decisions.not_in_flight(row, event)
        given = Given(now=self.payments.clock.now_us())
        self.payments.decisions.check(caller, row, folded_of(row), event, given)

    def _answered(self, caller: Caller, row: Row) -> Answer:
        answer = self._now(row["id"])
        with self.payments.store.write():
            now = self.payments.clock.now_us()
            self.payments.keys.put(caller, now, txn=row["id"], answer=answer)
        return answer

    def _now(self, transaction: str) -> Answer:
        return self.payments.decisions.answer("ok", self.payments.ledger.load(transaction))


def _is_of(row: Row, truth: Outcome) -> bool:
    """Whether the gateway's answer is about this transaction: our id, user, amount and currency."""
    if isinstance(truth, Charged):
        amount = truth.captured
    elif isinstance(truth, NotCharged):
        amount = truth.amount
    elif isinstance(truth, Closed | NotFound):
        return False
    else:
        raise Refusal("gateway_surprise")
    return (truth.order_id, truth.user_id, amount, truth.currency) == (
        row["id"],
        user_of(row),
        row["amount"],
        row["currency"],
    )
