"""What every answer of a gateway means in every case: the whole verdict, and each limit alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from house import ToldGateway

from engine.case import Case, Operation, Verdict
from engine.evidence import weigh
from engine.fold import Folded
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

SHA = hashlib.sha256(b"e").hexdigest()
ORDER = Folded(
    id="txn_1",
    merchant="shop",
    provider="told",
    account="TC0",
    flow="redirect",
    amount=1000,
    currency="KRW",
    tax_free_amount=100,
    vat_amount=80,
    status="created",
    chart="c",
    version=1,
    head_seq=1,
    head_hash="h",
    last_at=1,
    expires_at=900,
    created_at=1,
    updated_at=1,
    provider_ref="T1",
)
OP = Operation("op_1", "approve", "open", 1000, 100, 80, 1000, 150, 200, 1, None, True)
PREPARE = Case(
    replace(ORDER, provider_ref=None),
    "user-7",
    replace(OP, kind="prepare"),
    now=500,
    capabilities=ToldGateway.capabilities,
    settle_us=100,
    asked_at=200,
    outdated=False,
)
APPROVE = replace(PREPARE, folded=replace(ORDER, status="approving"), operation=OP)
PART = replace(
    ORDER,
    status="refunding",
    captured_amount=1000,
    refunded_amount=200,
    refunded_tax_free=20,
    refunded_vat=10,
)
REFUND = replace(
    PREPARE,
    folded=PART,
    operation=Operation("op_2", "refund", "open", 300, 30, 20, 500, 150, 200, 1, None, False),
)
IDLE = replace(PREPARE, folded=replace(PART, status="partially_refunded"), operation=None)
"""A payment of 1000 of which 200 were given back, and that waits for nothing."""
SHUT = replace(IDLE, folded=replace(ORDER, status="failed"))


def case(base: Case, **changes: Any) -> Case:
    """The case with other values: of the operation (`op_*`), the fold (`f_*`) or itself."""
    op, folded = base.operation, base.folded
    of_op = {key[3:]: value for key, value in changes.items() if key.startswith("op_")}
    of_fold = {key[2:]: value for key, value in changes.items() if key.startswith("f_")}
    own = {key: changes[key] for key in changes if not key.startswith(("op_", "f_"))}
    if op is not None and of_op:
        op = replace(op, **of_op)
    return replace(base, **{"folded": replace(folded, **of_fold), "operation": op} | own)


PREPARED = Prepared(b"e", "T1", {"type": "redirect"}, 950)
APPROVED = Approved(b"e", "T1", "txn_1", "user-7", 1000, "KRW", "CARD", None)
CHARGED = Charged(b"e", "T1", "txn_1", "user-7", 1000, "KRW", 0, 0, 0, (), "CARD")
NOT_CHARGED = NotCharged(b"e", "T1", "txn_1", "user-7", 1000, "KRW", True, True)
REFUNDED = Refunded(b"e", "T1", 500, 50, 30, 500)
LOOKED = replace(CHARGED, refunded_total=500, tax_free_total=50, vat_total=30)
BEFORE = replace(CHARGED, refunded_total=200, tax_free_total=20, vat_total=10)
REFUSED = Refused(b"e", "limit", "-780", "over limit")
NOT_TAKEN = NotTaken(b"e", "wrong_token", "-708", "again")
PENDING = Pending(b"e", "-1")
LOST = Unknown(b"e", "timeout", "")
CONFLICT = Unknown(b"e", "conflict", "")
CLOSED = Closed(b"e", "closed_there", "-9")
NOT_FOUND = NotFound(b"e", "-721")

NOTHING = Verdict(said="nothing_new")
DUPLICATE = Verdict(evidence="duplicate", said="duplicate")
CONTRADICTS = Verdict(evidence="contradicts", said="contradicts")
ODD = replace(CONTRADICTS, next="wait")
LATER = Verdict(next="wait_pending", said="pending")


def early(said: str) -> Verdict:
    return Verdict(evidence="early", next="wait", said=said)


def confirmed(op: str | None = "op_1") -> dict[str, Any]:
    charge = {"captured": 1000, "reference": "T1", "evidence_sha256": SHA}
    return {"op": op, **charge} if op else charge


def given_back(total: int, tax_free: int, vat: int, op: str | None = None) -> dict[str, Any]:
    fact = {"refunded_total": total, "tax_free_total": tax_free, "vat_total": vat}
    return fact | {"evidence_sha256": SHA} | ({"op": op} if op else {})


def declined(code: str, message: str = "", theirs: str = "") -> Verdict:
    columns = {"failure_message": message, "failure_provider_code": theirs}
    events = (("approval_declined", {"op": "op_1", "code": code}),)
    return Verdict(events, state="rejected", columns=columns, said=f"refused:{code}")


def not_taken(code: str) -> Verdict:
    events = (("approval_not_taken", {"op": "op_1", "code": code}),)
    return Verdict(events, state="rejected", said=code)


def rejected(code: str) -> Verdict:
    events = (("refund_rejected", {"op": "op_2", "code": code}),)
    return Verdict(events, state="rejected", columns={"look_at": 0}, said=f"refused:{code}")


def found(total: int, tax_free: int, vat: int) -> Verdict:
    return Verdict((("refund_found", given_back(total, tax_free, vat)),), said="refund_found")


LATE = Verdict(note=("late_answer", {"op": "op_1", "sha256": SHA}), state="abandoned", said="late")
READY = Verdict(
    (("make_ready", {"op": "op_1", "reference": "T1", "expires_at": 950}),),
    state="settled",
    columns={"next_action": {"type": "redirect"}},
)
PAID = Verdict(
    (("approval_confirmed", confirmed()),),
    state="settled",
    columns={"method": "CARD"},
    said="charged",
)
PAID_AND_BACK = replace(
    PAID, transitions=(*PAID.transitions, ("refund_found", given_back(500, 50, 30)))
)
BACK = Verdict(
    (("refund_settled", given_back(500, 50, 30, "op_2")),), state="settled", said="refunded"
)
UNWANTED = Verdict(
    (("charge_found", confirmed(None)),), columns={"method": "CARD"}, said="charge_found"
)
UNWANTED_AND_BACK = replace(
    UNWANTED, transitions=(*UNWANTED.transitions, ("refund_found", given_back(500, 50, 30)))
)
OUTDATED = Verdict(evidence="early", next="look", said="outdated")

Row = tuple[Case, Outcome, Verdict]
PREPARING: list[Row] = [
    (PREPARE, PREPARED, READY),
    (case(PREPARE, f_status="cancelled"), PREPARED, LATE),
    (case(PREPARE, op_state="abandoned"), PREPARED, LATE),
    (case(PREPARE, operation=None), PREPARED, NOTHING),
    (
        PREPARE,
        REFUSED,
        Verdict(
            note=("prepare_refused", {"op": "op_1", "code": "limit"}),
            state="rejected",
            said="refused:limit",
        ),
    ),
    (PREPARE, LOST, Verdict(state="abandoned", said="timeout")),
    (PREPARE, PENDING, Verdict(state="abandoned", said="surprise")),
]
NOT_OURS = [{"reference": "T2"}, {"order_id": "txn_2"}, {"user_id": "user-8"}]
NOT_OURS += [{"currency": "USD"}, {"captured": 999}]  # type: ignore[dict-item]
RESEND = Verdict(next="resend", said="not_charged")
WAIT = Verdict(next="wait", said="not_charged")
APPROVING: list[Row] = [
    (APPROVE, APPROVED, PAID),
    (APPROVE, CHARGED, PAID),
    (APPROVE, LOOKED, PAID_AND_BACK),
    (APPROVE, replace(APPROVED, method=None), replace(PAID, columns={})),
    (case(APPROVE, f_provider_ref=None), APPROVED, PAID),
    *((APPROVE, replace(APPROVED, **change), ODD) for change in NOT_OURS),
    (APPROVE, REFUSED, declined("limit", "over limit", "-780")),
    (case(APPROVE, op_sends=2), REFUSED, Verdict(next="look", said="refused:limit")),
    (APPROVE, NOT_TAKEN, not_taken("wrong_token")),
    (case(APPROVE, op_sends=2), NOT_TAKEN, Verdict(next="look", said="not_taken:wrong_token")),
    (APPROVE, PENDING, LATER),
    (APPROVE, LOST, Verdict(next="wait", said="timeout")),
    (APPROVE, CONFLICT, Verdict(next="look", said="conflict")),
    (APPROVE, PREPARED, Verdict(next="wait", said="surprise")),
    (APPROVE, CLOSED, declined("closed_there", theirs="-9")),
    (case(APPROVE, asked_at=199), CLOSED, early("closed")),
    (case(APPROVE, op_call_deadline=201), CLOSED, early("closed")),
    (APPROVE, NOT_FOUND, early("not_found")),
    (case(APPROVE, now=999), NOT_FOUND, early("not_found")),
    (case(APPROVE, now=1000), NOT_FOUND, declined("not_found", theirs="-721")),
    (case(APPROVE, now=1000, asked_at=199), NOT_FOUND, early("not_found")),
    (APPROVE, replace(NOT_CHARGED, order_id="txn_2"), ODD),
    (APPROVE, replace(NOT_CHARGED, user_id="user-8"), ODD),
    (case(APPROVE, asked_at=199), NOT_CHARGED, early("not_charged")),
    (case(APPROVE, op_last_evidence="pending"), NOT_CHARGED, LATER),
    (case(APPROVE, op_last_evidence="refused:limit"), NOT_CHARGED, declined("limit")),
    (case(APPROVE, now=1000), NOT_CHARGED, declined("window_expired")),
    (APPROVE, replace(NOT_CHARGED, still_payable=False), declined("window_expired")),
    (case(APPROVE, op_last_evidence="not_taken:pin"), NOT_CHARGED, not_taken("pin")),
    (APPROVE, replace(NOT_CHARGED, credential_alive=False), not_taken("customer_must_act")),
    (case(APPROVE, now=999, op_last_evidence="timeout"), NOT_CHARGED, RESEND),
    (case(APPROVE, op_sends=3), NOT_CHARGED, RESEND),
    (case(APPROVE, op_sends=4), NOT_CHARGED, WAIT),
    (case(APPROVE, op_credential_held=False), NOT_CHARGED, WAIT),
    (
        case(APPROVE, capabilities=replace(PREPARE.capabilities, approve_idempotent=False)),
        NOT_CHARGED,
        WAIT,
    ),
]
NAMED = (Action("payment", 1000, "op_1"), Action("refund", 300, "op_2"))
STRANGERS = (Action("payment", 1000, "op_2"), Action("refund", 300, "op_9"))
AGAIN = Verdict(next="resend", said="not_refunded")
REFUNDING: list[Row] = [
    (REFUND, REFUNDED, BACK),
    (REFUND, replace(REFUNDED, reference="T2"), ODD),
    (REFUND, replace(REFUNDED, refunded_total=501), ODD),
    (REFUND, replace(REFUNDED, tax_free_total=51), ODD),
    (REFUND, replace(REFUNDED, vat_total=31), ODD),
    (REFUND, REFUSED, rejected("limit")),
    (case(REFUND, op_sends=2), REFUSED, Verdict(next="look", said="refused:limit")),
    (REFUND, PENDING, LATER),
    (REFUND, LOST, Verdict(next="wait", said="timeout")),
    (REFUND, CONFLICT, Verdict(next="look", said="conflict")),
    (REFUND, NOT_CHARGED, ODD),
    (REFUND, PREPARED, ODD),
    (REFUND, LOOKED, BACK),
    (REFUND, replace(LOOKED, actions=NAMED), BACK),
    (REFUND, replace(BEFORE, actions=NAMED), ODD),
    (REFUND, replace(BEFORE, actions=STRANGERS), AGAIN),
    (REFUND, replace(LOOKED, user_id="user-8"), ODD),
    (REFUND, replace(LOOKED, refunded_total=499), ODD),
    (case(REFUND, asked_at=199), BEFORE, early("not_refunded")),
    (case(REFUND, op_last_evidence="pending"), BEFORE, LATER),
    (case(REFUND, op_last_evidence="refused:closed"), BEFORE, rejected("closed")),
    (REFUND, BEFORE, AGAIN),
    (case(REFUND, op_sends=3, op_last_evidence="timeout"), BEFORE, AGAIN),
    (case(REFUND, op_sends=4), BEFORE, Verdict(next="wait", said="not_refunded")),
]
ANSWERED = case(IDLE, operation=replace(OP, kind="refund", state="settled", expected_total=200))
MORE = case(ANSWERED, f_refunded_amount=600)
"""A payment of which 600 were given back, 200 of them by an operation that is settled."""
FOUND: list[Row] = [
    *((case(SHUT, f_status=state), APPROVED, UNWANTED) for state in ("cancelled", "expired")),
    (SHUT, CHARGED, UNWANTED),
    (SHUT, LOOKED, UNWANTED_AND_BACK),
    (SHUT, replace(CHARGED, method=None), replace(UNWANTED, columns={})),
    (case(SHUT, f_provider_ref=None), CHARGED, UNWANTED),
    *((SHUT, replace(CHARGED, **change), CONTRADICTS) for change in NOT_OURS),
    (case(SHUT, f_status="ready"), CHARGED, Verdict(said="charged_while_open", next="look")),
    (IDLE, APPROVED, DUPLICATE),
    (IDLE, BEFORE, DUPLICATE),
    (IDLE, LOOKED, found(500, 50, 30)),
    (IDLE, REFUNDED, found(500, 50, 30)),
    (IDLE, replace(REFUNDED, reference="T2"), CONTRADICTS),
    (IDLE, replace(REFUNDED, refunded_total=200), DUPLICATE),
    (IDLE, replace(REFUNDED, refunded_total=199), CONTRADICTS),
    (IDLE, replace(REFUNDED, refunded_total=1000), found(1000, 50, 30)),
    (IDLE, replace(REFUNDED, refunded_total=1001), CONTRADICTS),
    (IDLE, replace(REFUNDED, tax_free_total=20), found(500, 20, 30)),
    (IDLE, replace(REFUNDED, tax_free_total=19), CONTRADICTS),
    (IDLE, replace(REFUNDED, tax_free_total=100), found(500, 100, 30)),
    (IDLE, replace(REFUNDED, tax_free_total=101), CONTRADICTS),
    (IDLE, replace(REFUNDED, vat_total=10), found(500, 50, 10)),
    (IDLE, replace(REFUNDED, vat_total=9), CONTRADICTS),
    (IDLE, replace(REFUNDED, vat_total=80), found(500, 50, 80)),
    (IDLE, replace(REFUNDED, vat_total=81), CONTRADICTS),
    *((case(IDLE, f_status=s), REFUNDED, CONTRADICTS) for s in ("approving", "refunding")),
    (MORE, replace(REFUNDED, refunded_total=200), DUPLICATE),
    (MORE, replace(REFUNDED, refunded_total=201), CONTRADICTS),
    (MORE, BEFORE, CONTRADICTS),
    (case(MORE, op_state="rejected"), replace(REFUNDED, refunded_total=200), CONTRADICTS),
    (case(MORE, operation=None), replace(REFUNDED, refunded_total=200), CONTRADICTS),
    (SHUT, REFUSED, NOTHING),
    (IDLE, REFUSED, NOTHING),
    *((SHUT, no, NOTHING) for no in (NOT_TAKEN, NOT_CHARGED, CLOSED, NOT_FOUND)),
    *((IDLE, no, CONTRADICTS) for no in (NOT_TAKEN, NOT_CHARGED, CLOSED, NOT_FOUND)),
    *((IDLE, answer, NOTHING) for answer in (PREPARED, PENDING, LOST)),
]
OVERTAKEN: list[Row] = [
    (case(APPROVE, outdated=True), replace(CHARGED, captured=999), OUTDATED),
    (case(APPROVE, outdated=True), REFUSED, OUTDATED),
    (case(APPROVE, outdated=True), NOT_CHARGED, OUTDATED),
    (case(APPROVE, outdated=True), CHARGED, PAID),
    (case(APPROVE, outdated=True), LOST, Verdict(next="wait", said="timeout")),
]
ROWS = {
    f"{name} {number}": row
    for name, rows in {
        "preparing": PREPARING,
        "approving": APPROVING,
        "refunding": REFUNDING,
        "found": FOUND,
        "overtaken": OVERTAKEN,
    }.items()
    for number, row in enumerate(rows)
}


@pytest.mark.parametrize("name", list(ROWS))
def test_an_answer_has_this_verdict_in_this_case(name: str) -> None:
    given, outcome, verdict = ROWS[name]
    assert weigh(given, outcome) == verdict


def test_an_outcome_nobody_knows_is_a_bug() -> None:
    with pytest.raises(AssertionError) as caught:
        weigh(IDLE, Outcome(b"e"))
    assert str(caught.value) == "no such outcome: Outcome"


def test_only_its_own_prefix_is_a_remembered_no() -> None:
    op = replace(OP, last_evidence="refused:limit")
    assert (op.said("refused:"), op.said("not_taken:")) == ("limit", "")
    assert OP.said("refused:") == ""
