"""Closing a review by hand: a person, a reason, and a fresh look at the gateway attached.

It refuses to change what the log says about money: only evidence does that.
"""

from __future__ import annotations

from engine.errors import Conflict, GatewayTrouble
from engine.fire import Caller, Draft, LostRace, commit_to, folded_of
from engine.payments import Payments
from engine.provider import Unknown
from engine.store import Row

TRIES = 3


def resolve(payments: Payments, transaction: str, reason: str, actor: str) -> Row:
    """Look the payment up, apply what the gateway says, and close its review with a reason.

    Raises GatewayTrouble when the gateway does not answer, and Conflict `illegal_transition` when
    nothing is under review or what caused it still stands: an open operation, an unwanted charge.
    """
    row = payments.ledger.load(transaction)
    sha256: str | None = None
    if row["provider_ref"] is not None:
        asked = payments.settlement.asking(row)
        truth = payments.gateways.look_up(row, row["intent_op"])
        if isinstance(truth, Unknown):
            raise GatewayTrouble("gateway_unavailable", retry_after=5)
        payments.settlement.apply_evidence(transaction, row["intent_op"], truth, "operator", asked)
        sha256 = truth.evidence_sha256
    personal = commit_to({"reason": reason})
    data: dict[str, object] = {"commitments": personal.commitments}
    if sha256 is not None:
        data["sha256"] = sha256
    for _ in range(TRIES):
        row = payments.ledger.load(transaction)
        folded = folded_of(row)
        still = row["intent_op"] is not None or row["status"] == "captured_unwanted"
        if row["needs_review"] is None or still:
            raise Conflict("illegal_transition", extra={"current_status": row["status"]})
        note = Draft("note", "review_closed", folded.status, data)
        entry = payments.ledger.entry(folded, note, Caller(actor))
        try:
            with payments.store.write():
                payments.ledger.advance(folded, [entry], None, personal)
        except LostRace:
            continue
        return payments.ledger.load(transaction)
    raise Conflict("operation_in_flight", retry_after=1)
