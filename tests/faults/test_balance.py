"""The reckoning of a soak sees what it is there for, one falsehood at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from faults.balance import Acknowledged, complaints

Books = dict[str, list[Any]]


def _entry(seq: int, event: str, op: str | None = None, key: str | None = None) -> dict[str, Any]:
    return {
        "stream": "txn_1",
        "seq": seq,
        "kind": "transition",
        "event": event,
        "key": key,
        "data": {"op": op} if op else {},
    }


def _line(event: str, amount: int, payload: str | None, order: str = "txn_1") -> dict[str, Any]:
    return {"event": event, "amount": amount, "payload": payload, "partner_order_id": order}


def _books() -> Books:
    """A payment of 12,000 with 3,000 given back, as it should be."""
    events = ["create", "make_ready", "approve", "approval_confirmed", "refund", "refund_settled"]
    ops = {"approve": "op_1", "refund": "rf_1"}
    row = {"id": "txn_1", "head_seq": 6, "status": "partially_refunded", "needs_review": None}
    row |= {"captured_amount": 12_000, "refunded_amount": 3_000}
    return {
        "rows": [row],
        "entries": [_entry(n, event, ops.get(event)) for n, event in enumerate(events, 1)],
        "ledger": [_line("charge", 12_000, "op_1"), _line("refund", 3_000, "rf_1")],
        "acknowledged": [Acknowledged("txn_1", "refund", "key-1")],
    }


def _found(books: Books) -> list[str]:
    return complaints(books["rows"], books["entries"], books["ledger"], books["acknowledged"])


def test_true_books_get_no_complaint() -> None:
    assert _found(_books()) == []


def _lose_an_entry(books: Books) -> None:
    del books["entries"][4]


def _lose_the_tail(books: Books) -> None:
    del books["entries"][-1]


def _forget_a_step(books: Books) -> None:
    books["acknowledged"].append(Acknowledged("txn_1", "complete", "key-2"))


def _forget_one_of_two(books: Books) -> None:
    books["acknowledged"].append(Acknowledged("txn_1", "refund", "key-2"))


def _charge_twice(books: Books) -> None:
    books["ledger"].append(_line("charge", 12_000, None))


def _refund_twice(books: Books) -> None:
    books["ledger"].append(_line("refund", 3_000, "rf_1"))
    books["rows"][0]["refunded_amount"] = 6_000


def _move_unasked(books: Books) -> None:
    books["ledger"][1]["payload"] = "rf_2"


def _charge_a_stranger(books: Books) -> None:
    books["ledger"].append(_line("charge", 5_000, None, "txn_2"))


def _miss_a_refund(books: Books) -> None:
    books["ledger"].append(_line("refund", 100, None))


def _show_too_much(books: Books) -> None:
    books["rows"][0] |= {"refunded_amount": 4_000, "needs_review": "contradicting_evidence"}


def _stay_unknown(books: Books) -> None:
    books["rows"][0]["status"] = "refunding"


def _close_with_money(books: Books) -> None:
    books["rows"][0]["status"] = "cancelled"


def _refund_one_key_twice(books: Books) -> None:
    books["entries"][4]["key"] = "mac"
    books["entries"].append(_entry(7, "refund", "rf_9", key="mac"))
    books["rows"][0]["head_seq"] = 7


@pytest.mark.parametrize(
    ("falsify", "says"),
    [
        (_lose_an_entry, "gaps"),
        (_lose_the_tail, "gaps"),
        (_forget_a_step, "complete was acknowledged"),
        (_forget_one_of_two, "refund was acknowledged"),
        (_charge_twice, "charged 2 times"),
        (_refund_twice, "had its effect 2 times"),
        (_move_unasked, "no intent of it"),
        (_charge_a_stranger, "no payment of ours"),
        (_miss_a_refund, "nobody looks at it"),
        (_show_too_much, "more than the gateway"),
        (_stay_unknown, "nobody looks at it"),
        (_close_with_money, "cancelled with 12000 captured"),
        (_refund_one_key_twice, "one idempotency key"),
    ],
)
def test_each_falsehood_is_complained_about(falsify: Callable[[Books], None], says: str) -> None:
    books = copy.deepcopy(_books())
    falsify(books)
    assert any(says in complaint for complaint in _found(books)), _found(books)


def test_a_review_with_a_reason_is_enough() -> None:
    books = _books()
    _miss_a_refund(books)
    books["rows"][0]["needs_review"] = "contradicting_evidence"
    assert _found(books) == []
