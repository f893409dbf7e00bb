"""Weighing evidence: what an answer of a gateway means for a transaction, as a pure function.

Live answers, return URLs, reports and look-ups all come through `weigh`. It refuses to guess: a
negative answer that came too early says nothing, and one that contradicts opens a review.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.case import PENDING, Case, Next, Operation, Verdict
from engine.provider import (
    Action,
    Approved,
    Charged,
    Closed,
    NotCharged,
    NotFound,
    NotTaken,
    Outcome,
    Pending,
    Prepared,
    Refunded,
    Refused,
    Unknown,
)

MAX_RESENDS = 3
"""How often the worker sends one operation again, each time after a look-up."""


def weigh(case: Case, outcome: Outcome) -> Verdict:
    """What `outcome` means for this case; an outdated one neither denies nor contradicts."""
    verdict = _weigh(case, outcome)
    denies = verdict.evidence == "contradicts" or verdict.state == "rejected"
    if case.outdated and (denies or verdict.next == "resend"):
        return Verdict(evidence="early", next="look", said="outdated")
    return verdict


def _weigh(case: Case, outcome: Outcome) -> Verdict:
    op = case.operation
    if op is not None and op.is_open:
        weighing = {"prepare": _prepare, "approve": _approve, "refund": _refund}[op.kind]
        return weighing(case, op, outcome)
    if op is not None and isinstance(outcome, Prepared):
        return _late(op, outcome)
    return _unasked(case, outcome)


def _late(op: Operation, outcome: Prepared) -> Verdict:
    """Pages that nobody is sent to any more: the payment has moved on, or its caller has."""
    note = ("late_answer", {"op": op.id, "sha256": outcome.evidence_sha256})
    return Verdict(note=note, state="abandoned", said="late")


def _prepare(case: Case, op: Operation, outcome: Outcome) -> Verdict:
    if isinstance(outcome, Prepared):
        if case.folded.status != "created":
            return _late(op, outcome)
        data = {"op": op.id, "reference": outcome.reference, "expires_at": outcome.expires_at}
        columns = {"next_action": dict(outcome.next_action)}
        return Verdict((("make_ready", data),), state="settled", columns=columns)
    if isinstance(outcome, Refused):
        note = ("prepare_refused", {"op": op.id, "code": outcome.code})
        return Verdict(note=note, state="rejected", said=f"refused:{outcome.code}")
    said = outcome.kind if isinstance(outcome, Unknown) else "surprise"
    return Verdict(state="abandoned", said=said)


def _approve(case: Case, op: Operation, outcome: Outcome) -> Verdict:
    match outcome:
        case Approved() | Charged():
            return _approve_charged(case, op, outcome)
        case Refused() | NotTaken():
            return _approve_no(op, outcome)
        case Pending():
            return Verdict(next="wait_pending", said=PENDING)
        case NotCharged():
            return _approve_not_charged(case, op, outcome)
        case Closed():
            if case.too_early:
                return Verdict(evidence="early", next="wait", said="closed")
            return _declined(op, outcome.code, "", outcome.provider_code)
        case NotFound():
            if case.too_early or not case.window_over:
                return Verdict(evidence="early", next="wait", said="not_found")
            return _declined(op, "not_found", "", outcome.provider_code)
        case Unknown():
            return _unknown(outcome)
        case _:
            return Verdict(next="wait", said="surprise")


def _approve_no(op: Operation, outcome: Refused | NotTaken) -> Verdict:
    """A no to the first request is believed; to a repeated one only after a look-up."""
    if isinstance(outcome, Refused):
        if op.sends > 1:
            return Verdict(next="look", said=f"refused:{outcome.code}")
        return _declined(op, outcome.code, outcome.message, outcome.provider_code)
    if op.sends > 1:
        return Verdict(next="look", said=f"not_taken:{outcome.code}")
    return _not_taken(op, outcome.code)


def _not_taken(op: Operation, code: str) -> Verdict:
    data = {"op": op.id, "code": code}
    return Verdict((("approval_not_taken", data),), state="rejected", said=code)


def _unknown(outcome: Unknown) -> Verdict:
    following: Next = "look" if outcome.kind == "conflict" else "wait"
    return Verdict(next=following, said=outcome.kind)


def _declined(op: Operation, code: str, message: str, provider_code: str) -> Verdict:
    columns = {"failure_message": message, "failure_provider_code": provider_code}
    data = {"op": op.id, "code": code}
    return Verdict(
        (("approval_declined", data),), state="rejected", columns=columns, said=f"refused:{code}"
    )


def _approve_charged(case: Case, op: Operation, truth: Approved | Charged) -> Verdict:
    if not _is_ours(case, truth):
        return Verdict(evidence="contradicts", next="wait", said="contradicts")
    confirmed = {
        "op": op.id,
        "captured": truth.captured,
        "reference": truth.reference,
        "evidence_sha256": truth.evidence_sha256,
    }
    events: list[tuple[str, Mapping[str, Any]]] = [("approval_confirmed", confirmed)]
    if isinstance(truth, Charged) and truth.refunded_total:
        events.append(("refund_found", _refund_fact(truth)))
    return Verdict(tuple(events), state="settled", columns=_method(truth), said="charged")


def _approve_not_charged(case: Case, op: Operation, truth: NotCharged) -> Verdict:
    if truth.order_id != case.folded.id or case.user not in (None, truth.user_id):
        return Verdict(evidence="contradicts", next="wait", said="contradicts")
    if case.too_early:
        return Verdict(evidence="early", next="wait", said="not_charged")
    if op.last_evidence == PENDING:  # the gateway itself said that its result comes later
        return Verdict(next="wait_pending", said=PENDING)
    if op.said("refused:"):
        return _declined(op, op.said("refused:"), "", "")
    if case.window_over or not truth.still_payable:
        return _declined(op, "window_expired", "", "")
    if op.said("not_taken:"):
        return _not_taken(op, op.said("not_taken:"))
    if not truth.credential_alive:
        return _not_taken(op, "customer_must_act")
    can_resend = case.capabilities.approve_idempotent and op.credential_held
    if can_resend and op.sends <= MAX_RESENDS:
        return Verdict(next="resend", said="not_charged")
    return Verdict(next="wait", said="not_charged")


def _refund(case: Case, op: Operation, outcome: Outcome) -> Verdict:
    match outcome:
        case Refunded():
            return _refund_totals(case, op, outcome)
        case Charged():
            return _refund_looked_up(case, op, outcome)
        case Refused():
            if op.sends > 1:
                return Verdict(next="look", said=f"refused:{outcome.code}")
            return _rejected(op, outcome.code)
        case Pending():
            return Verdict(next="wait_pending", said=PENDING)
        case Unknown():
            return _unknown(outcome)
        case _:
            return Verdict(evidence="contradicts", next="wait", said="contradicts")


def _rejected(op: Operation, code: str) -> Verdict:
    data = {"op": op.id, "code": code}
    return Verdict(
        (("refund_rejected", data),),
        state="rejected",
        columns={"look_at": 0},
        said=f"refused:{code}",
    )


def _totals(truth: Refunded | Charged) -> tuple[int, int, int]:
    return truth.refunded_total, truth.tax_free_total, truth.vat_total


def _refund_totals(case: Case, op: Operation, truth: Refunded | Charged) -> Verdict:
    folded = case.folded
    expected = (
        op.expected_total,
        folded.refunded_tax_free + op.tax_free,
        folded.refunded_vat + op.vat,
    )
    if truth.reference != folded.provider_ref or _totals(truth) != expected:
        return Verdict(evidence="contradicts", next="wait", said="contradicts")
    data = _refund_fact(truth, op.id)
    return Verdict((("refund_settled", data),), state="settled", said="refunded")


def _refund_looked_up(case: Case, op: Operation, truth: Charged) -> Verdict:
    if not _is_ours(case, truth):
        return Verdict(evidence="contradicts", next="wait", said="contradicts")
    if _names(truth.actions, op.id) or truth.refunded_total == op.expected_total:
        return _refund_totals(case, op, truth)
    if truth.refunded_total != case.folded.refunded_amount:
        return Verdict(evidence="contradicts", next="wait", said="contradicts")
    if case.too_early:
        return Verdict(evidence="early", next="wait", said="not_refunded")
    if op.last_evidence == PENDING:
        return Verdict(next="wait_pending", said=PENDING)
    if op.said("refused:"):
        return _rejected(op, op.said("refused:"))
    if op.sends <= MAX_RESENDS:
        return Verdict(next="resend", said="not_refunded")
    return Verdict(next="wait", said="not_refunded")


def _names(actions: tuple[Action, ...], operation: str) -> bool:
    return any(action.kind == "refund" and action.operation == operation for action in actions)


def _unasked(case: Case, outcome: Outcome) -> Verdict:
    """Evidence about a transaction that waits for none: late answers, reports, second looks."""
    match outcome:
        case Approved() | Charged():
            return _unasked_charge(case, outcome)
        case Refunded():
            return _unasked_refund(case, outcome)
        case Refused() | NotTaken() | NotCharged() | Closed() | NotFound():
            if case.folded.captured_amount and not isinstance(outcome, Refused):
                return Verdict(evidence="contradicts", said="contradicts")
            return Verdict(said="nothing_new")
        case Prepared() | Pending() | Unknown():
            return Verdict(said="nothing_new")
        case _:
            raise AssertionError(f"no such outcome: {type(outcome).__name__}")


def _unasked_charge(case: Case, truth: Approved | Charged) -> Verdict:
    folded = case.folded
    if not _is_ours(case, truth):
        return Verdict(evidence="contradicts", said="contradicts")
    if folded.captured_amount:
        if isinstance(truth, Charged):
            return _unasked_refund(case, truth)
        return Verdict(evidence="duplicate", said="duplicate")
    if folded.status not in ("cancelled", "failed", "expired"):
        return Verdict(said="charged_while_open", next="look")
    found: dict[str, Any] = {
        "captured": truth.captured,
        "reference": truth.reference,
        "evidence_sha256": truth.evidence_sha256,
    }
    events: list[tuple[str, Mapping[str, Any]]] = [("charge_found", found)]
    if isinstance(truth, Charged) and truth.refunded_total:
        events.append(("refund_found", _refund_fact(truth)))
    return Verdict(tuple(events), columns=_method(truth), said="charge_found")


def _unasked_refund(case: Case, truth: Refunded | Charged) -> Verdict:
    folded, op = case.folded, case.operation
    if isinstance(truth, Refunded) and op is not None and op.settled_at(truth.refunded_total):
        return Verdict(evidence="duplicate", said="duplicate")
    if truth.reference != folded.provider_ref or truth.refunded_total < folded.refunded_amount:
        return Verdict(evidence="contradicts", said="contradicts")
    if truth.refunded_total == folded.refunded_amount:
        return Verdict(evidence="duplicate", said="duplicate")
    fits = (
        truth.refunded_total <= folded.captured_amount
        and folded.refunded_tax_free <= truth.tax_free_total <= folded.tax_free_amount
        and folded.refunded_vat <= truth.vat_total <= folded.vat_amount
    )
    if not fits or folded.status in ("approving", "refunding"):
        return Verdict(evidence="contradicts", said="contradicts")
    return Verdict((("refund_found", _refund_fact(truth)),), said="refund_found")


def _refund_fact(truth: Refunded | Charged, operation: str | None = None) -> dict[str, Any]:
    total, tax_free, vat = _totals(truth)
    fact: dict[str, Any] = {
        "refunded_total": total,
        "tax_free_total": tax_free,
        "vat_total": vat,
        "evidence_sha256": truth.evidence_sha256,
    }
    return fact | {"op": operation} if operation else fact


def _method(truth: Approved | Charged) -> dict[str, Any]:
    return {"method": truth.method} if truth.method else {}


def _is_ours(case: Case, truth: Approved | Charged) -> bool:
    """The charge is this transaction's: same reference, our id, user, currency and amount."""
    folded = case.folded
    return (
        folded.provider_ref in (None, truth.reference)
        and truth.order_id == folded.id
        and case.user in (None, truth.user_id)
        and truth.currency == folded.currency
        and truth.captured == folded.amount
    )
