"""Flow `reported`: nothing is believed, everything is looked up."""

from __future__ import annotations

import pytest
from house import LOST, House

from engine.errors import Conflict, GatewayTrouble, Invalid, Missing, Refusal
from engine.payments import decode
from engine.provider import Prepared
from engine.reports import Reports


@pytest.fixture
def reports(house: House) -> Reports:
    return Reports(house.payments)


def test_a_reported_payment_is_bound_then_found_charged(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported")
    reference = house.at_gateway(txn)
    reports.ready(house.caller(), txn, reference)
    house.gateway.books[reference].captured = 12_000
    reports.approve(house.caller("key-0001"), txn, reference)
    assert house.status(txn) == "approved"
    assert house.gateway.calls.count("approve") == 0
    assert reports.approve(house.caller("key-0001"), txn, reference).replayed


def test_a_late_first_report_repeats_its_answer(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported")
    reference = house.at_gateway(txn)
    house.gateway.books[reference].captured = 12_000
    first = reports.ready(house.caller("key-0001"), txn, reference)
    assert decode(first)["status"] == "approved"
    again = reports.ready(house.caller("key-0001"), txn, reference)
    assert (again.replayed, again.body) == (True, first.body)


def test_a_reported_charge_partly_refunded_is_approved(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported")
    reference = house.at_gateway(txn)
    reports.ready(house.caller(), txn, reference)
    charge = house.gateway.books[reference]
    charge.captured, charge.refunded, charge.vat = 12_000, 1_000, 91
    answer = reports.approve(house.caller("key-0001"), txn, reference)
    assert (answer.code, decode(answer)["status"]) == ("ok", "partially_refunded")
    assert reports.approve(house.caller("key-0001"), txn, reference).body == answer.body


def test_a_report_of_nothing_charged_changes_nothing(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported")
    reference = house.at_gateway(txn)
    reports.ready(house.caller(), txn, reference)
    with pytest.raises(Conflict) as caught:
        reports.approve(house.caller(), txn, reference)
    assert caught.value.code == "approval_not_taken"
    assert house.status(txn) == "ready"


@pytest.mark.parametrize("theft", ["another", "user", "amount", "nobody"])
def test_a_stolen_reference_is_not_bound(house: House, reports: Reports, theft: str) -> None:
    txn, victim = house.create(flow="reported"), house.create(flow="reported")
    reference = {
        "another": lambda: house.at_gateway(victim),
        "user": lambda: house.at_gateway(txn, user="user-8"),
        "amount": lambda: house.at_gateway(txn, amount=11_999),
        "nobody": lambda: "T0000000000000000000",
    }[theft]()
    with pytest.raises(Invalid) as caught:
        reports.ready(house.caller(), txn, reference)
    assert caught.value.extra["reason"] == "reference_mismatch"
    assert house.get(txn)["provider_ref"] is None
    assert house.events(txn, "refusal") == ["make_ready"]


def test_a_squatter_cannot_keep_the_owner_out(house: House, reports: Reports) -> None:
    owner, squatter = house.create(flow="reported"), house.create(flow="reported")
    reference = house.at_gateway(owner)
    with pytest.raises(Invalid):
        reports.ready(house.caller(), squatter, reference)
    assert reports.ready(house.caller(), owner, reference).code == "ok"


def test_a_bound_payment_takes_no_other_reference(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported")
    reports.ready(house.caller(), txn, house.at_gateway(txn))
    second = house.at_gateway(txn)
    house.gateway.books[second].captured = 12_000
    with pytest.raises(Invalid):
        reports.approve(house.caller(), txn, second)
    assert house.status(txn) == "ready"


def test_a_silent_gateway_means_try_again(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported")
    reference = house.at_gateway(txn)
    house.gateway.script["look_up"] = [LOST]
    with pytest.raises(GatewayTrouble):
        reports.ready(house.caller(), txn, reference)
    assert house.status(txn) == "created"


def test_cancelling_finds_a_charge_instead(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported")
    reference = house.at_gateway(txn)
    reports.ready(house.caller(), txn, reference)
    house.gateway.books[reference].captured = 12_000
    with pytest.raises(Conflict) as caught:
        reports.close(house.caller(), txn, "cancel", None)
    assert caught.value.code == "illegal_transition"
    assert house.status(txn) == "approved"


def test_expiry_finds_a_charge_instead(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported")
    reference = house.at_gateway(txn)
    reports.ready(house.caller(), txn, reference)
    house.gateway.books[reference].captured = 12_000
    house.work(905, step=100)
    assert house.status(txn) == "approved"


def test_a_report_on_a_closed_payment_finds_its_charge(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported", expires_in=60)
    house.work(65)
    reference = house.at_gateway(txn)
    house.gateway.books[reference].captured = 12_000
    with pytest.raises(Conflict):
        reports.approve(house.caller(), txn, reference)
    assert house.status(txn) == "captured_unwanted"


def test_a_close_with_its_key_is_decided_once(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported")
    reports.ready(house.caller(), txn, house.at_gateway(txn))
    first = reports.close(house.caller("key-0001"), txn, "cancel", None)
    asked = len(house.gateway.calls)
    again = reports.close(house.caller("key-0001"), txn, "cancel", None)
    assert (again.replayed, again.body, len(house.gateway.calls)) == (True, first.body, asked)
    assert house.status(txn) == "cancelled"


def test_a_charge_beyond_belief_is_answered_as_unknown(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported")
    reference = house.at_gateway(txn)
    reports.ready(house.caller(), txn, reference)
    charge = house.gateway.books[reference]
    charge.captured, charge.refunded = 12_000, 12_001
    assert reports.approve(house.caller(), txn, reference).code == "unknown"
    assert house.get(txn)["needs_review"] == "contradicting_evidence"


def test_a_look_up_that_answers_something_else_is_refused(house: House, reports: Reports) -> None:
    txn = house.create(flow="reported")
    house.gateway.script["look_up"] = [Prepared(b"{}", "T1", {}, 0)]
    with pytest.raises(Refusal) as raised:
        reports.ready(house.caller(), txn, house.at_gateway(txn))
    assert raised.value.code == "gateway_surprise"
    assert house.status(txn) == "created"


def test_a_report_of_no_payment_is_not_written_down(house: House, reports: Reports) -> None:
    with pytest.raises(Missing):
        reports.ready(house.caller(), "txn_0", "T1")
    assert house.store.rows("SELECT id FROM journal") == []
