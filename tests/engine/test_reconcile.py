"""Reconciliation finds what the gateway did without us, and mends nothing by hand."""

from __future__ import annotations

from house import LOST, House

from engine.reconcile import BATCH, reconcile


def _said(house: House, since: int = 0) -> dict[str, str]:
    return {one.id: one.said for one in reconcile(house.payments, since)}


def test_what_agrees_stays_as_it_is(house: House) -> None:
    txn = house.approved()
    version = house.get(txn)["version"]
    assert _said(house) == {txn: "agrees"}
    assert house.get(txn)["version"] == version


def test_a_refund_in_the_gateways_console_becomes_a_step(house: House) -> None:
    txn = house.approved()
    charge = house.gateway.books[house.get(txn)["provider_ref"]]
    charge.refunded, charge.vat = 2_000, 182
    assert _said(house) == {txn: "changed"}
    assert (house.status(txn), house.get(txn)["refunded_amount"]) == ("partially_refunded", 2_000)


def test_another_amount_becomes_a_review(house: House) -> None:
    txn = house.approved()
    house.gateway.books[house.get(txn)["provider_ref"]].captured = 11_999
    assert _said(house) == {txn: "review"}


def test_a_silent_gateway_changes_nothing(house: House) -> None:
    txn = house.approved()
    house.gateway.script["look_up"] = [LOST]
    assert _said(house) == {txn: "no_answer"}
    assert house.status(txn) == "approved"


def test_only_what_changed_since_is_asked_about(house: House) -> None:
    house.approved()
    house.time.advance(3_600)
    later = house.approved()
    assert list(_said(house, house.time.now - 1_000_000)) == [later]


def test_more_than_a_batch_is_asked_about_to_the_end(house: House) -> None:
    txns = [house.ready() for _ in range(BATCH + 1)]
    assert list(_said(house)) == txns
