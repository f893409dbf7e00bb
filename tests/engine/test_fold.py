"""What each entry does to a transaction, field by field; and every entry that cannot follow."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from engine.chart import CLOSED
from engine.entry import Entry
from engine.fold import Broken, Folded, apply, begin, fold, given_of
from engine.guards import Facts, Given

_REFUND = {"refunded_total": 300, "tax_free_total": 30, "vat_total": 20, "evidence_sha256": "e"}
_CHARGE = {"captured": 1000, "reference": "T1", "evidence_sha256": "e"}
DATA: dict[str, dict[str, Any]] = {
    "create": {
        "merchant": "shop",
        "provider": "told",
        "account": "TC0",
        "flow": "redirect",
        "amount": 1000,
        "currency": "KRW",
        "tax_free": 100,
        "vat": 80,
        "expires_at": 900,
        "commitments": {},
    },
    "make_ready": {"op": "op_1", "reference": "T1", "expires_at": 950},
    "approve": {"op": "op_2", "amount": 1000, "tax_free": 100, "vat": 80, "expected_total": 1000},
    "approval_confirmed": {"op": "op_2", **_CHARGE},
    "approval_declined": {"op": "op_2", "code": "limit"},
    "approval_not_taken": {"op": "op_2", "code": "wrong_token"},
    "expire": {"expires_at": 950},
    "refund": {"op": "op_3", "amount": 300, "tax_free": 30, "vat": 20, "expected_total": 300},
    "refund_settled": {"op": "op_3", **_REFUND},
    "refund_rejected": {"op": "op_3", "code": "closed"},
    "charge_found": _CHARGE,
    "refund_found": _REFUND,
    "look_up": {"channel": "worker", "sha256": "e", "verdict": "contradicts"},
    "review_opened": {"reason": "outcome_unknown"},
}
"""The data of each event, as in a life of 1000 of which 300 are given back."""
TARGETS = {
    "make_ready": "ready",
    "approve": "approving",
    "approval_confirmed": "approved",
    "approval_declined": "failed",
    "approval_not_taken": "ready",
    "complete": "completed",
    "cancel": "cancelled",
    "expire": "expired",
    "refund": "refunding",
    "refund_settled": "partially_refunded",
    "refund_rejected": "approved",
    "charge_found": "captured_unwanted",
    "refund_found": "partially_refunded",
}
KINDS = {"look_up": "evidence", "review_opened": "note", "review_closed": "note"}
PAID = ("create", "make_ready", "approve", "approval_confirmed")
UNWANTED = ("create", "make_ready", "cancel", "charge_found")
OLD = ("create", "make_ready", "approve", "review_opened")
Event = str | tuple[str, dict[str, Any]]


def entry(before: Folded | None, event: Event) -> Entry:
    """The honest next entry of this event; changes go to fields of that name, or to its data."""
    name, changes = (event, {}) if isinstance(event, str) else event
    seq = before.head_seq + 1 if before else 1
    source = before.status if before else None
    fields: dict[str, Any] = {
        "stream": "txn_1",
        "seq": seq,
        "kind": KINDS.get(name, "transition"),
        "event": name,
        "source": source,
        "target": TARGETS.get(name, source) if before else "created",
        "occurred_at": seq * 100,
        "chart": f"chart {seq}",
        "data": dict(DATA.get(name, {})),
    }
    for key, value in changes.items():
        (fields if key in fields else fields["data"])[key] = value
    return Entry(fields, b"", f"hash {seq}")


def life(*events: Event) -> Folded:
    """A transaction to which these events happened."""
    folded = begin(entry(None, events[0]))
    for event in events[1:]:
        folded = apply(folded, entry(folded, event))
    return folded


def test_create_writes_down_the_order() -> None:
    assert life("create") == Folded(
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
        chart="chart 1",
        version=1,
        head_seq=1,
        head_hash="hash 1",
        last_at=100,
        expires_at=900,
        created_at=100,
        updated_at=100,
    )


_APPROVING = {
    "attempts": 1,
    "intent_op": "op_2",
    "intent_source": "ready",
    "intent_amount": 1000,
    "intent_tax_free": 100,
    "intent_vat": 80,
    "intent_total": 1000,
}
_REFUNDING = {
    "intent_op": "op_3",
    "intent_source": "approved",
    "intent_amount": 300,
    "intent_tax_free": 30,
    "intent_vat": 20,
    "intent_total": 300,
}
_NO_INTENT = dict.fromkeys(_REFUNDING)
_GIVEN_BACK = {"refunded_amount": 300, "refunded_tax_free": 30, "refunded_vat": 20}
_ALL = {"refunded_total": 1000, "tax_free_total": 100, "vat_total": 80, "target": "refunded"}
_EMPTY = {"refunded_amount": 1000, "refunded_tax_free": 100, "refunded_vat": 80}
EFFECTS: dict[str, tuple[tuple[Event, ...], Event, dict[str, Any]]] = {
    "ready": (("create",), "make_ready", {"provider_ref": "T1", "expires_at": 950}),
    "approving": (("create", "make_ready"), "approve", _APPROVING),
    "approved": (
        PAID[:3],
        "approval_confirmed",
        _NO_INTENT | {"captured_amount": 1000, "approved_at": 400},
    ),
    "declined": (
        PAID[:3],
        "approval_declined",
        _NO_INTENT | {"failure_code": "limit", "closed_at": 400},
    ),
    "not taken": (PAID[:3], "approval_not_taken", _NO_INTENT),
    "tried again": (
        (*PAID[:3], "approval_not_taken"),
        ("approve", {"op": "op_9"}),
        _APPROVING | {"attempts": 2, "intent_op": "op_9"},
    ),
    "completed": (PAID, "complete", {"completed_at": 500}),
    "cancelled": (("create",), "cancel", {"closed_at": 200}),
    "expired": (("create", "make_ready"), "expire", {"closed_at": 300}),
    "refunding": (PAID, "refund", _REFUNDING),
    "refunded in part": ((*PAID, "refund"), "refund_settled", _NO_INTENT | _GIVEN_BACK),
    "refund rejected": ((*PAID, "refund"), "refund_rejected", _NO_INTENT),
    "refunding the rest": (
        (*PAID, "refund", "refund_settled"),
        ("refund", {"op": "op_9", "amount": 700, "expected_total": 1000}),
        _REFUNDING
        | {
            "intent_op": "op_9",
            "intent_source": "partially_refunded",
            "intent_amount": 700,
            "intent_total": 1000,
        },
    ),
    "refunded again": (
        (*PAID, "refund", "refund_settled", ("refund", {"expected_total": 600})),
        ("refund_settled", {"refunded_total": 600, "tax_free_total": 60, "vat_total": 40}),
        _NO_INTENT | {"refunded_amount": 600, "refunded_tax_free": 60, "refunded_vat": 40},
    ),
    "refunded without tax parts": (
        (*PAID, ("refund", {"tax_free": 0, "vat": 0})),
        ("refund_settled", {"tax_free_total": 0, "vat_total": 0}),
        _NO_INTENT | {"refunded_amount": 300},
    ),
    "refund found": (PAID, "refund_found", _GIVEN_BACK),
    "refund without tax": (
        PAID,
        ("refund_found", {"tax_free_total": 0, "vat_total": 0}),
        {"refunded_amount": 300},
    ),
    "all refunded": (PAID, ("refund_found", _ALL), _EMPTY | {"closed_at": 500}),
    "charge after a close": (
        UNWANTED[:3],
        "charge_found",
        {
            "captured_amount": 1000,
            "approved_at": 400,
            "closed_at": None,
            "needs_review": "captured_unwanted",
        },
    ),
    "charge without a reference": (
        ("create", "cancel"),
        "charge_found",
        {
            "captured_amount": 1000,
            "approved_at": 300,
            "closed_at": None,
            "needs_review": "captured_unwanted",
            "provider_ref": "T1",
        },
    ),
    "least charge": (
        PAID[:3],
        ("approval_confirmed", {"captured": 1}),
        _NO_INTENT | {"captured_amount": 1, "approved_at": 400},
    ),
    "unwanted given back": (
        UNWANTED,
        ("refund_found", _ALL),
        _EMPTY | {"closed_at": 500, "needs_review": None},
    ),
    "unwanted given back in part": (UNWANTED, "refund_found", _GIVEN_BACK),
    "refunded under another review": (
        (*PAID, "review_opened"),
        ("refund_found", _ALL),
        _EMPTY | {"closed_at": 600},
    ),
    "review opened": (PAID, "review_opened", {"needs_review": "outcome_unknown"}),
    "review closed": (UNWANTED, "review_closed", {"needs_review": None}),
    "contradicted": (PAID, "look_up", {"needs_review": "contradicting_evidence"}),
    "unknown no more": (
        OLD,
        ("approval_not_taken", {}),
        _NO_INTENT | {"needs_review": None},
    ),
    "settled under another review": (
        (*PAID[:3], "look_up"),
        "approval_not_taken",
        _NO_INTENT,
    ),
}
"""What happened, what happens now, and which columns it changes beside those that always move."""


@pytest.mark.parametrize("name", list(EFFECTS))
def test_an_entry_changes_these_columns_and_no_other(name: str) -> None:
    events, event, effect = EFFECTS[name]
    before = life(*events)
    seq, unseen = before.head_seq + 1, dataclasses.replace(before)
    after = apply(before, entry(before, event))
    moved = {"version": before.version + 1, "updated_at": seq * 100, "last_at": seq * 100}
    moved |= {"head_seq": seq, "head_hash": f"hash {seq}"}
    if entry(before, event).fields["kind"] == "transition":
        moved |= {"chart": f"chart {seq}", "status": entry(before, event).fields["target"]}
    assert after == dataclasses.replace(before, **moved | effect)
    assert before == unseen


UNSEEN: dict[str, tuple[tuple[Event, ...], Event]] = {
    "duplicate evidence": (PAID, ("look_up", {"verdict": "duplicate"})),
    "a note": (PAID, ("late_return", {"kind": "note", "outcome": "cancelled"})),
    "a second contradiction": (UNWANTED, "look_up"),
    "a review opened twice": (OLD, "review_opened"),
    "a refusal": (PAID, ("cancel", {"kind": "refusal", "target": "approved"})),
    "a refusal of a verdict": (PAID, ("look_up", {"kind": "refusal"})),
}
"""Entries after which nobody sees another payment than before."""


@pytest.mark.parametrize("name", list(UNSEEN))
def test_what_nobody_sees_leaves_the_version(name: str) -> None:
    events, event = UNSEEN[name]
    before = life(*events)
    seq = before.head_seq + 1
    after = apply(before, entry(before, event))
    head = {"head_seq": seq, "head_hash": f"hash {seq}", "last_at": seq * 100}
    assert after == dataclasses.replace(before, **head)


_BEGINS = "a stream begins with create, from null to created"
_PARTS = "tax-free and VAT parts within a positive amount"
_ORDER = "an approve intent announces the whole order"
_TOTALS = "totals (300, 30, 20), as the intent announced"
_GROWS = "a total above 300, up to 1000"
_TAX = "tax parts within those of the order"
_TWICE = (*PAID, "refund_found")
WRONG: list[tuple[tuple[Event, ...], Event, str]] = [
    ((), ("create", {"kind": "note"}), _BEGINS),
    ((), ("create", {"event": "cancel"}), _BEGINS),
    ((), ("create", {"source": "created"}), _BEGINS),
    ((), ("create", {"target": "ready"}), _BEGINS),
    ((), ("create", {"tax_free": 921}), _PARTS),
    ((), ("create", {"vat": 901}), _PARTS),
    ((), ("create", {"amount": 0, "tax_free": 0, "vat": 0}), _PARTS),
    (("create",), ("cancel", {"source": "ready"}), "source created, the state folded so far"),
    (PAID, ("create", {"kind": "transition"}), "one create, as the first entry"),
    (
        PAID,
        ("look_up", {"target": "completed"}),
        "target approved: only a transition changes the state",
    ),
    (PAID[:2], ("approve", {"amount": 999}), _ORDER),
    (PAID[:2], ("approve", {"tax_free": 99}), _ORDER),
    (PAID[:2], ("approve", {"vat": 79}), _ORDER),
    (PAID[:2], ("approve", {"expected_total": 999}), _ORDER),
    (PAID, ("refund", {"expected_total": 299}), "expected_total 300"),
    (_TWICE, ("refund", {"expected_total": 300}), "expected_total 600"),
    (PAID[:2], ("expire", {"expires_at": 900}), "expires_at 950"),
    (PAID[:3], ("approval_confirmed", {"captured": 0}), "captured between 1 and 1000"),
    (PAID[:3], ("approval_confirmed", {"captured": 1001}), "captured between 1 and 1000"),
    (PAID[:3], ("approval_confirmed", {"reference": "T2"}), "reference T1"),
    (UNWANTED[:3], ("charge_found", {"reference": "T2"}), "reference T1"),
    *(
        (PAID[:3], (event, {"op": "op_9"}), "op op_2, the open intent")
        for event in ("approval_confirmed", "approval_declined", "approval_not_taken")
    ),
    *(
        ((*PAID, "refund"), (event, {"op": "op_9"}), "op op_3, the open intent")
        for event in ("refund_settled", "refund_rejected")
    ),
    ((*PAID, "refund"), ("refund_settled", {"refunded_total": 301}), _TOTALS),
    ((*PAID, "refund"), ("refund_settled", {"tax_free_total": 31}), _TOTALS),
    ((*PAID, "refund"), ("refund_settled", {"vat_total": 21}), _TOTALS),
    (_TWICE, "refund_found", _GROWS),
    (_TWICE, ("refund_found", {"refunded_total": 301, "tax_free_total": 29}), _GROWS),
    (
        _TWICE,
        ("refund_found", {"refunded_total": 301, "tax_free_total": 29, "vat_total": 40}),
        _GROWS,
    ),
    (_TWICE, ("refund_found", {"refunded_total": 301, "vat_total": 19}), _GROWS),
    (_TWICE, ("refund_found", {"refunded_total": 1001}), _GROWS),
    (PAID, ("refund_found", {"tax_free_total": 101}), _TAX),
    (PAID, ("refund_found", {"vat_total": 81}), _TAX),
]
"""What happened, the entry that cannot follow, and what the message says was expected."""


@pytest.mark.parametrize(("events", "event", "says"), WRONG)
def test_an_entry_that_cannot_follow_is_named(
    events: tuple[Event, ...], event: Event, says: str
) -> None:
    before = life(*events) if events else None
    with pytest.raises(Broken) as caught:
        fold([entry(None, event)]) if before is None else apply(before, entry(before, event))
    assert str(caught.value) == says


def test_tax_parts_may_fill_the_whole_amount() -> None:
    assert life(("create", {"tax_free": 920})).tax_free_amount == 920
    assert life(("create", {"amount": 1, "tax_free": 0, "vat": 0})).amount == 1


def test_a_stream_of_nothing_is_refused() -> None:
    with pytest.raises(Broken) as caught:
        fold([])
    assert str(caught.value) == "at least one entry"


def test_a_stream_folds_entry_by_entry() -> None:
    first = life("create")
    assert fold([entry(None, "create"), entry(first, "cancel")]) == life("create", "cancel")


def test_guards_see_the_facts_folded_so_far() -> None:
    folded = life(*_TWICE, "complete", ("refund", {"expected_total": 600}))
    assert folded.facts() == Facts(1000, 1000, 300, 1, 950, 600, "completed")
    assert folded.refundable == 700
    assert folded.status not in CLOSED


def test_guards_see_the_amounts_of_the_event() -> None:
    data = {"amount": 1, "captured": 2, "refunded_total": 3}
    assert given_of({"data": data, "occurred_at": 4}) == Given(4, 1, 2, 3)
    assert given_of({"data": {}, "occurred_at": 4}) == Given(4, 0, 0, 0)
