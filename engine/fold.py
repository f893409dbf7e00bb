"""The fold: what a transaction is, computed from its log and nothing else.

Firing writes the row from `apply`, verify compares the row with it: one function says what an entry
means. It refuses entries whose amounts do not conserve or do not equal their intent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from engine.chart import CLOSED
from engine.entry import Entry
from engine.guards import Facts, Given


class Broken(ValueError):
    """An entry that cannot follow what was folded so far; the message says what was expected."""


@dataclass(slots=True)
class Folded:
    """A transaction as its log tells it; the fields are the row's columns of the same names.

    Amounts are minor units, times UTC microseconds. `intent_*` describe the open money operation.
    """

    id: str
    merchant: str
    provider: str
    account: str
    flow: str
    amount: int
    currency: str
    tax_free_amount: int
    vat_amount: int
    status: str
    chart: str
    version: int
    head_seq: int
    head_hash: str
    last_at: int
    expires_at: int
    created_at: int
    updated_at: int
    captured_amount: int = 0
    refunded_amount: int = 0
    refunded_tax_free: int = 0
    refunded_vat: int = 0
    attempts: int = 0
    provider_ref: str | None = None
    approved_at: int | None = None
    completed_at: int | None = None
    closed_at: int | None = None
    failure_code: str | None = None
    needs_review: str | None = None
    intent_op: str | None = None
    intent_source: str | None = None
    intent_amount: int | None = None
    intent_tax_free: int | None = None
    intent_vat: int | None = None
    intent_total: int | None = None

    @property
    def refundable(self) -> int:
        """What may still be given back, in minor units."""
        return self.captured_amount - self.refunded_amount

    def facts(self) -> Facts:
        """The view of this transaction that guards may see."""
        return Facts(
            amount=self.amount,
            captured=self.captured_amount,
            refunded=self.refunded_amount,
            attempts=self.attempts,
            expires_at=self.expires_at,
            completed_at=self.completed_at,
            intent_source=self.intent_source,
        )


COLUMNS: tuple[str, ...] = tuple(field.name for field in dataclasses.fields(Folded))
_values_of = attrgetter(*COLUMNS)

OUTCOME_UNKNOWN = "outcome_unknown"
CONTRADICTING = "contradicting_evidence"
UNWANTED = "captured_unwanted"


def given_of(fields: Mapping[str, Any]) -> Given:
    """What the guards saw of an entry's event."""
    data = fields["data"]
    return Given(
        now=fields["occurred_at"],
        amount=data.get("amount", 0),
        captured=data.get("captured", 0),
        refunded_total=data.get("refunded_total", 0),
    )


def begin(entry: Entry) -> Folded:
    """Fold the first entry of a stream, which must be `create`."""
    fields = entry.fields
    data = fields["data"]
    if (fields["kind"], fields["event"], fields["source"], fields["target"]) != (
        "transition",
        "create",
        None,
        "created",
    ):
        raise Broken("a stream begins with create, from null to created")
    if data["tax_free"] + data["vat"] > data["amount"] or data["amount"] < 1:
        raise Broken("tax-free and VAT parts within a positive amount")
    at = fields["occurred_at"]
    return Folded(
        id=fields["stream"],
        merchant=data["merchant"],
        provider=data["provider"],
        account=data["account"],
        flow=data["flow"],
        amount=data["amount"],
        currency=data["currency"],
        tax_free_amount=data["tax_free"],
        vat_amount=data["vat"],
        status="created",
        chart=fields["chart"],
        version=1,
        head_seq=1,
        head_hash=entry.hash,
        last_at=at,
        expires_at=data["expires_at"],
        created_at=at,
        updated_at=at,
    )


def apply(before: Folded, entry: Entry) -> Folded:
    """Fold one more entry; returns a new value, or raises Broken."""
    fields = entry.fields
    after = Folded(*_values_of(before))
    after.head_seq, after.head_hash = fields["seq"], entry.hash
    after.last_at = fields["occurred_at"]
    if fields["source"] != before.status:
        raise Broken(f"source {before.status}, the state folded so far")
    if fields["kind"] == "transition":
        _transition(after, fields)
    elif fields["target"] != before.status:
        raise Broken(f"target {before.status}: only a transition changes the state")
    elif fields["kind"] == "evidence" and fields["data"]["verdict"] == "contradicts":
        after.needs_review = after.needs_review or CONTRADICTING
    elif fields["event"] == "review_opened":
        after.needs_review = fields["data"]["reason"]
    elif fields["event"] == "review_closed":
        after.needs_review = None
    if fields["kind"] == "transition" or after.needs_review != before.needs_review:
        after.version += 1
        after.updated_at = fields["occurred_at"]
    return after


def fold(entries: Iterable[Entry]) -> Folded:
    """Fold a whole stream; raises Broken when there is nothing to fold."""
    folded: Folded | None = None
    for entry in entries:
        folded = begin(entry) if folded is None else apply(folded, entry)
    if folded is None:
        raise Broken("at least one entry")
    return folded


def _transition(after: Folded, fields: Mapping[str, Any]) -> None:
    event, data, at = fields["event"], fields["data"], fields["occurred_at"]
    if event == "create":
        raise Broken("one create, as the first entry")
    if event == "make_ready":
        after.provider_ref, after.expires_at = data["reference"], data["expires_at"]
    elif event in ("approve", "refund"):
        _open_intent(after, event, fields["source"], data)
    elif event in ("approval_confirmed", "charge_found"):
        _capture(after, data, at)
    elif event in ("refund_settled", "refund_found"):
        _give_back(after, event, data)
    elif event == "complete":
        after.completed_at = at
    elif event == "expire" and data["expires_at"] != after.expires_at:
        raise Broken(f"expires_at {after.expires_at}")
    elif event == "approval_declined":
        after.failure_code = data["code"]
    _settle_intent(after, event, data)
    after.status, after.chart = fields["target"], fields["chart"]
    if after.status in CLOSED:
        after.closed_at = at
    _review(after, event)


def _open_intent(after: Folded, event: str, source: str, data: Mapping[str, Any]) -> None:
    if event == "approve":
        expected = (after.amount, after.tax_free_amount, after.vat_amount, after.amount)
        if (data["amount"], data["tax_free"], data["vat"], data["expected_total"]) != expected:
            raise Broken("an approve intent announces the whole order")
        after.attempts += 1
    elif data["expected_total"] != after.refunded_amount + data["amount"]:
        raise Broken(f"expected_total {after.refunded_amount + data['amount']}")
    after.intent_op, after.intent_source = data["op"], source
    after.intent_amount, after.intent_total = data["amount"], data["expected_total"]
    after.intent_tax_free, after.intent_vat = data["tax_free"], data["vat"]


def _capture(after: Folded, data: Mapping[str, Any], at: int) -> None:
    if not 0 < data["captured"] <= after.amount:
        raise Broken(f"captured between 1 and {after.amount}")
    if after.provider_ref not in (None, data["reference"]):
        raise Broken(f"reference {after.provider_ref}")
    after.captured_amount, after.provider_ref = data["captured"], data["reference"]
    after.approved_at = at


def _give_back(after: Folded, event: str, data: Mapping[str, Any]) -> None:
    totals = (data["refunded_total"], data["tax_free_total"], data["vat_total"])
    if event == "refund_settled":
        expected = (
            after.intent_total,
            after.refunded_tax_free + (after.intent_tax_free or 0),
            after.refunded_vat + (after.intent_vat or 0),
        )
        if totals != expected:
            raise Broken(f"totals {expected}, as the intent announced")
    grows = (
        totals[0] > after.refunded_amount
        and totals[1] >= after.refunded_tax_free
        and totals[2] >= after.refunded_vat
    )
    if not grows or totals[0] > after.captured_amount:
        raise Broken(f"a total above {after.refunded_amount}, up to {after.captured_amount}")
    if totals[1] > after.tax_free_amount or totals[2] > after.vat_amount:
        raise Broken("tax parts within those of the order")
    after.refunded_amount, after.refunded_tax_free, after.refunded_vat = totals


_SETTLING = frozenset(
    {
        "approval_confirmed",
        "approval_declined",
        "approval_not_taken",
        "refund_settled",
        "refund_rejected",
    }
)


def _settle_intent(after: Folded, event: str, data: Mapping[str, Any]) -> None:
    if event not in _SETTLING:
        return
    if data["op"] != after.intent_op:
        raise Broken(f"op {after.intent_op}, the open intent")
    after.intent_op = after.intent_source = None
    after.intent_amount = after.intent_total = None
    after.intent_tax_free = after.intent_vat = None
    if after.needs_review == OUTCOME_UNKNOWN:
        after.needs_review = None


def _review(after: Folded, event: str) -> None:
    if event == "charge_found":
        after.needs_review = UNWANTED
        after.closed_at = None
    elif after.status == "refunded" and after.needs_review == UNWANTED:
        after.needs_review = None
