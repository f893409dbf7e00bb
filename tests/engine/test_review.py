"""Reviews are closed by a person with a reason, never against what still stands."""

from __future__ import annotations

import pytest
from house import House, lost_after
from states import BUILD

from engine.errors import Conflict, GatewayTrouble
from engine.provider import Unknown
from engine.review import resolve


def test_a_contradiction_is_looked_up_and_closed_with_a_reason(house: House) -> None:
    txn = house.approved()
    house.gateway.books[house.get(txn)["provider_ref"]].captured = 11_999
    truth = house.gateway.truth(house.get(txn)["provider_ref"])
    house.payments.settlement.apply_evidence(txn, None, truth, "report")
    assert house.get(txn)["needs_review"] == "contradicting_evidence"
    house.gateway.books[house.get(txn)["provider_ref"]].captured = 12_000
    row = resolve(house.payments, txn, "their books were corrected", "operator:kim")
    assert row["needs_review"] is None
    assert house.events(txn, "note") == ["review_closed"]


def test_an_unknown_is_not_closed_by_hand(house: House) -> None:
    txn = house.ready()
    house.gateway.script["approve"] = [lost_after]
    house.gateway.script["look_up"] = [Unknown(b"{}", "timeout", "")] * 1000
    house.payments.approve(house.caller(), txn, "pg-token-1")
    house.work(7_200, step=600)
    with pytest.raises(GatewayTrouble):
        resolve(house.payments, txn, "surely paid", "operator:kim")
    house.gateway.script["look_up"] = []
    with pytest.raises(Conflict):
        resolve(house.payments, txn, "surely paid", "operator:kim")
    assert house.status(txn) == "approved"


def test_an_unwanted_charge_stays_under_review(house: House) -> None:
    txn = BUILD["captured_unwanted"](house)
    with pytest.raises(Conflict):
        resolve(house.payments, txn, "never mind", "operator:kim")


def test_a_payment_that_no_gateway_knows_has_no_review(house: House) -> None:
    txn = house.create()
    with pytest.raises(Conflict):
        resolve(house.payments, txn, "never mind", "operator:kim")
    assert house.gateway.calls == []
