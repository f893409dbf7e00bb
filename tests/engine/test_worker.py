"""The worker's rounds: what is due, what waits, and what a failing round leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from house import LOST, House, lost_before

from engine.errors import Conflict
from engine.provider import Account, Order, Refused, Urls
from engine.reports import Reports


class Rounds(threading.Event):
    """A worker that is told to stop after so many rounds; its rests cost no time."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left
        self.rests: list[float] = []

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0

    def wait(self, timeout: float | None = None) -> bool:
        self.rests.append(timeout or 0)
        return False


def reported(house: House) -> str:
    """A payment of flow `reported` that is ready, as the gateway knows it."""
    txn = house.create(flow="reported")
    order = Order("", txn, "user-7", "o", "item", 1, 12_000, "KRW", 0, 0)
    prepared = house.gateway.prepare(Account("told", "TC0ONETIME", {}), order, Urls("", "", ""), 1)
    Reports(house.payments).ready(house.caller(), txn, prepared.reference)
    return txn


def silent(house: House) -> str:
    """A payment whose outcome nobody tells, so that the gateway is known to be away."""
    txn = house.ready()
    house.gateway.script["approve"] = [lost_before]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.gateway.script["look_up"] = [LOST] * 99
    house.work(15)
    return txn


def test_a_round_that_fails_ends_no_worker(house: House, caplog: pytest.LogCaptureFixture) -> None:
    txn = house.create(expires_in=60)
    house.time.advance(60)
    house.store.db.execute_sql(
        "CREATE TRIGGER fault BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'fault'); END"
    )
    rounds = Rounds(2)
    house.worker.run(rounds)
    assert (len(rounds.rests), house.status(txn)) == (2, "created")
    assert [r.getMessage() for r in caplog.records] == ["a round of the worker failed"] * 2
    house.store.db.execute_sql("DROP TRIGGER fault")
    house.worker.run(Rounds(2))
    assert house.status(txn) == "expired"


def test_a_busy_worker_does_not_rest(house: House) -> None:
    house.create(expires_in=60)
    house.time.advance(60)
    rounds = Rounds(2)
    house.worker.run(rounds)
    assert len(rounds.rests) == 1, "after the round that found nothing"


# ---- expiry


def test_an_order_being_prepared_expires_after_the_call(house: House) -> None:
    txn = house.create(expires_in=60)
    found: list[int] = []

    def hangs(honest: Callable[[], Any]) -> Any:
        house.time.advance(5)
        found.append(house.worker.run_once().expired)
        house.time.advance(6)
        found.append(house.worker._expire())
        return LOST

    house.time.advance(55)
    house.gateway.script["prepare"] = [hangs]
    with pytest.raises(Conflict):
        house.payments.ready(house.caller(), txn)
    assert found == [0, 1]
    assert house.status(txn) == "expired"
    states = house.store.rows("SELECT state FROM operations")
    assert [row["state"] for row in states] == ["abandoned"]


def test_a_reported_payment_waits_for_a_gateway_that_is_away(house: House) -> None:
    txn = reported(house)
    house.gateway.script["look_up"] = [LOST] * 2
    house.time.advance(1_000)
    assert house.worker.run_once().expired == 0
    asked = len(house.gateway.calls)
    assert house.worker.run_once().expired == 0, "known to be away: not even asked"
    assert len(house.gateway.calls) == asked
    house.gateway.script["look_up"] = []
    house.work(60)
    assert house.status(txn) == "expired"


def test_a_clock_set_back_expires_nothing_early(house: House) -> None:
    txn = reported(house)

    def set_back(honest: Callable[[], Any]) -> Any:
        house.time.advance(-900)
        return honest()

    house.time.advance(1_000)
    house.gateway.script["look_up"] = [set_back]
    assert house.worker.run_once().expired == 0
    assert house.status(txn) == "ready"
    house.time.advance(900)
    assert house.worker.run_once().expired == 1


# ---- payments to look at once more


def closed(house: House) -> str:
    """A payment that closed although its approve was sent: it is looked at once more."""
    txn = house.ready()
    house.gateway.script["approve"] = [Refused(b"no", "declined", "-780", "")]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.time.advance(1_000)
    return txn


def look_at(house: House, txn: str) -> int | None:
    found: int | None = house.ledger.load(txn)["look_at"]
    return found


def test_a_payment_that_no_gateway_knows_is_not_asked_about(house: House) -> None:
    txn = house.create(flow="reported")
    house.payments.fire(house.caller(), txn, "cancel", None)
    assert look_at(house, txn)
    house.time.advance(100_000)
    assert house.worker.run_once().watched == 1
    assert (look_at(house, txn), house.gateway.calls) == (None, [])


def test_a_second_look_waits_for_a_gateway_that_is_away(house: House) -> None:
    silent(house)
    txn = closed(house)
    assert house.worker.run_once().watched == 0, "known to be away: not even asked"
    house.gateway.script["look_up"] = []
    house.work(60)
    assert look_at(house, txn) is None


def test_a_second_look_without_an_answer_comes_again(house: House) -> None:
    txn = closed(house)
    house.gateway.script["look_up"] = [LOST]
    assert house.worker.run_once().watched == 1
    assert look_at(house, txn) == house.time.now + 300_000_000
    house.work(300, step=50)
    assert look_at(house, txn) is None


def test_a_second_look_is_taken_by_one_worker(house: House) -> None:
    txn = closed(house)
    house.overtaken(house.worker.run_once)
    house.worker.run_once()
    assert house.gateway.calls.count("look_up") == 1
    assert look_at(house, txn) is None


def test_a_second_look_that_is_outdated_is_looked_again(house: House) -> None:
    txn = house.approved()
    with house.store.write():
        house.store.execute("UPDATE transactions SET look_at = ?", (house.time.now,))

    def overtaken(honest: Callable[[], Any]) -> Any:
        seen = honest()
        house.payments.refund(house.caller(), txn, 1_000)
        return seen

    house.gateway.script["look_up"] = [overtaken]
    house.worker.run_once()
    assert house.get(txn)["needs_review"] is None
    assert look_at(house, txn), "it is asked once more, of what is true by now"
    house.work(400, step=50)
    assert look_at(house, txn) is None
