"""The path of a payment and every way off it, through the engine, against a gateway's own books."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import peewee
import pytest
from house import LOST, House, lost_after, lost_before

from engine.errors import Conflict, EngineError, GatewayTrouble, Invalid, Missing
from engine.fire import Caller
from engine.history import as_of
from engine.provider import Approved, NotTaken, Pending, Refused, Unknown


def test_a_payment_walks_from_order_to_full_refund(house: House) -> None:
    txn = house.approved()
    house.payments.fire(house.caller(), txn, "complete", None)
    house.payments.refund(house.caller("key-0001"), txn, 3_000, reason="too many")
    house.payments.refund(house.caller("key-0002"), txn, None)
    assert house.status(txn) == "refunded"
    assert house.gateway.captured == house.gateway.refunded == 12_000
    assert house.events(txn) == [
        "create",
        "make_ready",
        "approve",
        "approval_confirmed",
        "complete",
        "refund",
        "refund_settled",
        "refund",
        "refund_settled",
    ]


def test_a_lost_answer_is_unknown_then_found_by_the_worker(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_after]
    answer = house.payments.approve(house.caller(), txn, "pg-token-1")
    assert answer.code == "unknown"
    assert house.get(txn)["pending"]["kind"] == "approve"
    house.work(5)
    assert house.status(txn) == "approved"
    assert house.gateway.calls.count("approve") == 1


def test_a_request_that_never_arrived_is_sent_again_after_settling(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_before]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.work(55)
    assert house.status(txn) == "approving", "not charged before settle_after is unknown"
    house.work(60)
    assert house.status(txn) == "approved"
    assert house.gateway.captured == 12_000


def test_a_charge_that_lands_after_not_charged_is_found(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_before]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.work(30)
    house.gateway.books[house.get(txn)["provider_ref"]].captured = 12_000
    house.work(60)
    assert house.status(txn) == "approved"
    assert house.gateway.calls.count("approve") == 1


def test_a_gateway_away_is_asked_by_a_canary_only(house: House) -> None:
    first, second = house.ready(), house.ready()
    house.gateway.script["approve"] = [lost_after, lost_after]
    for txn in (first, second):
        house.payments.approve(house.caller(), txn, "pg-token-1")
    house.gateway.script["look_up"] = [LOST] * 1000
    house.work(600)
    asked = house.gateway.calls.count("look_up")
    assert asked <= 600 / 20 + 2
    house.gateway.script["look_up"] = []
    house.work(60)
    assert house.status(first) == house.status(second) == "approved"


def test_an_unknown_never_becomes_failed_by_time(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_after]
    house.gateway.script["look_up"] = [LOST] * 10_000
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.work(3 * 86_400, step=3_600)
    assert house.status(txn) == "approving"
    assert house.get(txn)["needs_review"] == "outcome_unknown"
    house.gateway.script["look_up"] = []
    house.work(60)
    assert (house.status(txn), house.get(txn)["needs_review"]) == ("approved", None)


def test_a_wrong_amount_is_never_shown_approved(house: House) -> None:
    txn = house.ready()

    def wrong(honest: object) -> Approved:
        row = house.get(txn)
        return Approved(b"odd", row["provider_ref"], txn, "user-7", 11_999, "KRW", None, None)

    house.gateway.script["approve"] = [wrong]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    assert house.status(txn) == "approving"
    assert house.get(txn)["needs_review"] == "contradicting_evidence"


def test_a_decline_is_an_answer_not_an_error(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [Refused(b"no", "limit_exceeded", "-780", "over limit")]
    answer = house.payments.approve(house.caller("key-0001"), txn, "pg-token-1")
    assert answer.code == "ok"
    assert house.get(txn)["failure"]["code"] == "limit_exceeded"
    replay = house.payments.approve(house.caller("key-0001"), txn, "pg-token-1")
    assert (replay.replayed, replay.body) == (True, answer.body)


def test_a_wrong_token_never_fails_a_live_payment(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [NotTaken(b"no", "wrong_token", "-708", "")]
    with pytest.raises(Conflict) as caught:
        house.payments.approve(house.caller("key-0001"), txn, "wrong")
    assert caught.value.code == "approval_not_taken"
    house.payments.approve(house.caller("key-0001"), txn, "right")
    assert house.status(txn) == "approved"


def test_a_fifth_wrong_token_is_the_last(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [NotTaken(b"no", "wrong_token", "-708", "")] * 5
    for _ in range(5):
        with pytest.raises(Conflict):
            house.payments.approve(house.caller(), txn, "wrong")
    with pytest.raises(Invalid) as caught:
        house.payments.approve(house.caller(), txn, "right")
    assert caught.value.extra["reason"] == "too_many_attempts"


def test_a_conflict_is_resolved_within_the_call(house: House) -> None:
    txn = house.ready()

    def already(honest: object) -> Unknown:
        house.gateway.books[house.get(txn)["provider_ref"]].captured = 12_000
        return Unknown(b"{}", "conflict", "already paid", "-702")

    house.gateway.script["approve"] = [already]
    assert house.payments.approve(house.caller(), txn, "pg-token-1").code == "ok"
    assert house.status(txn) == "approved"


def test_a_key_replays_the_final_answer_that_the_worker_found(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_after]
    first = house.payments.approve(house.caller("key-0001"), txn, "pg-token-1")
    assert (
        house.payments.approve(house.caller("key-0001"), txn, "x").code == first.code == "unknown"
    )
    house.work(10)
    final = house.payments.approve(house.caller("key-0001"), txn, "pg-token-1")
    assert (final.code, final.replayed) == ("ok", True)
    assert '"status":"approved"' in final.body


def test_a_key_with_another_body_is_refused(house: House) -> None:
    txn = house.approved()
    house.payments.refund(house.caller("key-0001", body="a"), txn, 100)
    with pytest.raises(Invalid) as caught:
        house.payments.refund(house.caller("key-0001", body="b"), txn, 100)
    assert caught.value.code == "idempotency_key_reused"
    assert house.gateway.refunded == 100


def test_creating_twice_with_a_key_makes_one(house: House) -> None:
    order = house.order()
    first = house.payments.create(house.caller("key-0001"), order)
    again = house.payments.create(house.caller("key-0001"), order)
    assert (again.txn, again.body, again.replayed) == (first.txn, first.body, True)


def test_one_order_has_one_live_payment(house: House) -> None:
    order = house.order()
    first = house.payments.create(house.caller(), order).txn
    with pytest.raises(Conflict) as caught:
        house.payments.create(house.caller(), order)
    assert caught.value.code == "order_in_progress"
    assert caught.value.extra["transaction_id"] == first
    house.payments.fire(house.caller(), first, "cancel", None)
    assert house.payments.create(house.caller(), order).txn != first


def test_a_refund_lost_before_it_arrived_is_sent_again_with_its_id(house: House) -> None:
    txn = house.approved()
    house.gateway.script["refund"] = [lost_before]
    assert house.payments.refund(house.caller(), txn, 3_000).code == "unknown"
    house.work(120)
    assert house.get(txn)["refunded_amount"] == house.gateway.refunded == 3_000


def test_a_refund_whose_answer_was_lost_is_not_sent_again(house: House) -> None:
    txn = house.approved()
    house.gateway.script["refund"] = [lost_after]
    house.payments.refund(house.caller(), txn, 3_000)
    house.work(120)
    assert house.gateway.calls.count("refund") == 1
    assert house.get(txn)["refunded_amount"] == house.gateway.refunded == 3_000


def test_a_rejected_refund_returns_to_where_it_came_from(house: House) -> None:
    txn = house.approved()
    house.payments.fire(house.caller(), txn, "complete", None)
    house.gateway.script["refund"] = [Refused(b"no", "not_cancellable", "-784", "")]
    answer = house.payments.refund(house.caller(), txn, 3_000)
    assert answer.code == "ok"
    assert house.status(txn) == "completed"
    assert house.get(txn)["refunds"][0]["status"] == "rejected"


def test_a_refund_in_the_gateways_console_is_found(house: House) -> None:
    txn = house.approved()
    charge = house.gateway.books[house.get(txn)["provider_ref"]]
    charge.refunded, charge.vat = 2_000, 182
    house.gateway.script["refund"] = [Refused(b"no", "refund_guard_mismatch", "-722", "")]
    house.payments.refund(house.caller(), txn, 3_000)
    house.work(5)
    assert house.get(txn)["refunded_amount"] == 2_000
    assert house.status(txn) == "partially_refunded"


def test_a_charge_after_closing_is_unwanted_and_only_fully_refunded(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [Refused(b"no", "declined", "-780", "")]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.gateway.books[house.get(txn)["provider_ref"]].captured = 12_000
    house.work(1_000, step=60)
    assert house.status(txn) == "captured_unwanted"
    with pytest.raises(Invalid) as caught:
        house.payments.refund(house.caller(), txn, 1)
    assert caught.value.extra["reason"] == "only_full_refund"
    house.payments.refund(house.caller(), txn, None)
    assert (house.status(txn), house.get(txn)["needs_review"]) == ("refunded", None)


def test_too_much_is_refused_and_logged(house: House) -> None:
    txn = house.approved()
    with pytest.raises(Invalid) as caught:
        house.payments.refund(house.caller(), txn, 12_001)
    assert caught.value.extra["reason"] == "refund_exceeds_balance"
    assert house.events(txn, "refusal") == ["refund"]
    assert house.gateway.calls.count("refund") == 0


def test_refusals_do_not_move_the_version(house: House) -> None:
    txn = house.create()
    with pytest.raises(Conflict):
        house.payments.fire(house.caller(), txn, "complete", None)
    assert house.get(txn)["version"] == 1


def test_refusals_are_capped_with_one_closing_entry(house: House) -> None:
    txn = house.create()
    codes = []
    for _ in range(25):
        with pytest.raises(EngineError) as caught:
            house.payments.fire(house.caller(), txn, "complete", None)
        codes.append(caught.value.code)
    assert codes == ["illegal_transition"] * 20 + ["rate_limited"] * 5
    assert house.events(txn, "note") == ["refusals_suppressed"]


def test_a_stale_if_match_changes_nothing(house: House) -> None:
    txn = house.ready()
    with pytest.raises(Conflict) as caught:
        house.payments.fire(house.caller(if_match=1), txn, "cancel", None)
    assert caught.value.code == "version_mismatch"
    assert house.status(txn) == "ready"


def test_another_merchants_payment_is_absent(house: House) -> None:
    txn = house.create()
    with pytest.raises(Missing):
        house.payments.get(txn, "another")


def test_a_lost_prepare_lets_the_caller_start_over(house: House) -> None:
    txn = house.create()
    house.gateway.script["prepare"] = [lost_after]
    with pytest.raises(GatewayTrouble) as caught:
        house.payments.ready(house.caller("key-0001"), txn)
    assert caught.value.code == "gateway_timeout"
    assert house.payments.ready(house.caller("key-0001"), txn).code == "ok"


def test_a_late_prepare_is_logged_and_its_pages_never_shown(house: House) -> None:
    txn = house.create()

    def cancelled_meanwhile(honest: object) -> object:
        house.payments.fire(house.caller(), txn, "cancel", None)
        return honest()  # type: ignore[operator]

    house.gateway.script["prepare"] = [cancelled_meanwhile]
    with pytest.raises(Conflict):
        house.payments.ready(house.caller(), txn)
    assert house.events(txn, "note") == ["late_answer"]
    assert house.get(txn)["next_action"] is None


def test_a_second_ready_meanwhile_is_in_flight(house: House) -> None:
    txn = house.create()
    codes = []

    def again(honest: object) -> object:
        with pytest.raises(Conflict) as caught:
            house.payments.ready(house.caller(), txn)
        codes.append(caught.value.code)
        return honest()  # type: ignore[operator]

    house.gateway.script["prepare"] = [again]
    house.payments.ready(house.caller(), txn)
    assert codes == ["operation_in_flight"]


def test_nobody_pays_and_the_order_expires(house: House) -> None:
    created, ready = house.create(expires_in=60), house.ready()
    house.work(60)
    assert (house.status(created), house.status(ready)) == ("expired", "ready")
    house.work(900, step=60)
    assert house.status(ready) == "expired"


def test_a_return_approves_once_and_a_repeat_calls_nobody(house: House) -> None:
    txn = house.ready()
    for _ in range(3):
        row = house.returns.hit(house.tokens[0], "approved", "pg-token-1", "req_1")
        assert row["status"] == "approved"
    assert house.gateway.calls.count("approve") == 1
    assert house.status(txn) == "approved"


def test_a_cancelled_return_acts_only_when_nothing_was_charged(house: House) -> None:
    txn = house.ready()
    house.gateway.script["look_up"] = [LOST]
    house.returns.hit(house.tokens[0], "cancelled", None, "req_1")
    assert house.status(txn) == "ready"
    house.gateway.books[house.get(txn)["provider_ref"]].captured = 12_000
    house.returns.hit(house.tokens[0], "cancelled", None, "req_2")
    assert house.status(txn) == "approved"


def test_a_late_return_is_logged_and_then_gone(house: House) -> None:
    txn = house.ready()
    house.payments.fire(house.caller(), txn, "cancel", None)
    house.returns.hit(house.tokens[0], "approved", "pg-token-1", "req_1")
    assert house.events(txn, "note") == ["late_return"]
    assert "approve" not in house.gateway.calls
    house.time.advance(86_401)
    with pytest.raises(EngineError) as caught:
        house.returns.hit(house.tokens[0], "approved", "pg-token-1", "req_1")
    assert caught.value.code == "gone"


def test_a_credential_is_wiped_when_its_operation_settles(house: House) -> None:
    house.approved()
    rows = house.store.rows("SELECT credential FROM operations")
    assert [row["credential"] for row in rows] == [None, None]


def test_tax_free_parts_must_be_named_while_any_is_left(house: House) -> None:
    txn = house.approved(tax_free_amount=2_000)
    with pytest.raises(Invalid) as caught:
        house.payments.refund(house.caller(), txn, 3_000)
    assert caught.value.code == "tax_free_amount_required"
    house.payments.refund(house.caller(), txn, 3_000, tax_free=2_000)
    house.payments.refund(house.caller(), txn, None)
    charge = house.gateway.books[house.get(txn)["provider_ref"]]
    assert (charge.tax_free, charge.vat) == (2_000, house.get(txn)["vat_amount"])


def test_a_nonsensical_look_up_is_reviewed_not_a_crash(house: House) -> None:
    txn = house.approved()
    charge = house.gateway.books[house.get(txn)["provider_ref"]]
    charge.refunded = -5
    truth = house.gateway.truth(charge.reference)
    house.payments.settlement.apply_evidence(txn, None, truth, "report")
    assert house.get(txn)["needs_review"] == "contradicting_evidence"


def test_a_charge_found_after_the_last_attempt_is_reviewed(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [NotTaken(b"no", "wrong_token", "-708", "")] * 5
    for _ in range(5):
        with pytest.raises(Conflict):
            house.payments.approve(house.caller(), txn, "wrong")
    house.gateway.books[house.get(txn)["provider_ref"]].captured = 12_000
    house.returns.hit(house.tokens[0], "cancelled", None, "req_1")
    assert house.get(txn)["needs_review"] == "contradicting_evidence"
    house.work(1_000, step=100)
    assert house.status(txn) == "captured_unwanted"


def test_a_pending_approval_is_waited_for_and_never_sent_again(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [Pending(b"{}", "BANK_FIRM_UNKNOWN")]
    assert house.payments.approve(house.caller(), txn, "pg-token-1").code == "unknown"
    house.work(1_800, step=60)
    assert (house.status(txn), house.gateway.calls.count("approve")) == ("approving", 1)
    house.gateway.books[house.get(txn)["provider_ref"]].captured = 12_000
    house.work(3_600, step=60)
    assert house.status(txn) == "approved"


@pytest.mark.parametrize(
    ("second", "status"),
    [
        (NotTaken(b"no", "wrong_token", "-708", ""), "ready"),
        (Refused(b"no", "declined", "-780", ""), "failed"),
    ],
)
def test_a_no_to_a_repeated_approve_is_believed_after_a_look_up(
    house: House, second: NotTaken | Refused, status: str
) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_before, second]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.work(70)
    assert house.status(txn) == "approving"
    house.work(70)
    assert house.status(txn) == status


def test_a_no_to_a_repeated_approve_is_not_believed_against_the_books(house: House) -> None:
    txn = house.ready()

    def charged_before(honest: object) -> NotTaken:
        house.gateway.books[house.get(txn)["provider_ref"]].captured = 12_000
        return NotTaken(b"no", "wrong_token", "-708", "")

    house.gateway.script["approve"] = [lost_before, charged_before]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.work(140)
    assert house.status(txn) == "approved"


def test_one_payment_without_sense_does_not_hold_up_the_others(house: House) -> None:
    odd, others = house.ready(), [house.ready() for _ in range(3)]
    house.gateway.script["approve"] = [lost_after] * 4
    for txn in (odd, *others):
        house.payments.approve(house.caller(), txn, "pg-token-1")
    nonsense = house.get(odd)["provider_ref"]
    house.gateway.garbled.add(nonsense)
    house.gateway.script["look_up"] = [LOST] * 3
    house.work(120)
    assert [house.status(txn) for txn in others] == ["approved"] * 3
    house.gateway.garbled.clear()
    house.work(60)
    assert house.status(odd) == "approved"


def test_a_ready_with_its_key_is_asked_once(house: House) -> None:
    txn = house.create()
    first = house.payments.ready(house.caller("key-0001"), txn)
    again = house.payments.ready(house.caller("key-0001"), txn)
    assert (again.replayed, again.body) == (True, first.body)
    assert house.gateway.calls == ["prepare"]


def test_a_refund_in_parts_needs_a_gateway_that_can(house: House) -> None:
    txn = house.approved()
    house.gateway.capabilities = replace(house.gateway.capabilities, partial_refund=False)
    with pytest.raises(Invalid) as raised:
        house.payments.refund(house.caller(), txn, 1_000)
    assert raised.value.extra["reason"] == "partial_refund"
    assert house.payments.refund(house.caller(), txn, None).code == "ok"


def test_tax_parts_that_cannot_be_are_refused_and_logged(house: House) -> None:
    txn = house.approved(tax_free_amount=2_000)
    with pytest.raises(Invalid) as raised:
        house.payments.refund(house.caller(), txn, 3_000, tax_free=2_500)
    assert raised.value.extra["reason"] == "tax_free_exceeds_balance"
    assert house.events(txn, "refusal") == ["refund"]


def test_a_caller_without_a_face_is_refused_all_the_same(house: House) -> None:
    txn = house.create()
    with pytest.raises(Conflict):
        house.payments.fire(Caller("operator:test"), txn, "complete", None)
    assert house.events(txn, "refusal") == ["complete"]


def test_an_adapter_that_breaks_leaves_an_unknown(house: House) -> None:
    def breaks(honest: Callable[[], Any]) -> Any:
        honest()
        raise ValueError("a field that nobody expected")

    txn = house.ready()
    house.gateway.script["approve"] = [breaks]
    assert house.payments.approve(house.caller(), txn, "pg-token-1").code == "unknown"
    house.work(20)
    assert (house.status(txn), house.gateway.captured) == ("approved", 12_000)


def test_a_charge_with_impossible_refunds_is_never_written(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_after]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    charge = house.gateway.books[house.get(txn)["provider_ref"]]
    charge.refunded = 12_001
    house.work(60)
    found = house.get(txn)
    assert (found["status"], found["needs_review"]) == ("approving", "contradicting_evidence")
    charge.refunded = 0
    house.work(1_000, step=100)
    assert house.status(txn) == "approved"


def test_late_returns_are_logged_as_often_as_refusals(house: House) -> None:
    txn = house.ready()
    house.payments.fire(house.caller(), txn, "cancel", None)
    most = house.durations.refusals_per_hour
    for number in range(most + 2):
        house.returns.hit(house.tokens[0], "approved", "pg-token-1", f"req_{number}")
    assert house.events(txn, "note") == ["late_return"] * most


def test_a_failed_payment_is_shown_as_it_failed(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [Refused(b"no", "declined", "-780", "no money")]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    row = house.ledger.load(txn)
    then = as_of(house.store, row, row["head_seq"], None)
    assert (then["status"], then["failure"]) == ("failed", house.get(txn)["failure"])
    assert as_of(house.store, row, 1, None)["failure"] is None


def test_what_the_outbox_refuses_creates_nothing(house: House) -> None:
    house.store.db.execute_sql(
        "CREATE TRIGGER fault BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'fault'); END"
    )
    with pytest.raises(peewee.IntegrityError, match="fault"):
        house.create()
    house.store.db.execute_sql("DROP TRIGGER fault")
    assert house.store.rows("SELECT id FROM transactions") == []


def test_a_look_up_for_nobody_settles_what_is_open(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_after]
    house.payments.approve(house.caller(), txn, "pg-token-1")
    row = house.ledger.load(txn)
    asked = house.payments.settlement.asking(row)
    truth = house.gateway.truth(row["provider_ref"])
    house.payments.settlement.apply_evidence(txn, None, truth, "worker", asked)
    assert house.status(txn) == "approved"


def test_what_the_worker_hears_again_is_not_logged_again(house: House) -> None:
    txn = house.approved()
    truth, before = house.gateway.truth(house.get(txn)["provider_ref"]), house.entries(txn)
    verdict = house.payments.settlement.apply_evidence(txn, None, truth, "worker")
    assert (verdict.said, house.entries(txn)) == ("duplicate", before)


def test_a_journal_that_cannot_be_read_stops_no_answer(house: House) -> None:
    txn, connection = house.ready(), house.store.db.connection()
    with house.payments.journal.watch("report", txn, {}, None):
        connection.set_progress_handler(lambda: True, 1)  # every statement is interrupted
    connection.set_progress_handler(None)
    assert house.payments.journal.read(txn, 0, 10) == []


def test_a_dry_run_says_what_would_be_and_writes_nothing(house: House) -> None:
    txn = house.create()
    assert house.payments.dry_run(txn, None, "complete")["reason"] == "illegal_transition"
    assert house.payments.dry_run(txn, None, "cancel")["target"] == "cancelled"
    assert len(house.entries(txn)) == 1
