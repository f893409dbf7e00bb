"""Many at once on one payment: one wins, the others are told the truth, the gateway moves once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from house import LOST, House

from engine.errors import EngineError, GatewayTrouble

ROUNDS = 8


def _together(house: House, calls: list[Callable[[], Any]]) -> list[str]:
    """Run calls at the same moment; the code that each was answered with."""
    gate = threading.Barrier(len(calls))
    codes: list[str] = []

    def run(call: Callable[[], Any]) -> None:
        gate.wait(10)
        try:
            codes.append(call().code)
        except EngineError as error:
            codes.append(error.code)
        except Exception as error:
            codes.append(f"surprise: {error!r}")
        finally:
            house.store.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return codes


@pytest.mark.parametrize("number", range(ROUNDS))
def test_approve_cancel_and_fail_at_once_have_one_winner(house: House, number: int) -> None:
    txn = house.ready()
    calls: list[Callable[[], Any]] = [
        lambda: house.payments.approve(house.caller(), txn, "pg-token-1"),
        lambda: house.payments.fire(house.caller(), txn, "cancel", None),
        lambda: house.payments.fire(house.caller(), txn, "fail", None),
        lambda: house.payments.approve(house.caller(), txn, "pg-token-1"),
    ]
    codes = _together(house, calls)
    assert set(codes) <= {"ok", "illegal_transition", "operation_in_flight"}
    assert codes.count("ok") == 1
    charged = house.gateway.captured > 0
    assert charged == (house.status(txn) == "approved")


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_same_key_many_times_has_one_effect_and_one_answer(house: House, number: int) -> None:
    txn = house.approved()

    def refund() -> Any:
        return house.payments.refund(house.caller("key-0001"), txn, 3_000)

    codes = _together(house, [refund] * 16)
    assert set(codes) <= {"ok", "unknown", "idempotency_in_flight"}
    assert house.gateway.refunded == 3_000
    assert house.payments.refund(house.caller("key-0001"), txn, 3_000).replayed


@pytest.mark.parametrize("number", range(ROUNDS))
def test_partial_refunds_never_exceed_what_was_captured(house: House, number: int) -> None:
    txn = house.approved()

    def refund(amount: int | None) -> Callable[[], Any]:
        def call() -> Any:
            while True:
                try:
                    return house.payments.refund(house.caller(), txn, amount)
                except EngineError as error:  # three lost races are answered as illegal
                    if error.code == "guard_refused" or house.status(txn) == "refunded":
                        raise

        return call

    codes = _together(house, [*(refund(1_000) for _ in range(15)), refund(None)])
    assert not [code for code in codes if code.startswith("surprise")]
    assert house.gateway.refunded == house.get(txn)["refunded_amount"] == 12_000
    assert house.status(txn) == "refunded"


def test_creating_one_order_many_times_at_once_makes_one(house: House) -> None:
    order = house.order()
    codes = _together(house, [lambda: house.payments.create(house.caller(), order)] * 12)
    assert sorted(codes) == ["created"] + ["order_in_progress"] * 11


def test_an_if_match_storm_has_one_winner(house: House) -> None:
    txn = house.create()
    call = house.caller(if_match=1)
    codes = _together(house, [lambda: house.payments.fire(call, txn, "cancel", None)] * 12)
    assert sorted(codes) == ["ok"] + ["version_mismatch"] * 11


def test_a_return_reloaded_many_times_at_once_charges_once(house: House) -> None:
    txn = house.ready()
    token = house.tokens[0]

    class Row:
        code = "ok"

    def hit() -> Any:
        house.returns.hit(token, "approved", "pg-token-1", "req_1")
        return Row

    assert set(_together(house, [hit] * 12)) == {"ok"}
    assert (house.gateway.captured, house.status(txn)) == (12_000, "approved")
    assert house.gateway.calls.count("approve") == 1


def test_two_workers_and_a_live_answer_settle_once(house: House) -> None:
    txn = house.ready()

    def slow(honest: Callable[[], Any]) -> Any:
        outcome = honest()
        house.time.advance(20)
        _together(house, [_worked(house), _worked(house)])
        return outcome

    house.gateway.script["approve"] = [slow]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    assert house.status(txn) == "approved"
    assert house.events(txn).count("approval_confirmed") == 1


def test_a_look_up_asked_too_early_denies_nothing_later(house: House) -> None:
    txn, on_its_way = house.approved(), []

    def delayed(honest: Callable[[], Any]) -> Any:
        on_its_way.append(honest)
        return LOST

    def slowly(honest: Callable[[], Any]) -> Any:
        seen = honest()  # nothing has gone back yet
        on_its_way[0]()
        house.time.advance(20)
        return seen

    house.gateway.script["refund"] = [delayed]
    house.payments.refund(house.caller(), txn, 1_000)
    house.time.advance(50)

    house.gateway.script["look_up"] = [slowly]
    house.worker.run_once()
    assert house.gateway.calls.count("refund") == 1, "it was not sent a second time"
    house.work(60)
    assert (house.status(txn), house.gateway.refunded) == ("partially_refunded", 1_000)


def test_a_recheck_asked_too_early_denies_nothing_later(house: House) -> None:
    txn, on_its_way = house.ready(), []

    def delayed(honest: Callable[[], Any]) -> Any:
        on_its_way.append(honest)
        return LOST

    def slowly(honest: Callable[[], Any]) -> Any:
        seen = honest()  # nothing is charged yet
        on_its_way[0]()
        house.time.advance(2_000)
        return seen

    house.gateway.script["approve"] = [delayed]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    with house.store.write():
        house.store.execute("INSERT INTO rechecks (txn) VALUES (?)", (txn,))
    house.gateway.script["look_up"] = [slowly]
    house.worker.run_once()
    assert house.status(txn) in ("approving", "approved"), "never failed while charged"
    house.work(60)
    assert (house.status(txn), house.gateway.captured) == ("approved", 12_000)


def test_a_late_answer_of_an_earlier_refund_contradicts_nothing(house: House) -> None:
    txn = house.approved()

    def overtaken(honest: Callable[[], Any]) -> Any:
        answer = honest()
        house.work(20)  # the worker finds the refund, and another one follows
        house.payments.refund(house.caller(), txn, 2_000)
        return answer

    house.gateway.script["refund"] = [overtaken]
    house.payments.refund(house.caller(), txn, 1_000)
    assert house.events(txn).count("refund_settled") == 2
    assert (house.get(txn)["needs_review"], house.gateway.refunded) == (None, 3_000)


def _worked(house: House) -> Callable[[], Any]:
    class Done:
        code = "ok"

    def run() -> Any:
        house.worker.run_once()
        return Done

    return run


def test_an_answer_to_a_prepare_given_up_at_that_moment_is_late(house: House) -> None:
    txn = house.create()
    asked, held = threading.Event(), threading.Event()

    def answered_as_it_is_given_up(honest: Callable[[], Any]) -> Any:
        asked.set()
        held.wait(10)
        return honest()

    def give_up() -> str:
        asked.wait(10)
        with house.store.write():  # the answer is weighed meanwhile, and waits to be written
            held.set()
            time.sleep(0.3)
            house.payments.settlement.abandon(house.payments.operations.open_of(txn) or {})
        return house.status(txn)

    house.gateway.script["prepare"] = [answered_as_it_is_given_up]
    with ThreadPoolExecutor(1) as pool:
        given_up = pool.submit(give_up)
        with pytest.raises(GatewayTrouble) as raised:
            house.payments.ready(house.caller(), txn)
        given_up.result(30)
        pool.submit(house.store.close).result(30)
    assert (raised.value.code, house.status(txn)) == ("gateway_timeout", "created")
    assert house.events(txn, "note") == ["late_answer"]
    assert house.payments.ready(house.caller(), txn).code == "ok"
