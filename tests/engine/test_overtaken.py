"""Who decides and is overtaken before the commit: one loser at a time, on one thread, no luck.

`House.overtaken` lets somebody else commit in exactly that moment; `test_races.py` has the crowds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from house import LOST, House, lost_after, lost_before

from engine.book import adopt_chart, set_setting
from engine.erasure import Erased, Erasure, StillOpen
from engine.errors import EngineError
from engine.idempotency import Answer, Keys
from engine.money import Tax
from engine.provider import NotTaken
from engine.review import TRIES, resolve
from engine.settlement import EVIDENCE_TRIES
from engine.store import Row, Store


def refused(call: Callable[[], Any]) -> str:
    """The code of a refusal."""
    with pytest.raises(EngineError) as raised:
        call()
    return raised.value.code


def refuse(house: House, txn: str, event: str = "complete") -> None:
    """Have a refusal logged: the head moves, the version does not."""
    assert refused(lambda: house.payments.fire(house.caller(), txn, event, None))


def inflight(house: House, txn: str) -> None:
    """Another process has begun to prepare, and is still asking."""
    payments = house.payments
    op, row = payments.operations.new_id("prepare"), payments.ledger.load(txn)
    with house.store.write():
        whole = Tax(row["amount"], row["tax_free_amount"], row["vat_amount"])
        payments.operations.open(op, "prepare", row, whole, row["amount"], 0, house.caller())


# ---- callers


def test_a_ready_that_lost_to_a_cancel_asks_nobody(house: House) -> None:
    txn = house.create()
    house.overtaken(lambda: house.payments.fire(house.caller(), txn, "cancel", None))
    assert refused(lambda: house.payments.ready(house.caller(), txn)) == "illegal_transition"
    assert (house.status(txn), house.gateway.calls) == ("cancelled", [])


def test_a_ready_that_lost_to_another_is_in_flight(house: House) -> None:
    txn = house.create()
    house.overtaken(lambda: inflight(house, txn))
    assert refused(lambda: house.payments.ready(house.caller(), txn)) == "operation_in_flight"
    assert house.gateway.calls == []
    house.work(20)


def test_a_ready_after_one_that_hangs_takes_over(house: House) -> None:
    txn = house.create()
    inflight(house, txn)
    house.time.advance(11)
    assert house.payments.ready(house.caller(), txn).code == "ok"
    assert house.gateway.calls == ["prepare"]
    states = house.store.rows("SELECT state FROM operations ORDER BY created_at")
    assert [row["state"] for row in states] == ["abandoned", "settled"]


def test_an_if_match_that_loses_every_race_is_stale(house: House) -> None:
    txn = house.create()
    house.overtaken(lambda: refuse(house, txn), times=3)
    call = house.caller(if_match=house.get(txn)["version"])
    assert refused(lambda: house.payments.fire(call, txn, "cancel", None)) == "version_mismatch"
    assert house.status(txn) == "created"


def test_who_loses_every_race_is_told_to_look_again(house: House) -> None:
    txn = house.create()
    house.overtaken(lambda: refuse(house, txn), times=3)
    call = partial(house.payments.fire, house.caller(), txn, "cancel", None)
    assert refused(call) == "illegal_transition"
    assert call().code == "ok"


def test_an_order_made_at_that_moment_answers_its_key(house: House) -> None:
    order = house.order()
    create = partial(house.payments.create, house.caller("key-0001"), order)
    house.overtaken(create)
    assert create().replayed
    assert len(house.store.rows("SELECT id FROM transactions")) == 1


def test_a_chart_adopted_at_that_moment_is_no_news(house: House) -> None:
    with house.store.write():
        set_setting(house.ledger, "chart", "sha256:older")
    house.overtaken(lambda: adopt_chart(house.ledger))
    assert adopt_chart(house.ledger) is False
    assert [e["event"] for e in house.entries("book")].count("chart_adopted") == 2


def test_a_checkpoint_made_at_that_moment_is_noted_once(house: House) -> None:
    record = house.audit.checkpoints.record
    house.audit.checkpoints.note_key("worker")
    house.create()

    def faster() -> None:
        record("worker")
        house.create()
        house.audit.sequencer.drain()

    house.audit.sequencer.drain()
    house.overtaken(faster)
    record("worker")
    assert [e["event"] for e in house.entries("book")].count("checkpoint_made") == 1


# ---- evidence


def test_evidence_that_loses_one_race_is_weighed_again(house: House) -> None:
    txn = house.ready()
    house.overtaken(lambda: refuse(house, txn), after=1)
    assert house.payments.approve(house.caller(), txn, "pg-token-1").code == "ok"
    assert house.status(txn) == "approved"


def test_an_answer_to_what_was_given_up_at_that_moment_is_late(house: House) -> None:
    txn, payments = house.create(), house.payments

    def give_up() -> None:
        with house.store.write():
            payments.settlement.abandon(payments.operations.open_of(txn) or {})

    house.overtaken(give_up, after=1)
    assert refused(lambda: payments.ready(house.caller(), txn)) == "gateway_timeout"
    assert house.events(txn, "note") == ["late_answer"]


def test_evidence_that_loses_every_race_is_left_to_the_worker(house: House) -> None:
    txn = house.ready()
    house.overtaken(lambda: seen(house, txn), times=EVIDENCE_TRIES, after=1)
    assert house.payments.approve(house.caller(), txn, "pg-token-1").code == "unknown"
    assert house.status(txn) == "approving"
    house.work(20)
    assert house.status(txn) == "approved"


def seen(house: House, txn: str) -> None:
    """Another process hears that the outcome is not known yet: an entry of its own."""
    row = house.ledger.load(txn)
    house.payments.settlement.open_review(row, "outcome_unknown")


def test_a_review_opened_on_a_payment_that_moved_waits(house: House) -> None:
    txn = house.ready()
    row = house.ledger.load(txn)
    house.overtaken(lambda: refuse(house, txn))
    assert house.payments.settlement.open_review(row, "outcome_unknown") is False
    assert house.get(txn)["needs_review"] is None


@pytest.mark.parametrize("tries", [1, TRIES])
def test_closing_a_review_beside_others_has_an_end(house: House, tries: int) -> None:
    txn = house.approved()
    house.payments.settlement.open_review(house.ledger.load(txn), "contradicts")
    house.overtaken(lambda: refuse(house, txn, "fail"), times=tries, after=1)
    close = partial(resolve, house.payments, txn, "seen", "operator:test")
    if tries < TRIES:
        assert close()["needs_review"] is None
    else:
        assert refused(close) == "operation_in_flight"


# ---- the customer


def test_a_late_return_that_races_is_not_logged_twice(house: House) -> None:
    txn = house.ready()
    house.payments.fire(house.caller(), txn, "cancel", None)
    token = house.tokens[0]
    house.overtaken(lambda: house.returns.hit(token, "approved", "pg-token-1", "req_1"))
    house.returns.hit(token, "approved", "pg-token-1", "req_2")
    assert house.events(txn, "note") == ["late_return"]


def test_a_return_with_a_wrong_token_is_shown_the_payment(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [NotTaken(b"no", "wrong_token", "-702", "")]
    row = house.returns.hit(house.tokens[0], "approved", "pg-token-1", "req_1")
    assert (row["id"], row["status"]) == (txn, "ready")
    (seen,) = house.payments.journal.read(txn, 0, 10)
    assert seen["verdict"] == "ignored"


# ---- erasure


def test_a_payment_that_begins_to_move_is_not_erased(house: House) -> None:
    txn = house.approved()
    house.gateway.script["refund"] = [lost_before]
    house.overtaken(lambda: house.payments.refund(house.caller(), txn, 1_000))
    erasure = Erasure(house.ledger, house.vault)
    with pytest.raises(StillOpen):
        erasure.erase_customer("shop", "user-7", "operator:test")
    assert house.get(txn)["customer_id"] == "user-7"


def test_what_was_erased_at_that_moment_is_erased_once(house: House) -> None:
    house.approved()
    erasure = Erasure(house.ledger, house.vault)
    erase = partial(erasure.erase_customer, "shop", "user-7", "operator:test")
    house.overtaken(erase)
    assert erase() == Erased()
    assert [e["event"] for e in house.entries("book")].count("erased") == 1


# ---- the worker


def test_an_order_paid_at_that_moment_does_not_expire(house: House) -> None:
    txn = house.create(expires_in=60)
    house.time.advance(60)
    house.overtaken(lambda: refuse(house, txn))
    assert house.worker.run_once().expired == 0
    assert house.worker.run_once().expired == 1
    assert house.status(txn) == "expired"


def test_an_operation_is_looked_up_by_one_worker(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_after]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.time.advance(20)
    house.overtaken(house.worker.run_once)
    assert house.worker.run_once().looked == 0
    assert house.gateway.calls.count("look_up") == 1
    assert house.status(txn) == "approved"


def test_an_operation_sent_again_elsewhere_is_not_sent_here(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_before]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    operations = house.payments.operations

    def elsewhere(honest: Callable[[], Any]) -> Any:
        op = operations.get(str(house.ledger.load(txn)["intent_op"]))
        answer = honest()
        house.overtaken(lambda: operations.resend(op or {}, 60), after=1)
        return answer

    house.time.advance(100)
    house.gateway.script["look_up"] = [elsewhere]
    house.worker.run_once()
    assert house.gateway.calls.count("approve") == 1
    house.work(120)
    assert (house.status(txn), house.gateway.captured) == ("approved", 12_000)


def test_a_silent_gateway_is_asked_by_one_canary(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_after]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.gateway.script["look_up"] = [LOST] * 9
    house.work(10)
    house.time.advance(30)
    asked = house.gateway.calls.count("look_up")
    house.overtaken(house.worker.run_once)
    house.worker.run_once()
    assert house.gateway.calls.count("look_up") == asked + 1
    house.gateway.script["look_up"] = []
    house.work(60)
    assert house.status(txn) == "approved"


def test_a_recheck_that_is_overtaken_comes_again(house: House) -> None:
    txn = house.create()
    inflight(house, txn)
    with house.store.write():
        house.store.execute("INSERT INTO rechecks (txn) VALUES (?)", (txn,))
    house.overtaken(lambda: seen(house, txn))
    assert house.worker.run_once().rechecked == 0
    assert house.worker.run_once().rechecked == 1
    states = house.store.rows("SELECT state FROM operations")
    assert (house.status(txn), [row["state"] for row in states]) == ("cancelled", ["abandoned"])


def test_a_lease_taken_at_that_moment_is_respected(house: House) -> None:
    house.approved()

    def lease() -> None:
        with house.store.write():
            sql = "INSERT INTO leases VALUES ('sequencer', 'another', ?)"
            house.store.execute(sql, (house.time.now + 5_000_000,))

    house.overtaken(lease)
    assert house.audit.sequencer.run_once() == 0
    house.time.advance(5)
    assert house.audit.sequencer.run_once() > 0


class Forgetful(Store):
    """A store in which a key is forgotten right after it was seen."""

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        found = super().row(sql, params)
        if sql.startswith("SELECT 1 FROM idempotency"):
            with self.write():
                self.execute("DELETE FROM idempotency")
        return found


def test_a_key_forgotten_at_that_moment_is_new(house: House) -> None:
    call = house.caller("key-0001")
    house.payments.fire(call, house.create(), "cancel", None)
    store = Forgetful(f"sqlite:///{house.store.path}")
    assert isinstance(Keys(house.store).find(call, house.time.now), Answer)
    assert Keys(store).find(call, house.time.now) is None
    store.close()
