"""The universal check sees each kind of breach; a check that finds nothing ever proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.universal import Step, breaches, lines_of
from house import House, lost_after

ORDER = "an order nobody made"


@pytest.fixture
def paid(tmp_path: Path) -> Iterator[House]:
    """A payment approved and partly refunded, with keys; its log may be broken on purpose."""
    house = House(tmp_path / "strada.db")
    made = house.payments.create(house.caller("create-1"), house.order())
    house.payments.ready(house.caller(), made.txn)
    house.payments.approve(house.caller("approve-1"), made.txn, "pg-token-1")
    house.payments.refund(house.caller("refund-01"), made.txn, 3_000)
    yield house
    house.store.close()


def found(house: House, **more: Any) -> str:
    more.setdefault("ledger", lines_of(house.gateway.books))
    return "\n".join(breaches(house.store, **more))


def told(house: House, call: str = "refund", **changes: Any) -> Step:
    [row] = house.store.rows("SELECT id FROM transactions")
    return Step(call, row["id"], f"key of {call}", 200, house.get(row["id"]) | changes)


def test_a_healthy_house_has_no_breach(paid: House) -> None:
    steps = [told(paid, "create"), told(paid)]
    assert found(paid, steps=steps, output="fine", secrets=["pg-token-1"]) == ""


def test_an_unknown_outcome_is_no_breach_once_somebody_was_called(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_after]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    assert "open: approve" in found(house)
    assert "no review" in found(house)
    house.gateway.garbled.add(house.get(txn)["provider_ref"])
    house.work(4_000, step=200)
    assert house.get(txn)["needs_review"] == "outcome_unknown"
    assert found(house) == ""


@pytest.mark.parametrize(
    ("sql", "breach"),
    [
        ("DELETE FROM outbox WHERE seq = 4", "never reached the outbox"),
        ("DELETE FROM operations WHERE kind = 'approve'", "is in the log only"),
        ("UPDATE operations SET kind = 'refund' WHERE kind = 'prepare'", "in the table only"),
        ("UPDATE operations SET state = 'rejected' WHERE kind = 'refund'", "settled in the log"),
        ("UPDATE operations SET state = 'open' WHERE kind = 'approve'", "open: approve"),
        ("UPDATE operations SET credential = x'00' WHERE kind = 'approve'", "credential is kept"),
        ("UPDATE idempotency SET code = NULL, body = NULL", "waits for an answer"),
        ("UPDATE idempotency SET operation = 'op_0'", "names an operation that is not there"),
        ("DELETE FROM idempotency WHERE operation IS NOT NULL", "its key has no answer"),
        ("UPDATE transactions SET captured_amount = 11999", "log: "),
        ("UPDATE transactions SET refunded_amount = 0", "no review"),
        ("UPDATE transactions SET metadata = 'pg-token-1'", "lies readable in the database"),
    ],
)
def test_each_half_of_a_step_is_a_breach(paid: House, sql: str, breach: str) -> None:
    with paid.store.write():
        assert paid.store.execute(sql) >= 1
    assert breach in found(paid, secrets=["pg-token-1"])


@pytest.mark.parametrize(
    ("changed", "breach"),
    [
        ({"partner_order_id": ORDER}, "which is no transaction"),
        ({"event": "charge"}, "was charged 2 times"),
        ({"amount": 1}, "no review"),
        ({}, "happened 2 times"),
        ({"payload": "rf_0"}, "which is no operation"),
        ({"payload": None}, "1 refunds of"),
    ],
)
def test_money_that_moved_otherwise_is_a_breach(
    paid: House, changed: dict[str, Any], breach: str
) -> None:
    lines = lines_of(paid.gateway.books)
    lines.append({**lines[-1], **changed})
    assert breach in found(paid, ledger=lines, steps=[told(paid, "create"), told(paid)])


@pytest.mark.parametrize(
    "changes", [{"version": 99}, {"status": "completed"}, {"refunded_amount": 0}]
)
def test_an_answer_that_the_log_does_not_hold_is_a_breach(
    paid: House, changes: dict[str, Any]
) -> None:
    assert "which the log does not hold" in found(paid, steps=[told(paid, **changes)])


def test_a_second_transaction_for_one_order_is_a_breach(paid: House) -> None:
    paid.create()
    steps = [told_first(paid), told_first(paid)]
    assert "1 orders were made, 2 transactions stand" in found(paid, steps=steps)


def told_first(house: House) -> Step:
    [row, _] = house.store.rows("SELECT id FROM transactions ORDER BY id")
    return Step("create", row["id"], "one key")


def test_a_printed_secret_is_a_breach(paid: House) -> None:
    assert "was printed" in found(paid, output="… pg-token-1 …", secrets=["pg-token-1"])


def test_a_broken_log_is_a_breach(paid: House) -> None:
    with paid.store.write():
        paid.store.execute("DROP TRIGGER entries_never_updated")
        paid.store.execute("UPDATE entries SET entry = '{}' WHERE seq = 2 AND stream LIKE 'txn%'")
    assert "log: txn_" in found(paid)
