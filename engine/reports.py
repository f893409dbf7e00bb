"""Flow `reported`: the client talks to the gateway itself and reports; we look the payment up.

It refuses to believe a report: a reference is bound only when the gateway says that account,
transaction id, user and amount are this transaction's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
        return self._journalled(
            caller,
            transaction,
            {"event": "ready", "provider_ref": reference},
            lambda: self._settled(caller, transaction, "make_ready", reference, self._ready),
        )

    def approve(self, caller: Caller, transaction: str, reference: str) -> Answer:
        """Look a reported approval up; 409 `approval_not_taken` while nothing was charged."""
        return self._journalled(
            caller,
            transaction,
            {"event": "approve", "provider_ref": reference},
            lambda: self._settled(caller, transaction, "approve", reference, self._approve),
        )

    def close(self, caller: Caller, transaction: str, event: str, reason: str | None) -> Answer:
        """Cancel or fail, after asking the gateway whether it charged."""
        return self._journalled(
            caller,
            transaction,
            {"event": event},
            lambda: self._close(caller, transaction, event, reason),
        )

    def _journalled(
        self,
        caller: Caller,
        transaction: str,
        came: Mapping[str, str | None],
        act: Callable[[], Answer],
    ) -> Answer:
        self.payments.ledger.flow_of(transaction, caller.merchant)  # another's is not written down
        journal = self.payments.journal
        with journal.watch("report", transaction, came, caller.request_id) as seen:
            answer = act()
            if answer.replayed:
                seen.say("duplicate", "idempotent_replay")
            return answer

    def _close(self, caller: Caller, transaction: str, event: str, reason: str | None) -> Answer:
        known, row = self.payments.decisions.begin(caller, transaction)
        if known is not None:
            return known
        if row["provider_ref"] is not None and row["status"] == "ready":
            asked = self.payments.settlement.asking(row)
            truth = self._asked(row, row["provider_ref"])
            if isinstance(truth, Charged):
                self.payments.settlement.apply_evidence(transaction, None, truth, "report", asked)
        return self.payments.fire(caller, transaction, event, reason)

    def _settled(
        self,
        caller: Caller,
        transaction: str,
        event: str,
        reference: str,
        attempt: Callable[[Caller, Row, str], Answer],
    ) -> Answer:
        """Decide until nobody else is faster; each time the gateway is asked anew."""

        def begin() -> Answer:
            known, row = self.payments.decisions.begin(caller, transaction)
            return known if known is not None else attempt(caller, row, reference)

        return self.payments.decisions.settled(caller, transaction, event, begin)

    def _ready(self, caller: Caller, row: Row, reference: str) -> Answer:
        payments, transaction = self.payments, row["id"]
        asked = payments.settlement.asking(row)
        truth = self._bindable(caller, row, reference, "make_ready")
        window = payments.gateways.provider(row["provider"]).capabilities.window_s
        now, op = payments.clock.now_us(), payments.operations.new_id("prepare")
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
            known_now = None if isinstance(truth, Charged) else answer
            payments.keys.put(caller, now, txn=transaction, operation=op, answer=known_now)
        if isinstance(truth, Charged):  # of a charged payment the key is answered once that is in
            payments.settlement.apply_evidence(transaction, None, truth, "report", asked)
            answer = self._now(transaction)
            with payments.store.write():
                payments.keys.fill(caller.route, caller.key_mac or "", op, answer)
        return answer

    def _approve(self, caller: Caller, row: Row, reference: str) -> Answer:
        transaction = row["id"]
        if row["status"] == "created" or row["captured_amount"]:
            self._decide(caller, row, "approve")
        asked = self.payments.settlement.asking(row)
        truth = self._bindable(caller, row, reference, "approve")
        was_closed = row["closed_at"] is not None
        if isinstance(truth, Charged):
            self.payments.settlement.apply_evidence(transaction, None, truth, "report", asked)
        row = self.payments.ledger.load(transaction)
        if row["status"] == "approving":  # charged, but not as we ordered it: under review
            return self.payments.decisions.answer("unknown", row)
        if row["captured_amount"] and not was_closed:  # some may have gone back meanwhile
            return self._answered(caller, row)
        self._decide(caller, row, "approve")
        extra = {"reason": "not_charged", "transaction": render(self.payments.store, row)}
        raise Conflict("approval_not_taken", extra=extra | {"transaction_id": transaction})

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
